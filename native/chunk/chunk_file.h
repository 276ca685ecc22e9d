// Chunks from and to files: reading plain bytes, writing them sparsely, checking what is there.
// Any thread; intermediate bytes live in one buffer per thread of at most kPlainSizeMax.
#ifndef G8UFS_NATIVE_CHUNK_CHUNK_FILE_H_
#define G8UFS_NATIVE_CHUNK_CHUNK_FILE_H_

#include <string>
#include <vector>

#include "chunk/chunk_codec.h"

namespace g8ufs {

// An encoded chunk that owns its bytes.
struct FileChunk {
  bool hole = false;
  Digest plain_digest;
  Digest id;
  std::vector<uint8_t> stored;
};

// Encodes 1 to kPlainSizeMax bytes. A zstd chunk of zeros is a hole and nothing else of
// `chunk` is set; historical readers know no holes.
Status EncodeChunkFromMemory(ByteSpan plain, ChunkCodec codec, int level, FileChunk& chunk);

// Reads `size` bytes (1 to kPlainSizeMax) at `offset` and encodes them as above. ERR_IO when the
// file ends before.
Status EncodeChunkFromFile(int fd, int64_t offset, size_t size, ChunkCodec codec, int level,
                           FileChunk& chunk);

// Decodes and verifies, then writes the plain bytes at `offset`. Pages of zeros below the end of
// the file become or stay holes.
Status DecodeChunkToFile(const ChunkReference& reference, ByteSpan stored, size_t plain_size,
                         int fd, int64_t offset);

// Writes `data` at `offset`, pages of zeros below the end of the file as holes.
Status WriteSparse(int fd, int64_t offset, ByteSpan data);

// A row of a digest table: 32 bytes, zero-padded at its end; all zeros for a hole.
inline constexpr size_t kDigestRowSize = 32;

struct FileCheck {
  int fd = -1;
  int64_t size = 0;
  size_t block_size = 0;
  DigestAlgorithm algorithm = DigestAlgorithm::kBlake2b256;
  // One row for each block.
  ByteSpan rows;
  // Bit per block to check; empty for all.
  ByteSpan blocks;
};

constexpr size_t BlockCount(int64_t size, size_t block_size) {
  return static_cast<size_t>((size + static_cast<int64_t>(block_size) - 1) /
                             static_cast<int64_t>(block_size));
}

// Bit per block: set where the file matches or the block was not asked for. A block that is cut off
// or unreadable (EIO) does not match.
// REQUIRES: block_size <= kPlainSizeMax, enough rows and bits for BlockCount(size, block_size).
Status VerifyFile(const FileCheck& check, std::vector<uint8_t>& matching);

// BLAKE2b-256 of a regular file.
Status DigestFile(const std::string& path, Digest& digest);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_CHUNK_FILE_H_
