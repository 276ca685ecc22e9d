// ServedFile: what an open regular file is read from, and OpenTable: the inodes that are open.
//
// The kernel refuses an open (EIO) whose mode differs from what the inode is held in, therefore the
// mode is chosen when an inode's open count goes from 0 to 1 and repeated for each further open.
// RELEASE comes after the kernel has let go, so a count here is never too low. But a request that a worker
// is stuck at is answered by another one (fuse/session.h): the file may be closed before the first is back,
// so that whoever reads holds it as well.
#ifndef G8UFS_NATIVE_DRIVER_SERVED_FILE_H_
#define G8UFS_NATIVE_DRIVER_SERVED_FILE_H_

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "driver/content.h"
#include "driver/content_files.h"
#include "driver/held_files.h"
#include "fuse/passthrough.h"

namespace g8ufs {

// Immutable once it is served. Holds one user of its content.
struct ServedFile {
  ServedFile(ContentRegistry& content_registry, std::shared_ptr<Content> used,
             const ContentRecord& content_record)
      : registry(content_registry), content(std::move(used)), record(content_record) {}
  ~ServedFile() { registry.Release(content); }
  ServedFile(const ServedFile&) = delete;
  ServedFile& operator=(const ServedFile&) = delete;

  bool is_complete() const { return file.ok() || backing.ok(); }

  ContentRegistry& registry;
  const std::shared_ptr<Content> content;
  const ContentRecord record;
  UniqueFd file;            // the complete file, when we read it for the kernel
  fuse::BackingId backing;  // the complete file, when the kernel reads it itself
  FileIdentity identity;    // of the complete file
  // Since when nobody has it open, for one that is kept (IdleFiles).
  std::chrono::steady_clock::time_point idle_since{};
  // What a successor is told of it. Last, so that it is gone before the id is closed.
  HeldFiles::Hold hold;
};

class OpenTable {
 public:
  // The handle of a file without content. Kernels send it for every file when OPEN is not served.
  static constexpr uint64_t kNoHandle = 0;
  // Of all others: which one is meant says the inode.
  static constexpr uint64_t kHandle = 1;
  // More are ENFILE.
  static constexpr uint64_t kInodesMax = 1024 * 1024;

  // Makes the ServedFile of the first open, without a disk: others wait meanwhile. Returns 0 with a file, or
  // a value that Open returns.
  using Choose = std::function<int(std::shared_ptr<ServedFile>* file)>;

  // Counts an open of `nid`; calls `choose` under the inode's lock when it is the first. ENFILE
  // when too many inodes are open.
  int Open(uint64_t nid, const Choose& choose, std::shared_ptr<const ServedFile>* file);
  // Whether it is open at the moment.
  bool IsOpen(uint64_t nid) { return Find(nid) != nullptr; }
  // Enters an inode that the kernel holds since before our time, with as many opens. False when it is
  // there already or there is no room.
  bool Restore(uint64_t nid, uint64_t opens, std::shared_ptr<ServedFile> file);
  // Undoes one Open; the file when that was the last. Unknown inodes are ignored.
  std::shared_ptr<ServedFile> Close(uint64_t nid);
  // What an open inode is read from, nullptr when it is not open.
  std::shared_ptr<const ServedFile> Find(uint64_t nid);

  uint64_t open_count() const { return open_count_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShardCount = 64;

  struct Entry {
    uint64_t opens = 0;
    std::shared_ptr<ServedFile> file;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::unordered_map<uint64_t, Entry> entries GUARDED_BY(mutex);
  };

  Shard& ShardOf(uint64_t nid) { return shards_[(nid ^ (nid >> 6)) % kShardCount]; }
  // Counts one inode more; false when there are too many.
  bool TakeRoom();

  std::array<Shard, kShardCount> shards_;
  std::atomic<uint64_t> inode_count_{0};
  std::atomic<uint64_t> open_count_{0};
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_SERVED_FILE_H_
