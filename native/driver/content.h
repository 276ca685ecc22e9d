// Contents that are open or partly here, shared by all sessions of the process and named by digest.
//
// A Content is the native half of a cache file that is not complete: its descriptor and which
// blocks are in it. JS attaches the file, fills it and says which blocks are there; readers look at
// the presence bits without a lock. A block's bit is set after its bytes are in the file and is
// never cleared, so a reader that sees the bit may read the file at once.
//
// Where the disk does not take a block, or does not give it back, JS lends its bytes: they are held
// in memory for whoever reads now, within a limit for all contents together. A content whose file
// failed to be read is broken: it is served from lent blocks alone until its last user has gone. So are
// all contents while the disk does not answer.
#ifndef G8UFS_NATIVE_DRIVER_CONTENT_H_
#define G8UFS_NATIVE_DRIVER_CONTENT_H_

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "tree/mount_index.h"

namespace g8ufs {

struct DigestHash {
  size_t operator()(const Digest& digest) const;
};

// What must agree before a file is used for a content.
struct ContentShape {
  uint64_t size = 0;
  uint32_t block_size_bits = 0;

  uint32_t block_count() const;
  bool operator==(const ContentShape&) const = default;
};

// Plain bytes of one block. Whoever holds them may read them for as long as they like.
using LentBytes = std::shared_ptr<const std::vector<uint8_t>>;

class Content {
 public:
  // `disk_is_away` outlives the content.
  Content(const Digest& digest, const ContentShape& shape, const std::atomic<bool>& disk_is_away);

  const Digest& digest() const { return digest_; }
  const ContentShape& shape() const { return shape_; }

  // Descriptor of the partial file, -1 before it is attached. Stays open as long as the Content.
  int fd() const { return fd_.load(std::memory_order_acquire); }
  // Descriptor of the complete file once a reader of the partial one has needed it, else -1. The
  // two need not be the same file.
  int complete_fd() const { return complete_fd_.load(std::memory_order_acquire); }
  // The complete file is in its final place.
  bool complete() const { return complete_.load(std::memory_order_acquire); }
  // Forgotten by the registry: nobody will announce blocks any more.
  bool dropped() const { return dropped_.load(std::memory_order_acquire); }

  // REQUIRES: block + count <= block_count().
  bool HasBlocks(uint32_t block, uint32_t count) const;
  bool HasBlock(uint32_t block) const { return HasBlocks(block, 1); }

  // Its file cannot be read, for good or for now.
  bool broken() const {
    return broken_.load(std::memory_order_acquire) || disk_is_away_.load(std::memory_order_acquire);
  }
  // Every block is lent, or in a file that can be read. Lent ones may be gone a moment later.
  bool CanServe(uint32_t block, uint32_t count) const EXCLUDES_LOCK(lent_mutex_);
  // The bytes of a lent block, nullptr when it is not lent.
  LentBytes Lent(uint32_t block) const EXCLUDES_LOCK(lent_mutex_);

 private:
  friend class ContentRegistry;

  void SetBlocks(uint32_t block, uint32_t count);
  bool AddLent(uint32_t block, LentBytes bytes) EXCLUDES_LOCK(lent_mutex_);
  void RemoveLent(uint32_t block) EXCLUDES_LOCK(lent_mutex_);

  const Digest digest_;
  const ContentShape shape_;
  const std::atomic<bool>& disk_is_away_;
  std::atomic<int> fd_{-1};
  std::atomic<int> complete_fd_{-1};
  std::atomic<bool> complete_{false};
  std::atomic<bool> dropped_{false};
  std::atomic<bool> broken_{false};
  // Bit i & 63 of word i >> 6: block i is in the file, or is a hole.
  std::vector<std::atomic<uint64_t>> present_;

  std::atomic<bool> has_lent_{false};  // ever: spares the others the lock
  mutable Mutex lent_mutex_;           // no other is taken while it is held
  std::unordered_map<uint32_t, LentBytes> lent_ GUARDED_BY(lent_mutex_);

  // The rest is guarded by the registry's mutex.
  // Owners of the two descriptors; never replaced, for readers use them without a lock.
  UniqueFd file_;
  UniqueFd complete_file_;
  uint32_t users_ = 0;      // open inodes and waiting requests
  bool holes_set_ = false;  // presence bits of holes are set
};

// What files of the cache may be used for.
enum class DiskTrust {
  kAway,     // whoever touches it waits: nothing is wrong with what is on it
  kNothing,  // writes fail: what the kernel could not write may read as zeros, without an error
  kReading,  // reads fail now and then: by us, who can help the reader, and not by the kernel
  kAll,
};

// Is told what happens to contents. Called on JS threads; must return soon.
class ContentListener {
 public:
  virtual ~ContentListener() = default;
  // Blocks have arrived, or a file was attached, or the content is complete.
  virtual void OnContentChanged(const Content& content) = 0;
  virtual void OnContentFailed(const Content& content, uint32_t block, uint32_t count,
                               int error) = 0;
  // The cache would like to forget it: idle references are to be let go.
  virtual void OnContentUnwanted(const Digest& digest) = 0;
};

// Lock order: listeners_mutex_, then whatever a listener takes, then mutex_, which is never held
// while another lock is taken.
class ContentRegistry {
 public:
  // For sessions.
  void Subscribe(ContentListener* listener) EXCLUDES_LOCK(listeners_mutex_);
  // After this returns no call is under way or will come.
  void Unsubscribe(ContentListener* listener) EXCLUDES_LOCK(listeners_mutex_);

  // The content of a record, made when it is new, with one user more. nullptr when a file with
  // another shape is attached under this digest.
  std::shared_ptr<Content> Acquire(const ContentRecord& record) EXCLUDES_LOCK(mutex_);
  // Marks the holes of an incomplete content as present, once. Looks at every block.
  void MarkHoles(Content& content, const MountIndex& index, const ContentRecord& record)
      EXCLUDES_LOCK(mutex_);
  // One user more of a content at hand; false when it was dropped meanwhile.
  bool AddUser(Content& content) EXCLUDES_LOCK(mutex_);
  void Release(const std::shared_ptr<Content>& content) EXCLUDES_LOCK(mutex_);
  // Gives a content the complete file, so that further reads find it at once.
  void AdoptComplete(Content& content, UniqueFd file) EXCLUDES_LOCK(mutex_);
  // The complete file is not where it should be: evicted since it was announced.
  void RevokeComplete(Content& content);
  // Its file failed to be read: what comes next is served from lent blocks.
  void Break(Content& content) EXCLUDES_LOCK(listeners_mutex_);
  DiskTrust trust() const { return trust_.load(std::memory_order_relaxed); }
  // Complete files may be opened and read.
  bool CanRead() const { return trust() == DiskTrust::kReading || trust() == DiskTrust::kAll; }
  // Notes an opened digest for TakeTouched().
  void Touch(const Digest& digest) EXCLUDES_LOCK(mutex_);

  // For JS: the calls of SessionBinding in src/native/addon.ts.
  // Takes the descriptor. `present` has a bit per block. ERR_IO when the file is shorter than the
  // content, or another file is attached and in use. The same file again only adds blocks.
  Status Attach(const Digest& digest, const ContentShape& shape, UniqueFd fd, ByteSpan present);
  // Unknown digests are ignored: their last user may just have gone. False when the content has no
  // such blocks; the same goes for Fail.
  bool Present(const Digest& digest, uint32_t block, uint32_t count);
  void Complete(const Digest& digest);
  bool Fail(const Digest& digest, uint32_t block, uint32_t count, int error);
  // Verified bytes of a block that is not on disk. False when the content has no such block or it
  // has another size. What is lent longest goes when there is too much.
  bool Lend(const Digest& digest, uint32_t block, ByteSpan bytes) EXCLUDES_LOCK(mutex_);
  // With kNothing every content that is here is broken from then on, with kAway for as long as that holds.
  void TrustDisk(DiskTrust trust) EXCLUDES_LOCK(mutex_, trust_mutex_);
  bool Drop(const Digest& digest);
  std::string TakeTouched();

  // A content that somebody uses; nullptr when nobody does.
  std::shared_ptr<Content> Find(const Digest& digest) EXCLUDES_LOCK(mutex_);

  size_t ContentCount() EXCLUDES_LOCK(mutex_);

 private:
  void NotifyChanged(const Content& content) EXCLUDES_LOCK(listeners_mutex_);
  std::vector<std::shared_ptr<Content>> AllContents() EXCLUDES_LOCK(mutex_);
  // Forgets what nobody uses.
  void ForgetUnused() EXCLUDES_LOCK(mutex_);

  Mutex listeners_mutex_;
  std::vector<ContentListener*> listeners_ GUARDED_BY(listeners_mutex_);

  Mutex mutex_;
  std::unordered_map<Digest, std::shared_ptr<Content>, DigestHash> contents_ GUARDED_BY(mutex_);
  std::unordered_set<Digest, DigestHash> touched_ GUARDED_BY(mutex_);
  // What was lent, the longest ago first. A content that is gone took its blocks along; its entries
  // count until they come up.
  struct LentBlock {
    std::weak_ptr<Content> content;
    uint32_t block;
    size_t size;
  };
  std::deque<LentBlock> lent_ GUARDED_BY(mutex_);
  size_t lent_size_ GUARDED_BY(mutex_) = 0;

  Mutex trust_mutex_;  // for both to change as one; no other is taken while it is held
  std::atomic<DiskTrust> trust_{DiskTrust::kAll};
  std::atomic<bool> disk_is_away_{false};
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_CONTENT_H_
