// MissTable: the requests of one session that wait for data, and the thread that answers them.
//
// A request is parked with the blocks it waits for; what is absent and not asked for yet is sent to
// JS as needs. It ends in one of five ways: its blocks arrive (or its content is complete), they
// fail, its deadline passes, the kernel interrupts it, or the session stops. The deadline is ours
// because nobody else keeps one: the kernel does not tell when a reader of the page cache was
// killed, and its own request timeout aborts the whole mount.
//
// Answering a request reads a file, which may be a disk's that does not answer. The thread is watched like
// the workers of a connection (fuse/session.h): another one takes its place, and the request begins anew.
//
// Thread rule: all public methods may be called by any thread. No lock is held while a request is
// answered or JS is called.
#ifndef G8UFS_NATIVE_DRIVER_MISS_TABLE_H_
#define G8UFS_NATIVE_DRIVER_MISS_TABLE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "driver/content.h"
#include "fuse/device.h"
#include "fuse/stall_watch.h"

namespace g8ufs {

// Blocks of a content that JS is asked for; count 0 asks only for the content to be looked at.
struct Need {
  uint32_t content = 0;  // row of the content table
  uint32_t block = 0;
  uint32_t count = 0;
  // The request that waits for them first, for whoever explains: inode, range (an OPEN has none) and
  // since when it waits.
  uint64_t nid = 0;
  uint64_t offset = 0;
  uint32_t size = 0;
  std::chrono::steady_clock::time_point since{};
  uint32_t image = 0;  // whose content table; only where a session has several
  bool broken = false;  // the content's file cannot be read
  bool away = false;    // because the disk does not answer
};

// A request that waits. Holds one user of its content.
struct Waiter {
  using Clock = std::chrono::steady_clock;
  enum class Kind { kRead, kOpen };

  Kind kind = Kind::kRead;
  fuse::ReplyAddress reply;
  uint64_t nid = 0;
  // READ: the range, inside the file.
  uint64_t offset = 0;
  uint32_t size = 0;
  std::shared_ptr<Content> content;
  uint32_t content_row = 0;
  uint32_t image = 0;
  // The blocks it waits for. READ goes on when they are present, OPEN when the content is complete.
  uint32_t block = 0;
  uint32_t block_count = 0;
  Clock::time_point since{};
  Clock::time_point deadline{};
  // OPEN: all blocks are present but the file is not in its place yet; no more waiting.
  bool accept_partial = false;
  // READ: it has a complete file, which the disk did not give: goes on when the disk is back.
  bool has_file = false;
  // READ: the complete file was looked for in vain, and everything asked for anew. Once is enough.
  bool asked_anew = false;
  // When the table looks at it next: the deadline, or earlier to open a partial file after all.
  Clock::time_point timer{};
};

// Answers waiters on the table's thread.
class WaiterHandler {
 public:
  virtual ~WaiterHandler() = default;
  // Serves it now, or parks it again.
  virtual void Resume(Waiter waiter) = 0;
  virtual void Fail(Waiter waiter, int error) = 0;
};

struct MissStats {
  uint64_t waits = 0;  // requests that had to wait, ever
  uint64_t waiting = 0;
  uint64_t oldest_wait_ms = 0;
  uint64_t deadlines_missed = 0;
};

class MissTable : public ContentListener, private fuse::StallWatch::Watched {
 public:
  // Hands a need to JS without waiting; false when its queue is full.
  using SendNeed = std::function<bool(const Need&)>;

  struct Options {
    std::chrono::milliseconds deadline{};
    SendNeed send_need;
    // The thread is stuck. On the watch's thread; must return soon.
    std::function<void()> on_stall;
  };

  MissTable(ContentRegistry& registry, Options options);
  ~MissTable() override;

  // Starts the thread. ERR_INTERNAL when there is none to be had.
  Status Start(WaiterHandler& handler);
  // Ends the thread and forgets all waiters unanswered: the connection is gone or will be closed.
  void Stop() EXCLUDES_LOCK(mutex_);

  // Adds a request. The user of its content has been taken already and is released with it. Sets
  // `since` and `deadline` when they are not set. Returns 0, or EIO when too many wait or the table
  // has stopped: then the caller answers and releases. EALREADY when the same request is parked already, by
  // a worker that took over from a stuck one: the caller only releases.
  int Park(Waiter& waiter) EXCLUDES_LOCK(mutex_);
  // Sends one need that no request waits for. The table's thread does it: the caller may hold
  // locks.
  void Ask(const Need& need) EXCLUDES_LOCK(mutex_);
  // Takes the request out, if it waits here.
  bool Interrupt(uint64_t unique, Waiter* waiter) EXCLUDES_LOCK(mutex_);

  MissStats Stats() EXCLUDES_LOCK(mutex_);
  // Contents that requests wait for now, as image and row of its content table.
  std::set<std::pair<uint32_t, uint32_t>> WaitedContents() EXCLUDES_LOCK(mutex_);

  void OnContentChanged(const Content& content) override EXCLUDES_LOCK(mutex_);
  void OnContentFailed(const Content& content, uint32_t block, uint32_t count, int error) override
      EXCLUDES_LOCK(mutex_);
  void OnContentUnwanted(const Digest& digest) override;
  // Called by OnContentUnwanted. Set before Start.
  std::function<void(const Digest&)> on_unwanted;

 private:
  using Clock = Waiter::Clock;
  struct Waits {
    std::unordered_set<uint64_t> waiters;  // by unique
    std::unordered_set<uint32_t> asked;    // blocks JS has been asked for and has not resolved
    // Both end with the last waiter: whoever comes then asks anew.
    bool broken = false;  // JS has been asked to lend
  };
  // What the thread does next, outside the lock.
  struct Batch {
    std::optional<Waiter> ready;
    std::vector<std::pair<Waiter, int>> failed;
    bool send_needs = false;
  };

  // The first thread is number 0, each that takes the place of another has the next one.
  void Run(size_t number);
  bool NextBatch(size_t number, Batch* batch) EXCLUDES_LOCK(mutex_);
  void Look() override EXCLUDES_LOCK(mutex_);
  void Replace(uint64_t unique) EXCLUDES_LOCK(mutex_);
  void SendNeeds() EXCLUDES_LOCK(mutex_);
  // Queues needs for the absent blocks of a waiter that nobody has asked for yet.
  void QueueNeeds(const Waiter& waiter, Waits& waits) REQUIRES_LOCK(mutex_);
  // Takes a waiter out of every list; the Waits of its content go with the last one.
  Waiter Remove(uint64_t unique) REQUIRES_LOCK(mutex_);
  void SetTimer(Waiter& waiter, Clock::time_point time) REQUIRES_LOCK(mutex_);
  // Whether it can be resumed; sets its timer when it shall wait a little for the complete file.
  bool IsReady(Waiter& waiter) REQUIRES_LOCK(mutex_);
  void Expire(Clock::time_point now, Batch* batch) REQUIRES_LOCK(mutex_);

  ContentRegistry& registry_;
  const Options options_;
  WaiterHandler* handler_ = nullptr;
  const fuse::StallLimits stall_limits_;
  fuse::StallCount stall_;  // the watch's
  std::atomic<uint64_t> deadlines_missed_{0};
  std::atomic<uint64_t> waits_{0};

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  // The last one serves; the others are stuck, or have left.
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  // What it answers now, without a user of its content.
  std::optional<Waiter> resuming_ GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, Waiter> waiters_ GUARDED_BY(mutex_);  // by unique
  std::unordered_map<const Content*, Waits> by_content_ GUARDED_BY(mutex_);
  std::set<std::pair<Clock::time_point, uint64_t>> timers_ GUARDED_BY(mutex_);
  std::deque<Waiter> ready_ GUARDED_BY(mutex_);
  std::vector<std::pair<Waiter, int>> failed_ GUARDED_BY(mutex_);
  // In the order they came up; bounded by the waiters that they belong to.
  std::deque<Need> needs_ GUARDED_BY(mutex_);
  // When JS's queue was full: not before this.
  Clock::time_point needs_not_before_ GUARDED_BY(mutex_){};
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_MISS_TABLE_H_
