// IdleWait: looks for the next request a moment longer before the thread sleeps. Waking a thread on
// another core costs several times what a request costs (most of all in a virtual machine), and
// whoever walks a tree sends the next request within microseconds of the last answer.
//
// How long adapts: it grows while requests come soon and shrinks to nothing when they do not, so
// that an idle mount costs no time. It gives way to whoever else needs the core.
//
// Thread rule: each listener has its own.
#ifndef G8UFS_NATIVE_FUSE_IDLE_WAIT_H_
#define G8UFS_NATIVE_FUSE_IDLE_WAIT_H_

#include <chrono>
#include <cstdint>

#include "fuse/device.h"

namespace g8ufs::fuse {

class IdleWait {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = Clock::time_point (*)();

  // Half of the cores.
  static int LookersMax();
  // Arguments are for tests. `lookers_max`: so many look at the same time, in the whole process.
  explicit IdleWait(Now now = Clock::now, int lookers_max = LookersMax())
      : now_(now), lookers_max_(lookers_max) {}

  // Looks until a request is there or the time is used up. True when one was there at once.
  bool Look(const Device& device);
  // To be called when the request has been read: learns from how long it took to come.
  void OnRequest();

 private:
  enum class Outcome { kAtOnce, kFound, kMissed, kNotTried };

  Outcome LookFor(const Device& device);
  bool TakeCore();

  const Now now_;
  const int lookers_max_;
  std::chrono::nanoseconds budget_{0};
  Clock::time_point start_;
  Outcome outcome_ = Outcome::kAtOnce;
  // Waits that are left out after somebody else needed the core.
  uint32_t pause_ = 0;
};

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_IDLE_WAIT_H_
