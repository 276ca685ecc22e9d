// Chunks between their plain and their stored form (docs/format.md, section 8), verified in both
// directions of trust: a decoded chunk has its digest or is an error. Any thread.
#ifndef G8UFS_NATIVE_CHUNK_CHUNK_CODEC_H_
#define G8UFS_NATIVE_CHUNK_CHUNK_CODEC_H_

#include "base/bytes.h"
#include "base/status.h"
#include "chunk/digest.h"

namespace g8ufs {

// Values stand in files (docs/format.md, section 6).
enum class ChunkCodec : uint8_t { kZstd = 1, kLegacyG1 = 2, kLegacyG2 = 3 };

inline constexpr size_t kPlainSizeMax = size_t{4} << 20;

// Size bound of a stored chunk, for any compressor.
size_t StoredSizeMax(ChunkCodec codec, size_t plain_size);

// Algorithm of the chunk id and of the plain digest.
DigestAlgorithm AlgorithmOf(ChunkCodec codec);

struct EncodedChunk {
  Digest plain_digest;
  Digest id;
  // The stored form, inside `scratch` or `plain`.
  ByteSpan stored;
};

// Encodes 1 to kPlainSizeMax bytes. A chunk of zeros is encoded like any other: whether it is a
// hole is the caller's decision. `level` only concerns zstd.
Status EncodeChunk(ChunkCodec codec, int level, ByteSpan plain, Buffer& scratch,
                   EncodedChunk& chunk);

struct ChunkReference {
  ChunkCodec codec = ChunkCodec::kZstd;
  Digest id;
  Digest plain_digest;
};

// Decodes into `plain`, which has the chunk's exact size (1 to kPlainSizeMax). On failure its bytes
// are undefined and the status is ERR_CHUNK_CORRUPT with details `id` and `stage`:
//   id      the stored bytes are not those that the id names
//   decode  they are, but do not decode to that many bytes
//   digest  they decode to other bytes than the flist tells
// The id of a legacy chunk depends on its compressor, so it decides nothing: right plain bytes are
// right, and it only tells a damaged chunk (id) from a wrong flist (decode, digest).
Status DecodeChunk(const ChunkReference& reference, ByteSpan stored, MutableByteSpan plain);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_CHUNK_CODEC_H_
