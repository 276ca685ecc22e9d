// BLAKE2b and SHA-256 of bytes in memory. Any thread.
#ifndef G8UFS_NATIVE_CHUNK_DIGEST_H_
#define G8UFS_NATIVE_CHUNK_DIGEST_H_

#include <sodium.h>

#include <array>

#include "base/bytes.h"

namespace g8ufs {

// Values stand in files (docs/format.md, section 5).
enum class DigestAlgorithm : uint8_t { kBlake2b256 = 1, kBlake2b128 = 2, kSha256 = 3 };

// Bytes of a digest; 0 for a number that is no algorithm.
constexpr size_t DigestSize(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kBlake2b256:
    case DigestAlgorithm::kSha256:
      return 32;
    case DigestAlgorithm::kBlake2b128:
      return 16;
  }
  return 0;
}

inline constexpr size_t kDigestSizeMax = 32;
inline constexpr size_t kBlake2bSizeMax = 64;

// A digest with its size, by value.
struct Digest {
  std::array<uint8_t, kDigestSizeMax> bytes{};
  size_t size = 0;

  ByteSpan span() const { return {bytes.data(), size}; }
  // Public values: comparison may take a different time for different bytes.
  bool Equals(ByteSpan other) const;
};

// REQUIRES: `algorithm` is one of the enumerators.
Digest ComputeDigest(DigestAlgorithm algorithm, ByteSpan data);

// BLAKE2b without key into out. REQUIRES: 1 <= out.size() <= kBlake2bSizeMax.
void Blake2b(ByteSpan data, MutableByteSpan out);

// BLAKE2b-256 in pieces. Use each object once.
class Blake2bStream {
 public:
  Blake2bStream();
  void Update(ByteSpan data);
  Digest Finish();

 private:
  crypto_generichash_blake2b_state state_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_DIGEST_H_
