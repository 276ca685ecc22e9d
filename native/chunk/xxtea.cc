#include "chunk/xxtea.h"

#include <array>
#include <cstring>

namespace g8ufs {
namespace {

constexpr uint32_t kDelta = 0x9E3779B9;

using Key = std::array<uint32_t, 4>;

Key LoadKey(ByteSpan bytes) {
  return {LoadLe32(bytes.data()), LoadLe32(bytes.data() + 4), LoadLe32(bytes.data() + 8),
          LoadLe32(bytes.data() + 12)};
}

uint32_t Mix(uint32_t y, uint32_t z, uint32_t sum, uint32_t key_word) {
  return (((z >> 5) ^ (y << 2)) + ((y >> 3) ^ (z << 4))) ^ ((sum ^ y) + (key_word ^ z));
}

uint32_t Rounds(size_t word_count) { return 6 + static_cast<uint32_t>(52 / word_count); }

// Word number `index` of a byte buffer.
uint32_t Load(const uint8_t* words, size_t index) { return LoadLe32(words + index * 4); }
void Store(uint8_t* words, size_t index, uint32_t value) { StoreLe32(words + index * 4, value); }

void EncryptWords(uint8_t* words, size_t count, const Key& key) {
  uint32_t sum = 0;
  uint32_t z = Load(words, count - 1);
  for (uint32_t round = Rounds(count); round > 0; --round) {
    sum += kDelta;
    const uint32_t e = (sum >> 2) & 3;
    uint32_t word = Load(words, 0);
    for (size_t p = 0; p + 1 < count; ++p) {
      const uint32_t y = Load(words, p + 1);
      z = word + Mix(y, z, sum, key[(p & 3) ^ e]);
      Store(words, p, z);
      word = y;
    }
    z = word + Mix(Load(words, 0), z, sum, key[((count - 1) & 3) ^ e]);
    Store(words, count - 1, z);
  }
}

void DecryptWords(uint8_t* words, size_t count, const Key& key) {
  const uint32_t rounds = Rounds(count);
  uint32_t sum = rounds * kDelta;
  uint32_t y = Load(words, 0);
  for (uint32_t round = rounds; round > 0; --round) {
    const uint32_t e = (sum >> 2) & 3;
    uint32_t word = Load(words, count - 1);
    for (size_t p = count - 1; p > 0; --p) {
      const uint32_t z = Load(words, p - 1);
      y = word - Mix(y, z, sum, key[(p & 3) ^ e]);
      Store(words, p, y);
      word = z;
    }
    y = word - Mix(y, Load(words, count - 1), sum, key[e]);
    Store(words, 0, y);
    sum -= kDelta;
  }
}

}  // namespace

void XxteaEncrypt(ByteSpan data, ByteSpan key, MutableByteSpan out) {
  const size_t padded = out.size() - 4;
  std::memcpy(out.data(), data.data(), data.size());
  std::memset(out.data() + data.size(), 0, padded - data.size());
  StoreLe32(out.data() + padded, static_cast<uint32_t>(data.size()));
  EncryptWords(out.data(), out.size() / 4, LoadKey(key));
}

bool XxteaDecrypt(ByteSpan encrypted, ByteSpan key, Buffer& out) {
  if (encrypted.size() < 8 || encrypted.size() % 4 != 0) return false;
  out.Resize(encrypted.size());
  std::memcpy(out.data(), encrypted.data(), encrypted.size());
  DecryptWords(out.data(), out.size() / 4, LoadKey(key));
  const size_t padded = out.size() - 4;
  const size_t size = LoadLe32(out.data() + padded);
  if (size > padded || size + 3 < padded) return false;
  out.Truncate(size);
  return true;
}

}  // namespace g8ufs
