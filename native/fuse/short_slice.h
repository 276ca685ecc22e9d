// Short time slices: on a busy machine the scheduler lets a thread that wakes up with a shorter slice than the
// running one go first. A worker answers within microseconds and sleeps again, and its reader waits for that.
// It gets no more of the machine for it.
#ifndef G8UFS_NATIVE_FUSE_SHORT_SLICE_H_
#define G8UFS_NATIVE_FUSE_SHORT_SLICE_H_

#include <chrono>
#include <cstdint>

namespace g8ufs::fuse {

// The shortest that Linux gives; its default is about 3 ms.
inline constexpr std::chrono::nanoseconds kShortSlice = std::chrono::microseconds(100);

// sched_attr of sched_setattr(2), which glibc does not have before 2.41: as it was at first.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;  // of SCHED_OTHER the slice, since Linux 6.12
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};

// For the calling thread, whose priority stays. Without effect before Linux 6.12 and where it is refused.
void AskForShortSlices();

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_SHORT_SLICE_H_
