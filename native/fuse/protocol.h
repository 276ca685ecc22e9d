// Decodes requests and encodes replies of the FUSE protocol: bytes in, values out, no system calls,
// no state, no locks. Every length comes from outside and is checked here.
#ifndef G8UFS_NATIVE_FUSE_PROTOCOL_H_
#define G8UFS_NATIVE_FUSE_PROTOCOL_H_

#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "fuse/abi.h"

namespace g8ufs::fuse {

// Takes values from the front of a byte range and never reads past its end.
class Cursor {
 public:
  Cursor() = default;
  explicit Cursor(ByteSpan bytes) : bytes_(bytes) {}

  // False, and nothing taken, when fewer bytes are left than the struct has.
  template <class T>
  bool Take(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }

  // Takes a string and its terminating NUL; false when there is no NUL.
  bool TakeName(std::string_view* name);

  ByteSpan left() const { return bytes_; }

 private:
  ByteSpan bytes_;
};

// One message of the kernel. The body points into the buffer it was decoded from.
struct Request {
  InHeader header;
  Cursor body;

  Opcode opcode() const { return static_cast<Opcode>(header.opcode); }
};

// Nothing when the bytes are not exactly one message.
std::optional<Request> DecodeRequest(ByteSpan message);

// INIT's body, whatever its age: fields that the kernel did not send are zero.
bool TakeInit(Cursor* body, InitIn* init);

// Fills a buffer with the entries of READDIR or READDIRPLUS.
class DirectoryWriter {
 public:
  explicit DirectoryWriter(MutableByteSpan buffer) : buffer_(buffer) {}

  // Appends an entry; `next` is where the listing goes on behind it. False, and nothing appended,
  // when it does not fit.
  bool Add(std::string_view name, uint64_t ino, uint32_t type, uint64_t next);
  // As Add, with what LOOKUP would answer in front. An entry with nodeid 0 counts no lookup.
  bool AddPlus(const EntryOut& entry, std::string_view name, uint64_t ino, uint32_t type,
               uint64_t next);

  ByteSpan bytes() const { return buffer_.first(size_); }

 private:
  bool Append(const EntryOut* entry, std::string_view name, const Dirent& dirent);

  MutableByteSpan buffer_;
  size_t size_ = 0;
};

// The bytes of a struct, for a reply.
template <class T>
ByteSpan BytesOf(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(T)};
}

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_PROTOCOL_H_
