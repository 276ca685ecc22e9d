#include "chunk/legacy_codec.h"

#include <snappy.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "chunk/xxtea.h"

namespace g8ufs {
namespace {

// CRC-32 of zlib, reflected polynomial 0xEDB88320.
uint32_t Crc32(ByteSpan data) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> values{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
      values[byte] = crc;
    }
    return values;
  }();
  uint32_t crc = 0xFFFFFFFF;
  for (const uint8_t byte : data) crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

// Compressed bytes between the two steps: at most snappy's bound of the largest chunk.
Buffer& Intermediate() {
  thread_local Buffer buffer;
  return buffer;
}

}  // namespace

size_t LegacyEncryptedSizeMax(size_t plain_size) {
  return XxteaEncryptedSize(snappy::MaxCompressedLength(plain_size));
}

std::array<uint8_t, 16> LegacyCipherKey(const Digest& plain_digest) {
  std::array<uint8_t, 16> key{};
  if (plain_digest.size == key.size()) {
    std::copy_n(plain_digest.bytes.begin(), key.size(), key.begin());
  } else {
    const std::string hex = ToHex({plain_digest.bytes.data(), key.size() / 2});
    std::copy(hex.begin(), hex.end(), key.begin());
  }
  return key;
}

void LegacyEncrypt(ByteSpan plain, ByteSpan key, size_t offset, Buffer& out) {
  Buffer& compressed = Intermediate();
  compressed.Resize(snappy::MaxCompressedLength(plain.size()));
  size_t size = 0;
  snappy::RawCompress(reinterpret_cast<const char*>(plain.data()), plain.size(),
                      reinterpret_cast<char*>(compressed.data()), &size);
  compressed.Truncate(size);
  out.Resize(offset + XxteaEncryptedSize(size));
  XxteaEncrypt(compressed.span(), key, out.span().subspan(offset));
}

bool LegacyDecrypt(ByteSpan encrypted, ByteSpan key, MutableByteSpan plain) {
  if (encrypted.size() > LegacyEncryptedSizeMax(plain.size())) return false;
  Buffer& compressed = Intermediate();
  if (!XxteaDecrypt(encrypted, key, compressed)) return false;
  const char* data = reinterpret_cast<const char*>(compressed.data());
  size_t size = 0;
  return snappy::GetUncompressedLength(data, compressed.size(), &size) && size == plain.size() &&
         snappy::RawUncompress(data, compressed.size(), reinterpret_cast<char*>(plain.data()));
}

void WriteG1Header(ByteSpan encrypted, MutableByteSpan header) {
  // The checksum is not padded with zeros, as the historical tool prints it.
  char text[kG1HeaderSize + 1] = {};
  std::snprintf(text, sizeof text, "10000000%x", Crc32(encrypted));
  std::memcpy(header.data(), text, kG1HeaderSize);
}

}  // namespace g8ufs
