#include "driver/disk_look.h"

#include <cerrno>
#include <cstdint>

#include "driver/read_fully.h"

namespace g8ufs {

bool DiskLook::is_due() const {
  const Clock::time_point good{Clock::duration{good_at_.load(std::memory_order_relaxed)}};
  return Clock::now() > good + kBelieved;
}

bool DiskLook::Passes(int fd) {
  uint8_t beginning = 0;
  // No memory says nothing about the disk.
  const int error = ReadFully(fd, 0, {&beginning, 1});
  if (error != 0 && error != ENOMEM) return false;
  good_at_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  return true;
}

}  // namespace g8ufs
