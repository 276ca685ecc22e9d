// Many small files of a source in one call: opened, read, checked and encoded one after the other, each a
// chunk of its own. What this saves is the way to another thread and back for every step of every file.
// Any thread.
#ifndef G8UFS_NATIVE_PACK_ENCODE_FILES_H_
#define G8UFS_NATIVE_PACK_ENCODE_FILES_H_

#include <sys/types.h>
#include <time.h>

#include <string>
#include <vector>

#include "chunk/chunk_directory.h"
#include "chunk/chunk_file.h"

namespace g8ufs {

// A regular file as it was scanned.
struct SmallFile {
  // Below the root (base/beneath.h).
  std::string path;
  // 1 to kPlainSizeMax.
  int64_t size = 0;
  ino_t ino = 0;
  timespec mtime = {};
  timespec ctime = {};
};

// One chunk per file, in their order. ERR_IO with the detail `path` when a file is not, or behind its
// reading no more, as it was scanned; the first failure ends the call.
Status EncodeFiles(const std::string& root, const std::vector<SmallFile>& files, ChunkCodec codec,
                   int level, std::vector<FileChunk>& chunks);

// What became of a file: where its chunk is, without its bytes.
struct StoredFile {
  bool hole = false;
  // The directory did not have the chunk.
  bool written = false;
  Digest plain_digest;
  Digest id;
  size_t stored_size = 0;
};

// EncodeFiles and WriteChunks in one: each chunk goes to the directory as soon as it is made, so that only
// one is held and none of their bytes passes through the caller.
Status StoreFiles(const std::string& root, const std::vector<SmallFile>& files, ChunkCodec codec,
                  int level, const ChunkDirectory& directory, std::vector<StoredFile>& stored);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_PACK_ENCODE_FILES_H_
