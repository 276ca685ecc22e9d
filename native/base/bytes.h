// Byte spans, a growable buffer that is not zeroed, endian loads and hex. Header only, no locks.
#ifndef G8UFS_NATIVE_BASE_BYTES_H_
#define G8UFS_NATIVE_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace g8ufs {

using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

// Little endian, at any alignment. REQUIRES: 4 (8) readable bytes at `data`.
inline uint32_t LoadLe32(const uint8_t* data) {
  return static_cast<uint32_t>(data[0]) | static_cast<uint32_t>(data[1]) << 8 |
         static_cast<uint32_t>(data[2]) << 16 | static_cast<uint32_t>(data[3]) << 24;
}

inline uint64_t LoadLe64(const uint8_t* data) {
  return static_cast<uint64_t>(LoadLe32(data)) | static_cast<uint64_t>(LoadLe32(data + 4)) << 32;
}

inline void StoreLe32(uint8_t* data, uint32_t value) {
  data[0] = static_cast<uint8_t>(value);
  data[1] = static_cast<uint8_t>(value >> 8);
  data[2] = static_cast<uint8_t>(value >> 16);
  data[3] = static_cast<uint8_t>(value >> 24);
}

// Lower-case hex text.
inline std::string ToHex(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

// Bytes on the heap whose contents are undefined until written. Keeps its memory when it shrinks,
// so that one buffer serves many chunks.
class Buffer {
 public:
  // Makes room for `size` bytes; what was there before is lost when it has to grow.
  void Resize(size_t size) {
    if (size > capacity_) {
      data_ = std::make_unique_for_overwrite<uint8_t[]>(size);
      capacity_ = size;
    }
    size_ = size;
  }
  // Shortens the contents. REQUIRES: size <= this->size().
  void Truncate(size_t size) { size_ = size; }

  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }
  MutableByteSpan span() { return {data_.get(), size_}; }
  ByteSpan span() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<uint8_t[]> data_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BASE_BYTES_H_
