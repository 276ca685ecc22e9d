#include "guest/frame.h"

namespace g8ufs::guest {

ByteSpan FieldReader::Take(size_t size) {
  if (!ok_ || size > bytes_.size() - at_) {
    ok_ = false;
    return {};
  }
  at_ += size;
  return bytes_.subspan(at_ - size, size);
}

uint32_t FieldReader::U32() {
  const ByteSpan bytes = Take(4);
  return bytes.empty() ? 0 : LoadLe32(bytes.data());
}

ByteSpan FieldReader::Bytes() { return Take(U32()); }

std::string FieldReader::Text() {
  const ByteSpan bytes = Bytes();
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // The kernel would see a shorter one.
  if (text.find('\0') == std::string::npos) return text;
  ok_ = false;
  return {};
}

FieldWriter& FieldWriter::U32(uint32_t value) {
  uint8_t bytes[4];
  StoreLe32(bytes, value);
  bytes_.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
  return *this;
}

FieldWriter& FieldWriter::U64(uint64_t value) {
  U32(static_cast<uint32_t>(value));
  return U32(static_cast<uint32_t>(value >> 32));
}

FieldWriter& FieldWriter::Bytes(ByteSpan bytes) {
  U32(static_cast<uint32_t>(bytes.size()));
  bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return *this;
}

FieldWriter& FieldWriter::Text(std::string_view text) {
  return Bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace g8ufs::guest
