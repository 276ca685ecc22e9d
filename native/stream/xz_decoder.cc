#include <lzma.h>

#include "stream/byte_stream.h"

namespace g8ufs {
namespace {

Status Broken(const char* reason) {
  return Status(Code::ERR_FLIST_FORMAT, std::string("xz data is broken: ") + reason);
}

class XzDecoder final : public ByteStream {
 public:
  ~XzDecoder() override { lzma_end(&stream_); }

  bool Start() {
    return lzma_stream_decoder(&stream_, kXzMemoryMax,
                               LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK) == LZMA_OK;
  }

  Status Run(ByteSpan input, bool last, MutableByteSpan output, StreamStep& step) override {
    stream_.next_in = input.data();
    stream_.avail_in = input.size();
    stream_.next_out = output.data();
    stream_.avail_out = output.size();
    step = {};
    lzma_ret result = LZMA_OK;
    while (result == LZMA_OK && stream_.avail_out > 0 && (last || stream_.avail_in > 0)) {
      result = lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
    }
    step.consumed = input.size() - stream_.avail_in;
    step.produced = output.size() - stream_.avail_out;
    step.done = result == LZMA_STREAM_END;
    // Nothing more comes out of what was given; without an end that is the usual thing.
    if (result == LZMA_BUF_ERROR && !last) result = LZMA_OK;
    return step.done || result == LZMA_OK ? Status() : Failed(result);
  }

 private:
  static Status Failed(lzma_ret result) {
    switch (result) {
      case LZMA_BUF_ERROR:
        return Broken("its end is missing");
      case LZMA_FORMAT_ERROR:
        return Broken("no stream begins");
      case LZMA_MEMLIMIT_ERROR:
        return Broken("it needs more memory than allowed");
      case LZMA_OPTIONS_ERROR:
        return Broken("it uses options that are not supported");
      case LZMA_UNSUPPORTED_CHECK:
        return Broken("it has a check that is not supported");
      case LZMA_MEM_ERROR:
        return Status(Code::ERR_INTERNAL, "Memory for an xz stream is missing");
      default:
        return Broken("it is corrupt");
    }
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

std::unique_ptr<ByteStream> NewXzDecoder() {
  auto decoder = std::make_unique<XzDecoder>();
  return decoder->Start() ? std::move(decoder) : nullptr;
}

}  // namespace g8ufs
