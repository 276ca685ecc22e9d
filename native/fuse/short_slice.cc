#include "fuse/short_slice.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace g8ufs::fuse {
namespace {

// Whoever started us may have chosen a policy.
constexpr uint64_t kKeepPolicy = 0x08;

}  // namespace

void AskForShortSlices() {
  SchedulingAttributes attributes;
  attributes.flags = kKeepPolicy;
  errno = 0;
  // Of the thread: Linux has a nice value for each.
  attributes.nice = ::getpriority(PRIO_PROCESS, 0);
  if (errno != 0) return;
  attributes.runtime_ns = static_cast<uint64_t>(kShortSlice.count());
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace g8ufs::fuse
