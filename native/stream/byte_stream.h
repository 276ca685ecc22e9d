// Compressed streams in both directions, a piece at a time: what is given is used up as far as the room
// for output allows, so that memory is bounded whatever the bytes claim to contain. One call at a time
// per stream, from any thread.
#ifndef G8UFS_NATIVE_STREAM_BYTE_STREAM_H_
#define G8UFS_NATIVE_STREAM_BYTE_STREAM_H_

#include <memory>

#include "base/bytes.h"
#include "base/status.h"

namespace g8ufs {

struct StreamStep {
  size_t consumed = 0;
  size_t produced = 0;
  // All of the stream has been given out: no call follows.
  bool done = false;
};

class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  // Goes on until `input` is used up or `output` is full, but for the end of the stream; the rest of
  // the input is given again. `last` says that nothing comes behind `input`. After a failure the
  // stream is of no more use.
  // REQUIRES: output is not empty.
  virtual Status Run(ByteSpan input, bool last, MutableByteSpan output, StreamStep& step) = 0;
};

// Windows above this are refused (2^27, where the zstd program stops too).
inline constexpr int kZstdWindowLogMax = 27;
// An xz stream that needs more is refused: twice what `xz -9` makes.
inline constexpr uint64_t kXzMemoryMax = uint64_t{128} << 20;

// Decoders fail with ERR_FLIST_FORMAT when bytes are broken, cut off, followed by others, or need more
// memory than above. Null when memory for the stream itself is missing.

// Frames that follow each other, skippable ones among them; at least one.
std::unique_ptr<ByteStream> NewZstdDecoder();
// Streams that follow each other, with padding; at least one. Checks of all kinds are verified.
std::unique_ptr<ByteStream> NewXzDecoder();
// One frame with a checksum. REQUIRES: kZstdLevelMin <= level <= kZstdLevelMax.
std::unique_ptr<ByteStream> NewZstdEncoder(int level);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_STREAM_BYTE_STREAM_H_
