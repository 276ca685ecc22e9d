#include "chunk/chunk_codec.h"

#include <cstring>
#include <utility>

#include "chunk/legacy_codec.h"
#include "chunk/zstd_codec.h"

namespace g8ufs {
namespace {

constexpr char kG1Magic[] = "10000000";

// Callers check sizes at their own border: this is a bug of theirs.
Status BadPlainSize(size_t size) {
  return Status(Code::ERR_INTERNAL, "A chunk cannot have " + std::to_string(size) + " plain bytes");
}

Status Corrupt(const ChunkReference& reference, const char* stage, const char* reason) {
  const std::string id = ToHex(reference.id.span());
  Status status(Code::ERR_CHUNK_CORRUPT, "Chunk " + id + " " + reason);
  status.WithDetail("id", id).WithDetail("stage", stage);
  return status;
}

Status CorruptId(const ChunkReference& reference) {
  return Corrupt(reference, "id", "does not match its id");
}

Status CorruptDigest(const ChunkReference& reference) {
  return Corrupt(reference, "digest", "does not match its plain digest");
}

bool HasDigest(ByteSpan data, const Digest& digest, DigestAlgorithm algorithm) {
  return ComputeDigest(algorithm, data).Equals(digest.span());
}

Status DecodeZstd(const ChunkReference& reference, ByteSpan stored, MutableByteSpan plain) {
  constexpr DigestAlgorithm kAlgorithm = DigestAlgorithm::kBlake2b256;
  // No valid form is larger than the plain bytes, and nothing larger is worth a hash.
  if (stored.empty() || stored.size() > plain.size()) return CorruptId(reference);
  const bool raw = stored.size() == plain.size();
  // Raw bytes are copied first, so that one hash checks exactly what the caller gets.
  if (raw) std::memcpy(plain.data(), stored.data(), plain.size());
  if (!HasDigest(raw ? plain : stored, reference.id, kAlgorithm)) return CorruptId(reference);
  if (!raw && !ZstdDecodeFrame(stored, plain)) {
    return Corrupt(reference, "decode", "does not decompress to its size");
  }
  const bool matches = raw ? reference.id.Equals(reference.plain_digest.span())
                           : HasDigest(plain, reference.plain_digest, kAlgorithm);
  return matches ? Status() : CorruptDigest(reference);
}

// The bytes that are encrypted and named by the id. Some historical HTTP stores served G1 chunks
// without the header, which only the id tells for sure when the magic is not there.
ByteSpan WithoutG1Header(const ChunkReference& reference, ByteSpan stored) {
  const bool has_magic = stored.size() > kG1HeaderSize &&
                         std::memcmp(stored.data(), kG1Magic, sizeof kG1Magic - 1) == 0;
  if (!has_magic && HasDigest(stored, reference.id, DigestAlgorithm::kSha256)) return stored;
  return stored.size() > kG1HeaderSize ? stored.subspan(kG1HeaderSize) : ByteSpan();
}

Status DecodeLegacy(const ChunkReference& reference, ByteSpan stored, MutableByteSpan plain) {
  if (stored.size() > StoredSizeMax(reference.codec, plain.size())) return CorruptId(reference);
  const ByteSpan encrypted =
      reference.codec == ChunkCodec::kLegacyG1 ? WithoutG1Header(reference, stored) : stored;
  const DigestAlgorithm algorithm = AlgorithmOf(reference.codec);
  const bool decoded = LegacyDecrypt(encrypted, LegacyCipherKey(reference.plain_digest), plain);
  if (decoded && HasDigest(plain, reference.plain_digest, algorithm)) return {};
  if (!HasDigest(encrypted, reference.id, algorithm)) return CorruptId(reference);
  return decoded ? CorruptDigest(reference)
                 : Corrupt(reference, "decode", "does not decrypt and decompress to its size");
}

}  // namespace

size_t StoredSizeMax(ChunkCodec codec, size_t plain_size) {
  switch (codec) {
    case ChunkCodec::kZstd:
      return plain_size;
    case ChunkCodec::kLegacyG1:
      return kG1HeaderSize + LegacyEncryptedSizeMax(plain_size);
    case ChunkCodec::kLegacyG2:
      return LegacyEncryptedSizeMax(plain_size);
  }
  return 0;
}

DigestAlgorithm AlgorithmOf(ChunkCodec codec) {
  switch (codec) {
    case ChunkCodec::kZstd:
      return DigestAlgorithm::kBlake2b256;
    case ChunkCodec::kLegacyG1:
      return DigestAlgorithm::kSha256;
    case ChunkCodec::kLegacyG2:
      break;
  }
  return DigestAlgorithm::kBlake2b128;
}

Status EncodeChunk(ChunkCodec codec, int level, ByteSpan plain, Buffer& scratch,
                   EncodedChunk& chunk) {
  if (plain.empty() || plain.size() > kPlainSizeMax) return BadPlainSize(plain.size());
  const DigestAlgorithm algorithm = AlgorithmOf(codec);
  chunk.plain_digest = ComputeDigest(algorithm, plain);
  if (codec == ChunkCodec::kZstd) {
    if (Status status = ZstdCompress(plain, level, scratch); !status.ok()) return status;
    // A frame that saves less than 5 % is not worth decompressing at every read.
    const bool worth = scratch.size() * 20 <= plain.size() * 19;
    chunk.stored = worth ? scratch.span() : plain;
    // Raw bytes name themselves.
    chunk.id = worth ? ComputeDigest(algorithm, chunk.stored) : chunk.plain_digest;
    return {};
  }
  const size_t header_size = codec == ChunkCodec::kLegacyG1 ? kG1HeaderSize : 0;
  LegacyEncrypt(plain, LegacyCipherKey(chunk.plain_digest), header_size, scratch);
  const ByteSpan encrypted = std::as_const(scratch).span().subspan(header_size);
  if (header_size != 0) WriteG1Header(encrypted, scratch.span().first(header_size));
  chunk.id = ComputeDigest(algorithm, encrypted);
  chunk.stored = scratch.span();
  return {};
}

Status DecodeChunk(const ChunkReference& reference, ByteSpan stored, MutableByteSpan plain) {
  if (plain.empty() || plain.size() > kPlainSizeMax) return BadPlainSize(plain.size());
  return reference.codec == ChunkCodec::kZstd ? DecodeZstd(reference, stored, plain)
                                              : DecodeLegacy(reference, stored, plain);
}

}  // namespace g8ufs
