// DiskLook: whether the disk gives files back, found out before the kernel gets one that it will read by
// itself. A read that fails or hangs there is its reader's misfortune; one that does so here is served
// otherwise.
//
// Thread rule: all methods may be called by any thread.
#ifndef G8UFS_NATIVE_DRIVER_DISK_LOOK_H_
#define G8UFS_NATIVE_DRIVER_DISK_LOOK_H_

#include <atomic>
#include <chrono>

namespace g8ufs {

class DiskLook {
 public:
  // How long a look that was good is believed. With an open every few microseconds, a look costs a
  // thousandth; with few opens, each has its own.
  static constexpr std::chrono::milliseconds kBelieved{1};

  bool is_due() const;
  // Reads the beginning of a file, as its reader is about to do, so that the disk has nothing more to do
  // than otherwise. False when it cannot be read; then the next one is due at once. Waits for the disk.
  bool Passes(int fd);

 private:
  using Clock = std::chrono::steady_clock;

  std::atomic<Clock::rep> good_at_{Clock::time_point::min().time_since_epoch().count()};
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_DISK_LOOK_H_
