// zstd in both directions.
#include <zstd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "stream/byte_stream.h"

namespace g8ufs {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using Compressor = std::unique_ptr<ZSTD_CCtx, FreeContext>;
using Decompressor = std::unique_ptr<ZSTD_DCtx, FreeContext>;

Status Broken(const std::string& reason) {
  return Status(Code::ERR_FLIST_FORMAT, "zstd data is broken: " + reason);
}

class ZstdDecoder final : public ByteStream {
 public:
  explicit ZstdDecoder(Decompressor context) : context_(std::move(context)) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }

  Status Run(ByteSpan input, bool last, MutableByteSpan output, StreamStep& step) override {
    ZSTD_outBuffer out = {output.data(), output.size(), 0};
    step = {};
    // Each turn ends a frame, fills the output or uses up the input.
    while (out.pos < out.size) {
      const size_t out_before = out.pos;
      const size_t consumed_before = step.consumed;
      if (!in_frame_) {
        const bool whole_magic = TakeMagic(input, step);
        if (!whole_magic && !last) break;
        if (!whole_magic && magic_size_ == 0 && frame_count_ > 0) {
          step.done = true;
          break;
        }
        if (!whole_magic) return Broken("its end is missing");
        if (!IsFrameMagic()) return Broken("no frame begins");
        in_frame_ = true;
      }
      if (Status status = Decode(input, out, step); !status.ok()) return status;
      if (in_frame_ && out.pos == out_before && step.consumed == consumed_before) {
        if (last) return Broken("its end is missing");
        break;
      }
    }
    step.produced = out.pos;
    return {};
  }

 private:
  // Collects the four bytes that begin a frame, which may come in several inputs: frames of the
  // formats before 0.8 must not reach a library that would decode them.
  bool TakeMagic(ByteSpan input, StreamStep& step) {
    const size_t count = std::min(magic_.size() - magic_size_, input.size() - step.consumed);
    std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(step.consumed), count,
                magic_.begin() + static_cast<std::ptrdiff_t>(magic_size_));
    magic_size_ += count;
    step.consumed += count;
    return magic_size_ == magic_.size();
  }

  bool IsFrameMagic() const {
    const uint32_t magic = LoadLe32(magic_.data());
    return magic == ZSTD_MAGICNUMBER ||
           (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
  }

  // One call of the library, with the frame's first bytes or with the input.
  Status Decode(ByteSpan input, ZSTD_outBuffer& out, StreamStep& step) {
    const bool from_magic = magic_size_ > 0;
    ZSTD_inBuffer in = {input.data(), input.size(), step.consumed};
    if (from_magic) in = {magic_.data(), magic_size_, 0};
    const size_t result = ZSTD_decompressStream(context_.get(), &out, &in);
    if (ZSTD_isError(result) != 0) return Broken(ZSTD_getErrorName(result));
    if (from_magic) {
      // The library keeps what it cannot use yet.
      if (in.pos != in.size) return Broken("no frame begins");
      magic_size_ = 0;
      return {};
    }
    step.consumed = in.pos;
    if (result == 0) {
      in_frame_ = false;
      ++frame_count_;
    }
    return {};
  }

  const Decompressor context_;
  std::array<uint8_t, 4> magic_ = {};
  size_t magic_size_ = 0;
  bool in_frame_ = false;
  uint64_t frame_count_ = 0;
};

class ZstdEncoder final : public ByteStream {
 public:
  ZstdEncoder(Compressor context, int level) : context_(std::move(context)) {
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Status Run(ByteSpan input, bool last, MutableByteSpan output, StreamStep& step) override {
    ZSTD_inBuffer in = {input.data(), input.size(), 0};
    ZSTD_outBuffer out = {output.data(), output.size(), 0};
    step = {};
    while (out.pos < out.size && (last || in.pos < in.size)) {
      const size_t left = ZSTD_compressStream2(context_.get(), &out, &in,
                                               last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left) != 0) {
        return Status(Code::ERR_INTERNAL,
                      std::string("zstd compression failed: ") + ZSTD_getErrorName(left));
      }
      step.done = last && left == 0;
      if (step.done) break;
    }
    step.consumed = in.pos;
    step.produced = out.pos;
    return {};
  }

 private:
  const Compressor context_;
};

}  // namespace

std::unique_ptr<ByteStream> NewZstdDecoder() {
  Decompressor context(ZSTD_createDCtx());
  if (context == nullptr) return nullptr;
  return std::make_unique<ZstdDecoder>(std::move(context));
}

std::unique_ptr<ByteStream> NewZstdEncoder(int level) {
  Compressor context(ZSTD_createCCtx());
  if (context == nullptr) return nullptr;
  return std::make_unique<ZstdEncoder>(std::move(context), level);
}

}  // namespace g8ufs
