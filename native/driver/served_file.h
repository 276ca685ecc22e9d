// ServedFile: what an open regular file is read from, and OpenTable: the inodes that are open.
//
// The kernel refuses an open (EIO) whose mode differs from what the inode is held in, therefore the
// mode is chosen when an inode's open count goes from 0 to 1 and repeated for each further open.
// RELEASE comes after the kernel has let go, so a count here is never too low.
#ifndef G8UFS_NATIVE_DRIVER_SERVED_FILE_H_
#define G8UFS_NATIVE_DRIVER_SERVED_FILE_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

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
  // What a successor is told of it. Last, so that it is gone before the id is closed.
  HeldFiles::Hold hold;
};

class OpenTable {
 public:
  // The handle of a file without content. Kernels send it for every file when OPEN is not served.
  static constexpr uint64_t kNoHandle = 0;

  // Makes the ServedFile of the first open, without a disk: others wait meanwhile. Returns 0 with a file, or
  // a value that Open returns.
  using Choose = std::function<int(std::unique_ptr<ServedFile>* file)>;

  struct Opened {
    uint64_t handle = kNoHandle;
    const ServedFile* file = nullptr;
  };

  ~OpenTable();

  // Counts an open of `nid`; calls `choose` under the inode's lock when it is the first. ENFILE
  // when too many inodes are open.
  int Open(uint64_t nid, const Choose& choose, Opened* opened);
  // Whether it is open at the moment.
  bool IsOpen(uint64_t nid) { return FindOpen(nid) != nullptr; }
  // Enters an inode that the kernel holds since before our time, with as many opens. False when it is
  // there already or there is no room.
  bool Restore(uint64_t nid, uint64_t opens, std::unique_ptr<ServedFile> file);
  // Undoes one Open; the file when that was the last. Unknown inodes are ignored.
  std::unique_ptr<ServedFile> Close(uint64_t nid);
  // The file behind a handle, without a lock: the kernel sends no READ after the last RELEASE.
  const ServedFile* Find(uint64_t handle, uint64_t nid) const;
  // The same for a handle of a predecessor: by its inode, which is open.
  const ServedFile* FindOpen(uint64_t nid);

  uint64_t open_count() const { return open_count_.load(std::memory_order_relaxed); }

 private:
  // Slots never move, so that Find needs no lock; they are allocated by the chunk.
  static constexpr size_t kSlotsPerChunk = 1024;
  static constexpr size_t kChunkCountMax = 1024;  // a million open inodes
  static constexpr size_t kShardCount = 64;

  struct Slot {
    // 0 when free. Stored last (release) and read first (acquire).
    std::atomic<uint64_t> nid{0};
    uint64_t opens = 0;  // guarded by the shard's mutex
    std::unique_ptr<ServedFile> file;
    uint64_t handle = 0;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::unordered_map<uint64_t, Slot*> slots GUARDED_BY(mutex);
  };
  using Chunk = std::array<Slot, kSlotsPerChunk>;

  Shard& ShardOf(uint64_t nid) { return shards_[(nid ^ (nid >> 6)) % kShardCount]; }
  Slot* TakeSlot() EXCLUDES_LOCK(free_mutex_);

  std::array<Shard, kShardCount> shards_;
  std::array<std::atomic<Chunk*>, kChunkCountMax> chunks_{};
  std::atomic<uint64_t> open_count_{0};

  // Lock order: a shard's mutex, then this one.
  Mutex free_mutex_;
  std::vector<Slot*> free_ GUARDED_BY(free_mutex_);
  size_t chunk_count_ GUARDED_BY(free_mutex_) = 0;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_SERVED_FILE_H_
