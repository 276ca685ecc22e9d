// Chunks from and to files: holes, sparse writes, checks of present blocks, several threads.
#include "chunk/chunk_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <random>
#include <thread>

#include "base/file_io.h"
#include "base/unique_fd.h"
#include "test/check.h"
#include "test/hex.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kPage = 4096;

UniqueFd Create(const std::string& path, int64_t size) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  CHECK(::ftruncate(fd.get(), size) == 0);
  return fd;
}

Bytes Contents(int fd, size_t size) {
  Bytes bytes(size);
  CHECK(ReadExactlyAt(fd, 0, bytes).ok());
  return bytes;
}

bool IsHole(int fd, int64_t offset, int64_t size) {
  int64_t found = 0;
  CHECK(FindData(fd, offset, found).ok());
  return found < 0 || found >= offset + size;
}

// Data, `zero_pages` pages of zeros, data.
Bytes WithZeros(size_t zero_pages) {
  Bytes bytes((zero_pages + 2) * kPage, 'd');
  std::fill_n(bytes.begin() + kPage, zero_pages * kPage, uint8_t{0});
  return bytes;
}

void ZeroPagesStayHoles(const test::TempDir& directory) {
  const Bytes data = WithZeros(6);
  const UniqueFd fd = Create(directory / "sparse", static_cast<int64_t>(data.size()));
  CHECK(WriteSparse(fd.get(), 0, data).ok());
  CHECK(Contents(fd.get(), data.size()) == data);
  CHECK(IsHole(fd.get(), kPage, 6 * kPage));
}

void DamagedZerosBecomeHoles(const test::TempDir& directory) {
  const Bytes data = WithZeros(6);
  const UniqueFd fd = Create(directory / "damaged", static_cast<int64_t>(data.size()));
  CHECK(WriteAt(fd.get(), 0, Bytes(data.size(), 0xEE)).ok());
  CHECK(WriteSparse(fd.get(), 0, data).ok());
  CHECK(Contents(fd.get(), data.size()) == data);
}

void UnalignedOffsetsKeepTheirBytes(const test::TempDir& directory) {
  const Bytes data = WithZeros(3);
  const UniqueFd fd = Create(directory / "unaligned", static_cast<int64_t>(data.size() + 100));
  CHECK(WriteAt(fd.get(), 0, Bytes(data.size() + 100, 0xEE)).ok());
  CHECK(WriteSparse(fd.get(), 10, data).ok());
  Bytes expected(data.size() + 100, 0xEE);
  std::ranges::copy(data, expected.begin() + 10);
  CHECK(Contents(fd.get(), expected.size()) == expected);
}

void ShortFilesGrow(const test::TempDir& directory) {
  const Bytes data(3 * kPage);
  const UniqueFd fd = Create(directory / "short", 0);
  CHECK(WriteSparse(fd.get(), 0, data).ok());
  CHECK(Contents(fd.get(), data.size()) == data);
}

void EncodesFromFiles(const test::TempDir& directory) {
  const UniqueFd fd = Create(directory / "encode", 3 * kPage);
  CHECK(WriteAt(fd.get(), kPage, Bytes(kPage, 'x')).ok());
  FileChunk chunk;
  CHECK(EncodeChunkFromFile(fd.get(), 0, kPage, ChunkCodec::kZstd, 3, chunk).ok());
  CHECK(chunk.hole && chunk.stored.empty() && chunk.id.size == 0);
  CHECK(EncodeChunkFromFile(fd.get(), kPage, kPage, ChunkCodec::kZstd, 3, chunk).ok());
  CHECK(!chunk.hole);
  const ChunkReference reference{ChunkCodec::kZstd, chunk.id, chunk.plain_digest};
  CHECK(DecodeChunkToFile(reference, chunk.stored, kPage, fd.get(), 2 * kPage).ok());
  CHECK(Contents(fd.get(), 3 * kPage)[2 * kPage] == 'x');
  CHECK(EncodeChunkFromFile(fd.get(), 2 * kPage, kPage + 1, ChunkCodec::kZstd, 3, chunk).code() ==
        Code::ERR_IO);
}

void EncodesFromMemory(const test::TempDir& directory) {
  const Bytes data = WithZeros(1);
  const UniqueFd fd = Create(directory / "memory", 0);
  CHECK(WriteAt(fd.get(), 0, data).ok());
  FileChunk chunk;
  FileChunk same;
  CHECK(EncodeChunkFromMemory(data, ChunkCodec::kZstd, 3, chunk).ok());
  CHECK(EncodeChunkFromFile(fd.get(), 0, data.size(), ChunkCodec::kZstd, 3, same).ok());
  CHECK(!chunk.hole && chunk.stored == same.stored);
  CHECK(chunk.id.Equals(same.id.span()) && chunk.plain_digest.Equals(same.plain_digest.span()));
  FileChunk zeros;
  CHECK(EncodeChunkFromMemory(Bytes(kPage), ChunkCodec::kZstd, 3, zeros).ok());
  CHECK(zeros.hole && zeros.stored.empty());
}

void CorruptChunksWriteNothing(const test::TempDir& directory) {
  const UniqueFd fd = Create(directory / "corrupt", kPage);
  CHECK(WriteAt(fd.get(), 0, Bytes(kPage, 'x')).ok());
  FileChunk chunk;
  CHECK(EncodeChunkFromFile(fd.get(), 0, kPage, ChunkCodec::kLegacyG2, 3, chunk).ok());
  chunk.stored.back() ^= 1;
  const ChunkReference reference{ChunkCodec::kLegacyG2, chunk.id, chunk.plain_digest};
  const UniqueFd out = Create(directory / "out", kPage);
  CHECK(DecodeChunkToFile(reference, chunk.stored, kPage, out.get(), 0).code() ==
        Code::ERR_CHUNK_CORRUPT);
  CHECK(IsHole(out.get(), 0, kPage));
}

void VerifiesBlocks(const test::TempDir& directory) {
  // Ten blocks, the last one short: number 3 is a hole, 5 will be damaged.
  constexpr int64_t kSize = 9 * kPage + 100;
  const UniqueFd fd = Create(directory / "verify", kSize);
  Bytes rows(10 * kDigestRowSize);
  for (size_t block = 0; block < 10; ++block) {
    if (block == 3) continue;
    const Bytes data(block == 9 ? 100 : kPage, static_cast<uint8_t>('a' + block));
    CHECK(WriteAt(fd.get(), static_cast<int64_t>(block * kPage), data).ok());
    const Digest digest = ComputeDigest(DigestAlgorithm::kBlake2b128, data);
    std::ranges::copy(digest.span(), rows.begin() + static_cast<long>(block * kDigestRowSize));
  }
  FileCheck check{fd.get(), kSize, kPage, DigestAlgorithm::kBlake2b128, rows, {}};
  Bytes matching;
  CHECK(VerifyFile(check, matching).ok());
  CHECK(matching == (Bytes{0xFF, 0x03}));
  CHECK(WriteAt(fd.get(), 3 * kPage + 7, test::FromText("x")).ok());
  CHECK(WriteAt(fd.get(), 5 * kPage + 7, test::FromText("x")).ok());
  CHECK(::ftruncate(fd.get(), kSize - 1) == 0);
  CHECK(VerifyFile(check, matching).ok());
  CHECK(matching == (Bytes{0xD7, 0x01}));
  const Bytes blocks{0xDF, 0x03};
  check.blocks = blocks;
  CHECK(VerifyFile(check, matching).ok());
  CHECK(matching == (Bytes{0xF7, 0x01}));
  check.fd = -1;
  CHECK(VerifyFile(check, matching).error() == EBADF);
}

void DigestsFiles(const test::TempDir& directory) {
  for (const size_t size : {size_t{0}, size_t{1} << 20, (size_t{1} << 20) + 1}) {
    const Bytes data(size, 'x');
    const UniqueFd fd = Create(directory / "digest", 0);
    CHECK(WriteAt(fd.get(), 0, data).ok());
    Digest digest;
    CHECK(DigestFile(directory / "digest", digest).ok());
    CHECK(digest.Equals(ComputeDigest(DigestAlgorithm::kBlake2b256, data).span()));
  }
  Digest digest;
  CHECK(DigestFile(directory / "absent", digest).code() == Code::ERR_NO_INPUT);
  CHECK(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK(DigestFile(directory / "fifo", digest).code() == Code::ERR_IO);
}

void ThreadsShareNothing(const test::TempDir& directory) {
  constexpr size_t kThreads = 4;
  constexpr size_t kChunks = 40;
  const UniqueFd fd = Create(directory / "threads", kThreads * kPage);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&fd, thread] {
      std::mt19937 random(static_cast<uint32_t>(thread));
      const auto offset = static_cast<int64_t>(thread * kPage);
      for (size_t i = 0; i < kChunks; ++i) {
        Bytes data(kPage);
        for (uint8_t& byte : data) byte = static_cast<uint8_t>(random() % 5);
        CHECK(WriteAt(fd.get(), offset, data).ok());
        FileChunk chunk;
        const auto codec = static_cast<ChunkCodec>(1 + i % 3);
        CHECK(EncodeChunkFromFile(fd.get(), offset, kPage, codec, 3, chunk).ok());
        const ChunkReference reference{codec, chunk.id, chunk.plain_digest};
        CHECK(DecodeChunkToFile(reference, chunk.stored, kPage, fd.get(), offset).ok());
        Bytes read(kPage);
        CHECK(ReadExactlyAt(fd.get(), offset, read).ok());
        CHECK(read == data);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace g8ufs

int main() {
  const g8ufs::test::TempDir directory;
  g8ufs::ZeroPagesStayHoles(directory);
  g8ufs::DamagedZerosBecomeHoles(directory);
  g8ufs::UnalignedOffsetsKeepTheirBytes(directory);
  g8ufs::ShortFilesGrow(directory);
  g8ufs::EncodesFromFiles(directory);
  g8ufs::EncodesFromMemory(directory);
  g8ufs::CorruptChunksWriteNothing(directory);
  g8ufs::VerifiesBlocks(directory);
  g8ufs::DigestsFiles(directory);
  g8ufs::ThreadsShareNothing(directory);
  return g8ufs::test::Failures();
}
