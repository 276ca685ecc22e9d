#include "chunk/zstd_codec.h"

#include <zstd.h>

#include <memory>

namespace g8ufs {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using Compressor = std::unique_ptr<ZSTD_CCtx, FreeContext>;
using Decompressor = std::unique_ptr<ZSTD_DCtx, FreeContext>;

// True when a frame of the current format, or a skippable one, begins here: libraries built with
// the formats before 0.8 would decode those too, which nobody writes and few people test.
bool HasFrameMagic(ByteSpan data) {
  if (data.size() < 4) return false;
  const uint32_t magic = LoadLe32(data.data());
  return magic == ZSTD_MAGICNUMBER ||
         (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

Status OutOfMemory() { return Status(Code::ERR_INTERNAL, "Memory for a zstd context is missing"); }

}  // namespace

Status ZstdCompress(ByteSpan data, int level, Buffer& out) {
  thread_local const Compressor context(ZSTD_createCCtx());
  if (context == nullptr) return OutOfMemory();
  ZSTD_CCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
  out.Resize(ZSTD_compressBound(data.size()));
  const size_t size =
      ZSTD_compress2(context.get(), out.data(), out.size(), data.data(), data.size());
  if (ZSTD_isError(size) != 0) {
    return Status(Code::ERR_INTERNAL,
                  std::string("zstd compression failed: ") + ZSTD_getErrorName(size));
  }
  out.Truncate(size);
  return {};
}

bool ZstdDecodeFrame(ByteSpan frame, MutableByteSpan plain) {
  // These only read headers; errors are huge values that equal no size.
  if (!HasFrameMagic(frame) ||
      ZSTD_getFrameContentSize(frame.data(), frame.size()) != plain.size() ||
      ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) {
    return false;
  }
  thread_local const Decompressor context(ZSTD_createDCtx());
  if (context == nullptr) return false;
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  return ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), frame.data(),
                             frame.size()) == plain.size();
}

}  // namespace g8ufs
