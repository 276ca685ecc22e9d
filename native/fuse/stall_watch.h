// StallWatch: looks twice a second at those who may be stuck in the kernel, from a thread of its own that
// never is. One for the process; it sleeps while there is nobody to look at.
//
// A thread that waits for a disk that does not answer cannot be woken, not even by a signal: all that
// can be done is to notice, and to let others go on. Counted in looks and not by a clock: a process that
// was stopped, or a machine that slept, has not been stuck.
#ifndef G8UFS_NATIVE_FUSE_STALL_WATCH_H_
#define G8UFS_NATIVE_FUSE_STALL_WATCH_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/mutex.h"

namespace g8ufs::fuse {

class StallWatch {
 public:
  static constexpr std::chrono::milliseconds kPeriod{500};

  class Watched {
   public:
    virtual ~Watched() = default;
    // On the watch's thread; must return soon, and not call the watch.
    virtual void Look() = 0;
  };

  static StallWatch& Instance();

  void Add(Watched& watched) EXCLUDES_LOCK(mutex_);
  // After this returns no look is under way or will come. Unknown ones are ignored.
  void Remove(Watched& watched) EXCLUDES_LOCK(mutex_);

 private:
  void Run() EXCLUDES_LOCK(mutex_);

  Mutex mutex_;
  CondVar changed_;
  bool has_thread_ GUARDED_BY(mutex_) = false;
  std::vector<Watched*> watched_ GUARDED_BY(mutex_);
};

// How many looks in a row have found a thread at the same request.
class StallCount {
 public:
  // `unique` is what it is at now, 0 nothing.
  int Look(uint64_t unique) {
    looks_ = unique != 0 && unique == unique_ ? looks_ + 1 : 0;
    unique_ = unique;
    return looks_;
  }

 private:
  uint64_t unique_ = 0;
  int looks_ = 0;
};

// When a request counts as stuck, and when it is given up: looks, by the deadline of a read. Never at the
// first, which may come right after it has begun.
struct StallLimits {
  explicit StallLimits(std::chrono::milliseconds deadline);
  int stuck;
  int given_up;
};

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_STALL_WATCH_H_
