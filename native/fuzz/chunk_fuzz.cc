// Decodes hostile chunks. The first three bytes choose what is decoded and the plain size. Ids and
// encryption are made to fit, because a wrong one ends before anything interesting is reached.
#include <cstdlib>
#include <vector>

#include "chunk/chunk_codec.h"
#include "chunk/legacy_codec.h"
#include "chunk/xxtea.h"

namespace {

using g8ufs::ByteSpan;
using g8ufs::ChunkCodec;

// Whatever decodes has its digest.
void Decode(ChunkCodec codec, const g8ufs::Digest& plain_digest, ByteSpan stored,
            size_t plain_size) {
  const g8ufs::DigestAlgorithm algorithm = g8ufs::AlgorithmOf(codec);
  const g8ufs::ChunkReference reference{codec, g8ufs::ComputeDigest(algorithm, stored),
                                        plain_digest};
  std::vector<uint8_t> plain(plain_size);
  if (!g8ufs::DecodeChunk(reference, stored, plain).ok()) return;
  if (!g8ufs::ComputeDigest(algorithm, plain).Equals(plain_digest.span())) std::abort();
}

// The input is what snappy sees after decryption.
void DecodeEncrypted(ChunkCodec codec, ByteSpan input, size_t plain_size) {
  if (input.empty()) return;
  const g8ufs::Digest digest = g8ufs::ComputeDigest(g8ufs::AlgorithmOf(codec), input);
  const size_t header_size = codec == ChunkCodec::kLegacyG1 ? g8ufs::kG1HeaderSize : 0;
  std::vector<uint8_t> stored(header_size + g8ufs::XxteaEncryptedSize(input.size()));
  g8ufs::XxteaEncrypt(input, g8ufs::LegacyCipherKey(digest),
                      g8ufs::MutableByteSpan(stored).subspan(header_size));
  Decode(codec, digest, stored, plain_size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const size_t plain_size = 1 + (size_t{data[1]} | size_t{data[2]} << 8) * 64;
  const ByteSpan input(data + 3, size - 3);
  const auto codec = static_cast<ChunkCodec>(1 + data[0] % 3);
  if (data[0] / 3 % 2 == 0) {
    Decode(codec, g8ufs::ComputeDigest(g8ufs::AlgorithmOf(codec), input), input, plain_size);
  } else {
    DecodeEncrypted(codec, input, plain_size);
  }
  return 0;
}
