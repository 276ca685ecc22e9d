// FileCache: the files that were read last, for mounts whose kernel sends no OPEN. Least recently
// used files are let go when there are too many; nothing else says when a file is not needed.
#ifndef G8UFS_NATIVE_DRIVER_FILE_CACHE_H_
#define G8UFS_NATIVE_DRIVER_FILE_CACHE_H_

#include <array>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "driver/served_file.h"

namespace g8ufs {

class FileCache {
 public:
  // nullptr when the inode's file is not here.
  std::shared_ptr<const ServedFile> Find(uint64_t nid);
  void Put(uint64_t nid, std::shared_ptr<const ServedFile> file);
  void Erase(uint64_t nid);
  // Lets go of every file with this content.
  void EraseContent(const Digest& digest);

 private:
  // 16 * 64 files: a tenth of the usual descriptor limit of a machine's service.
  static constexpr size_t kShardCount = 16;
  static constexpr size_t kFilesPerShardMax = 64;

  struct Entry {
    uint64_t nid;
    std::shared_ptr<const ServedFile> file;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::list<Entry> recent GUARDED_BY(mutex);  // most recently used first
    std::unordered_map<uint64_t, std::list<Entry>::iterator> by_nid GUARDED_BY(mutex);
  };

  Shard& ShardOf(uint64_t nid) { return shards_[(nid ^ (nid >> 4)) % kShardCount]; }

  std::array<Shard, kShardCount> shards_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_FILE_CACHE_H_
