#include "chunk/digest.h"

#include <algorithm>

namespace g8ufs {
namespace {

// libsodium chooses its fastest code once per process; safe from several threads.
void EnsureSodium() {
  static const int result = sodium_init();
  (void)result;  // a failure only concerns randomness, which is not used
}

}  // namespace

bool Digest::Equals(ByteSpan other) const { return std::ranges::equal(span(), other); }

Digest ComputeDigest(DigestAlgorithm algorithm, ByteSpan data) {
  Digest digest;
  digest.size = DigestSize(algorithm);
  if (algorithm == DigestAlgorithm::kSha256) {
    EnsureSodium();
    crypto_hash_sha256(digest.bytes.data(), data.data(), data.size());
  } else {
    Blake2b(data, {digest.bytes.data(), digest.size});
  }
  return digest;
}

void Blake2b(ByteSpan data, MutableByteSpan out) {
  EnsureSodium();
  crypto_generichash_blake2b(out.data(), out.size(), data.data(), data.size(), nullptr, 0);
}

Blake2bStream::Blake2bStream() {
  EnsureSodium();
  crypto_generichash_blake2b_init(&state_, nullptr, 0, kDigestSizeMax);
}

void Blake2bStream::Update(ByteSpan data) {
  crypto_generichash_blake2b_update(&state_, data.data(), data.size());
}

Digest Blake2bStream::Finish() {
  Digest digest;
  digest.size = kDigestSizeMax;
  crypto_generichash_blake2b_final(&state_, digest.bytes.data(), digest.size);
  return digest;
}

}  // namespace g8ufs
