// OpenLog: files that were opened while somebody watches, each inode once. Costs a look at a flag
// when nobody does.
//
// Thread rule: any thread.
#ifndef G8UFS_NATIVE_DRIVER_OPEN_LOG_H_
#define G8UFS_NATIVE_DRIVER_OPEN_LOG_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"

namespace g8ufs {

class OpenLog {
 public:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    uint64_t nid = 0;
    bool complete = false;  // its content was all in the cache
    Clock::time_point when{};
  };

  void Note(uint64_t nid, bool complete) {
    if (watched_.load(std::memory_order_relaxed)) Add(nid, complete);
  }
  // What came since the last call. The first call begins, and one with `watch` false ends it.
  std::vector<Entry> Take(bool watch) EXCLUDES_LOCK(mutex_);

 private:
  // Whoever watches looks several times a second; beyond that it misses some.
  static constexpr size_t kEntriesMax = 16 * 1024;
  // Then an inode may come twice.
  static constexpr size_t kSeenMax = 256 * 1024;

  void Add(uint64_t nid, bool complete) EXCLUDES_LOCK(mutex_);

  std::atomic<bool> watched_{false};
  Mutex mutex_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);
  std::unordered_set<uint64_t> seen_ GUARDED_BY(mutex_);
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_OPEN_LOG_H_
