// Frames between the daemon and the guest program; src/core/guest/frame.ts is the other side and has the
// layout. Requests come from the daemon, yet every size in them is checked. No I/O, any thread.
#ifndef G8UFS_NATIVE_GUEST_FRAME_H_
#define G8UFS_NATIVE_GUEST_FRAME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace g8ufs::guest {

// Of a frame behind its size: a block of 512 KiB with what describes it.
inline constexpr size_t kFrameSizeMax = size_t{1} << 20;
// Id and operation, id and kind.
inline constexpr size_t kFrameHeadSize = 5;
// What a reply holds before it goes on in another part.
inline constexpr size_t kPartSize = size_t{256} << 10;

enum class Operation : uint8_t {
  kOpen = 1,
  kRead = 2,
  kWrite = 3,
  kClose = 4,
  kExists = 5,
  kList = 6,
  kMakeFolder = 7,
  kRemove = 8,
  kMove = 9,
  kChmod = 10,
  kChown = 11,
  kLook = 12,
  kKill = 13,
};

enum class ReplyKind : uint8_t { kEnd = 0, kPart = 1, kError = 2 };

// Reads fields in order. What is not there reads as zero or empty, and `ok()` is false from then on.
// The bytes stay the caller's.
class FieldReader {
 public:
  explicit FieldReader(ByteSpan bytes) : bytes_(bytes) {}

  uint32_t U32();
  ByteSpan Bytes();
  // A path or name: empty, and not ok, when a zero byte is in it.
  std::string Text();

  bool ok() const { return ok_; }
  // All fields were there and nothing is left.
  bool IsComplete() const { return ok_ && at_ == bytes_.size(); }

 private:
  ByteSpan Take(size_t size);

  ByteSpan bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Collects the fields of a reply.
class FieldWriter {
 public:
  FieldWriter& U32(uint32_t value);
  FieldWriter& U64(uint64_t value);
  FieldWriter& Bytes(ByteSpan bytes);
  FieldWriter& Text(std::string_view text);

  size_t size() const { return bytes_.size(); }
  ByteSpan span() const {
    return {reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()};
  }
  void Clear() { bytes_.clear(); }

 private:
  std::string bytes_;
};

}  // namespace g8ufs::guest

#endif  // G8UFS_NATIVE_GUEST_FRAME_H_
