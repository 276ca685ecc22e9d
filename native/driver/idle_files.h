// IdleFiles: files that the kernel read itself and that nobody holds open now. Their next open finds
// the registration instead of opening and registering the file anew, which is most of what an open
// costs.
//
// Thread rule: all methods may be called by any thread; what they let go is destroyed behind the
// locks.
#ifndef G8UFS_NATIVE_DRIVER_IDLE_FILES_H_
#define G8UFS_NATIVE_DRIVER_IDLE_FILES_H_

#include <array>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "driver/served_file.h"

namespace g8ufs {

class IdleFiles {
 public:
  // All mounts of the process together. Each holds an open file and its inode in the kernel's
  // memory, about 2 KiB: 32 MiB.
  static constexpr size_t kFilesMax = 16 * 1024;
  static constexpr size_t kShardCount = 64;
  // Contents are spread evenly: twice the share of a shard is never reached before kFilesMax.
  static constexpr size_t kFilesPerShardMax = kFilesMax / kShardCount * 2;

  ~IdleFiles();

  // Keeps a file for the inode, in place of another one. When there are too many, the least
  // recently used of its shard goes, and the file itself when there is none.
  void Keep(uint64_t nid, std::shared_ptr<ServedFile> file);
  // nullptr when there is none. Only for the content that the inode has.
  std::shared_ptr<ServedFile> Take(uint64_t nid, const Digest& digest);
  // Lets go of every file with this content.
  void EraseContent(const Digest& digest);

 private:
  struct Entry {
    uint64_t nid;
    std::shared_ptr<ServedFile> file;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::list<Entry> recent GUARDED_BY(mutex);  // most recently used first
    std::unordered_map<uint64_t, std::list<Entry>::iterator> by_nid GUARDED_BY(mutex);
  };

  // All files of a content are in one shard, so that letting it go looks at few.
  Shard& ShardOf(const Digest& digest) { return shards_[digest[0] % kShardCount]; }

  std::array<Shard, kShardCount> shards_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_IDLE_FILES_H_
