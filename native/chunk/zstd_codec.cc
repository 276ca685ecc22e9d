#include "chunk/zstd_codec.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <memory>

namespace g8ufs {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using Compressor = std::unique_ptr<ZSTD_CCtx, FreeContext>;
using Decompressor = std::unique_ptr<ZSTD_DCtx, FreeContext>;

// Windows that a stream may ask for. RFC 8878 wants 8 MiB from every decoder; 128 MiB is where the
// zstd program stops, and more than the output limit never helps.
constexpr int kWindowLogMin = 23;
constexpr int kWindowLogMax = 27;

// Output of a stream grows from this size by doubling, so that memory follows what really came out
// and not what a header claims.
constexpr size_t kStreamSizeFirst = 256 * 1024;

// True when a frame of the current format, or a skippable one, begins here: libraries built with
// the formats before 0.8 would decode those too, which nobody writes and few people test.
bool HasFrameMagic(ByteSpan data) {
  if (data.size() < 4) return false;
  const uint32_t magic = LoadLe32(data.data());
  return magic == ZSTD_MAGICNUMBER ||
         (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

Status OutOfMemory() { return Status(Code::ERR_INTERNAL, "Memory for a zstd context is missing"); }

Status Broken(const char* reason) {
  return Status(Code::ERR_FLIST_FORMAT, std::string("zstd data is broken: ") + reason);
}

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

Status ZstdDecompressStream(ByteSpan data, size_t size_max, std::vector<uint8_t>& out) {
  out.clear();
  // Not reused: a context keeps the largest window it ever had.
  const Decompressor context(ZSTD_createDCtx());
  if (context == nullptr) return OutOfMemory();
  ZSTD_DCtx_setParameter(
      context.get(), ZSTD_d_windowLogMax,
      std::clamp(static_cast<int>(std::bit_width(size_max)), kWindowLogMin, kWindowLogMax));
  ZSTD_inBuffer input = {data.data(), data.size(), 0};
  size_t filled = 0;
  bool frame_begins = true;
  for (;;) {
    if (frame_begins && !HasFrameMagic(data.subspan(input.pos))) return Broken("no frame begins");
    if (filled == out.size()) {
      // One byte beyond the limit shows that there is more than allowed.
      if (filled > size_max) return Broken("it is larger than allowed");
      out.resize(std::min(size_max + 1, std::max(kStreamSizeFirst, filled * 2)));
    }
    ZSTD_outBuffer output = {out.data(), out.size(), filled};
    const size_t input_before = input.pos;
    const size_t result = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(result) != 0) return Broken(ZSTD_getErrorName(result));
    const bool progress = output.pos > filled || input.pos > input_before;
    filled = output.pos;
    frame_begins = result == 0;
    if (frame_begins && input.pos == input.size) break;
    if (!progress && filled < out.size()) return Broken("its end is missing");
  }
  if (filled > size_max) return Broken("it is larger than allowed");
  out.resize(filled);
  return {};
}

}  // namespace g8ufs
