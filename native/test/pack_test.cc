// Many files and many chunks in one call, from several threads.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/file_io.h"
#include "chunk/chunk_directory.h"
#include "pack/encode_files.h"
#include "scan/scan.h"
#include "test/check.h"
#include "test/hex.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kFiles = 50;

std::vector<SmallFile> MakeFiles(const test::TempDir& directory) {
  std::vector<SmallFile> files;
  for (const std::string folder : {"a", "b"}) {
    CHECK(::mkdir((directory / folder).c_str(), 0700) == 0);
    for (size_t i = 0; i < kFiles; ++i) {
      const std::string path = folder + "/" + std::to_string(i);
      const UniqueFd fd(::open((directory / path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      CHECK(WriteAt(fd.get(), 0, test::FromText("file " + path)).ok());
      ScannedEntry entry;
      CHECK(ScanEntry(directory.path(), path, entry).ok());
      const struct stat& found = entry.attributes;
      files.push_back({path, found.st_size, found.st_ino, found.st_mtim, found.st_ctim});
    }
  }
  return files;
}

void FilesBecomeChunks(const test::TempDir& directory) {
  std::vector<SmallFile> files = MakeFiles(directory);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      std::vector<FileChunk> chunks;
      CHECK(EncodeFiles(directory.path(), files, ChunkCodec::kZstd, 3, chunks).ok());
      CHECK(chunks.size() == files.size());
      for (size_t i = 0; i < files.size(); ++i) {
        CHECK(chunks[i].stored == test::FromText("file " + files[i].path));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  files[70].ctime.tv_nsec ^= 1;
  std::vector<FileChunk> chunks;
  const Status status = EncodeFiles(directory.path(), files, ChunkCodec::kZstd, 3, chunks);
  CHECK(status.code() == Code::ERR_IO);
  CHECK(status.details().at(0).second == directory / files[70].path);
  files[70].path = "a/../a/1";
  CHECK(EncodeFiles(directory.path(), files, ChunkCodec::kZstd, 3, chunks).code() ==
        Code::ERR_USAGE);
}

void FilesAreStoredOnce(const test::TempDir& directory) {
  CHECK(::mkdir((directory / "tree").c_str(), 0700) == 0);
  const std::string root = directory / "tree";
  const ChunkDirectory store{directory / "files", false};
  CHECK(::mkdir(store.root.c_str(), 0700) == 0);
  CHECK(::mkdir((store.root + "/tmp").c_str(), 0700) == 0);
  std::vector<SmallFile> files;
  for (size_t i = 0; i < kFiles; ++i) {
    const std::string path = std::to_string(i);
    const UniqueFd fd(::open((root + "/" + path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK(WriteAt(fd.get(), 0, test::FromText("file " + path)).ok());
    ScannedEntry entry;
    CHECK(ScanEntry(root, path, entry).ok());
    const struct stat& found = entry.attributes;
    files.push_back({path, found.st_size, found.st_ino, found.st_mtim, found.st_ctim});
  }
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      std::vector<StoredFile> stored;
      CHECK(StoreFiles(root, files, ChunkCodec::kZstd, 3, store, stored).ok());
      std::vector<std::string> ids;
      for (const StoredFile& file : stored) ids.push_back(ToHex(file.id.span()));
      std::vector<uint8_t> found;
      CHECK(FindChunks(store.root, ids, found).ok());
      CHECK(found == std::vector<uint8_t>(kFiles, 1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<StoredFile> again;
  CHECK(StoreFiles(root, files, ChunkCodec::kZstd, 3, store, again).ok());
  for (const StoredFile& file : again) CHECK(!file.written && !file.hole && file.stored_size > 0);
  std::vector<ScannedEntry> left;
  CHECK(ScanDirectory(store.root, "tmp", left).ok() && left.empty());
}

void ChunksAreWrittenOnce(const test::TempDir& directory) {
  const ChunkDirectory store{directory / "store", true};
  CHECK(::mkdir(store.root.c_str(), 0700) == 0);
  CHECK(::mkdir((store.root + "/tmp").c_str(), 0700) == 0);
  const std::vector<uint8_t> bytes = test::FromText("stored");
  std::vector<NamedChunk> chunks;
  for (size_t i = 0; i < kFiles; ++i) {
    const uint8_t digit = static_cast<uint8_t>(i);
    chunks.push_back({ToHex({&digit, 1}) + std::string(62, 'a'), bytes});
  }
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      std::vector<uint8_t> written;
      CHECK(WriteChunks(store, chunks, written).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<uint8_t> written;
  CHECK(WriteChunks(store, chunks, written).ok());
  CHECK(written == std::vector<uint8_t>(kFiles, 0));
  std::vector<ScannedEntry> left;
  CHECK(ScanDirectory(store.root, "tmp", left).ok() && left.empty());
  // What a power failure left of a chunk is replaced; an unnamed file cannot take a name that is taken.
  const std::string damaged = store.root + "/" + chunks[3].id.substr(0, 2) + "/" + chunks[3].id;
  CHECK(::truncate(damaged.c_str(), 2) == 0);
  CHECK(WriteChunks(store, chunks, written).ok());
  CHECK(std::count(written.begin(), written.end(), 1) == 1 && written[3] == 1);
  struct stat mended;
  CHECK(::stat(damaged.c_str(), &mended) == 0);
  CHECK(mended.st_size == static_cast<off_t>(bytes.size()));
  CHECK(ScanDirectory(store.root, "tmp", left).ok() && left.empty());
  chunks.push_back({"../" + std::string(61, 'a'), bytes});
  CHECK(WriteChunks(store, chunks, written).code() == Code::ERR_USAGE);
}

}  // namespace
}  // namespace g8ufs

int main() {
  const g8ufs::test::TempDir directory;
  g8ufs::FilesBecomeChunks(directory);
  g8ufs::FilesAreStoredOnce(directory);
  g8ufs::ChunksAreWrittenOnce(directory);
  return g8ufs::test::Failures();
}
