#include "chunk/chunk_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/file_io.h"
#include "base/unique_fd.h"

namespace g8ufs {
namespace {

// Holes come in pages: nothing smaller saves space.
constexpr size_t kPageSize = 4096;

// Read size of whole-file digests: large enough that system calls do not count.
constexpr size_t kDigestReadSize = size_t{1} << 20;

Buffer& PlainBuffer(size_t size) {
  thread_local Buffer buffer;
  buffer.Resize(size);
  return buffer;
}

Buffer& StoredBuffer() {
  thread_local Buffer buffer;
  return buffer;
}

// Makes a range read as zeros without writing when it does already: asking is much cheaper than a
// filesystem transaction, and a fresh file is all holes.
Status MakeHole(int fd, int64_t offset, ByteSpan zeros) {
  const auto size = static_cast<int64_t>(zeros.size());
  int64_t data = 0;
  if (Status status = FindData(fd, offset, data); !status.ok()) return status;
  if (data < 0 || data >= offset + size) return {};
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size) == 0) return {};
  if (errno == EOPNOTSUPP || errno == EINTR) return WriteAt(fd, offset, zeros);
  return Status::FromErrno("Hole cannot be made", errno);
}

// Size of the next page-aligned piece at file position `offset`.
size_t PieceSize(int64_t offset, size_t left) {
  const size_t to_boundary = kPageSize - static_cast<size_t>(offset) % kPageSize;
  return std::min(left, to_boundary);
}

// Whether a block is on disk as its row says; an unreadable one is not.
Status BlockMatches(const FileCheck& check, size_t block, bool& matches) {
  const int64_t offset = static_cast<int64_t>(block) * static_cast<int64_t>(check.block_size);
  const auto size =
      static_cast<size_t>(std::min(static_cast<int64_t>(check.block_size), check.size - offset));
  Buffer& plain = PlainBuffer(size);
  size_t count = 0;
  const Status status = ReadAt(check.fd, offset, plain.span(), count);
  matches = false;
  if (status.error() == EIO) return {};
  if (!status.ok() || count < size) return status;
  const ByteSpan row = check.rows.subspan(block * kDigestRowSize, kDigestRowSize);
  matches = IsZero(row) ? IsZero(plain.span())
                        : ComputeDigest(check.algorithm, plain.span())
                              .Equals(row.first(DigestSize(check.algorithm)));
  return {};
}

bool IsSet(ByteSpan bits, size_t index) { return (bits[index >> 3] >> (index & 7) & 1) != 0; }

}  // namespace

Status EncodeChunkFromFile(int fd, int64_t offset, size_t size, ChunkCodec codec, int level,
                           FileChunk& chunk) {
  Buffer& plain = PlainBuffer(size);
  if (Status status = ReadExactlyAt(fd, offset, plain.span()); !status.ok()) return status;
  return EncodeChunkFromMemory(plain.span(), codec, level, chunk);
}

Status EncodeChunkFromMemory(ByteSpan plain, ChunkCodec codec, int level, FileChunk& chunk) {
  // Historical readers know no holes: there, zeros are stored like everything else.
  chunk.hole = codec == ChunkCodec::kZstd && IsZero(plain);
  if (chunk.hole) return {};
  EncodedChunk encoded;
  Status status = EncodeChunk(codec, level, plain, StoredBuffer(), encoded);
  if (!status.ok()) return status;
  chunk.plain_digest = encoded.plain_digest;
  chunk.id = encoded.id;
  chunk.stored.assign(encoded.stored.begin(), encoded.stored.end());
  return {};
}

Status DecodeChunkToFile(const ChunkReference& reference, ByteSpan stored, size_t plain_size,
                         int fd, int64_t offset) {
  Buffer& plain = PlainBuffer(plain_size);
  if (Status status = DecodeChunk(reference, stored, plain.span()); !status.ok()) return status;
  return WriteSparse(fd, offset, plain.span());
}

Status WriteSparse(int fd, int64_t offset, ByteSpan data) {
  struct stat attributes;
  if (::fstat(fd, &attributes) != 0) return Status::FromErrno("File cannot be written", errno);
  // Behind the end of the file a skipped page would shorten it.
  if (attributes.st_size < offset + static_cast<int64_t>(data.size())) {
    return WriteAt(fd, offset, data);
  }
  size_t begin = 0;
  while (begin < data.size()) {
    // The longest run of pieces that are alike: all zero, or none.
    size_t end = begin;
    bool zero = false;
    while (end < data.size()) {
      const size_t size = PieceSize(offset + static_cast<int64_t>(end), data.size() - end);
      const bool piece_zero = IsZero(data.subspan(end, size));
      if (end == begin) zero = piece_zero;
      if (piece_zero != zero) break;
      end += size;
    }
    const int64_t position = offset + static_cast<int64_t>(begin);
    const ByteSpan run = data.subspan(begin, end - begin);
    Status status = zero ? MakeHole(fd, position, run) : WriteAt(fd, position, run);
    if (!status.ok()) return status;
    begin = end;
  }
  return {};
}

Status VerifyFile(const FileCheck& check, std::vector<uint8_t>& matching) {
  const size_t count = BlockCount(check.size, check.block_size);
  matching.assign((count + 7) / 8, 0);
  for (size_t block = 0; block < count; ++block) {
    bool matches = true;
    if (check.blocks.empty() || IsSet(check.blocks, block)) {
      if (Status status = BlockMatches(check, block, matches); !status.ok()) return status;
    }
    if (matches) matching[block >> 3] |= static_cast<uint8_t>(1U << (block & 7));
  }
  return {};
}

Status DigestFile(const std::string& path, Digest& digest) {
  // O_NONBLOCK: a FIFO would wait for its writer.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok()) return Status::FromErrno("File " + path + " cannot be opened", errno);
  struct stat attributes;
  if (::fstat(fd.get(), &attributes) != 0) {
    return Status::FromErrno("File " + path + " cannot be read", errno);
  }
  if (!S_ISREG(attributes.st_mode)) {
    return Status(Code::ERR_IO, "File " + path + " is not a regular file");
  }
  Blake2bStream stream;
  Buffer& buffer = PlainBuffer(kDigestReadSize);
  int64_t offset = 0;
  size_t count = 0;
  do {
    if (Status status = ReadAt(fd.get(), offset, buffer.span(), count); !status.ok()) return status;
    stream.Update(buffer.span().first(count));
    offset += static_cast<int64_t>(count);
  } while (count == buffer.size());
  digest = stream.Finish();
  return {};
}

}  // namespace g8ufs
