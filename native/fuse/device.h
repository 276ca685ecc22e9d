// One connection end: reads requests from /dev/fuse and writes replies. Knows nothing of what they
// mean. Any descriptor that keeps message borders will do, so tests serve a socket pair.
//
// Thread rule: one thread reads; any thread may write. The kernel takes an answer only on the
// descriptor its request was read from, therefore a ReplyAddress names both.
#ifndef G8UFS_NATIVE_FUSE_DEVICE_H_
#define G8UFS_NATIVE_FUSE_DEVICE_H_

#include <cstdint>

#include "base/bytes.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace g8ufs::fuse {

inline constexpr char kDevicePath[] = "/dev/fuse";

class Device {
 public:
  Device() = default;
  explicit Device(UniqueFd fd) : fd_(std::move(fd)) {}

  // Opens /dev/fuse without a connection: mount(2) or CLONE gives it one. ERR_NO_FUSE when the
  // device is missing or this process may not open it.
  static Status Open(Device* device);

  // A second descriptor of this connection with a request queue of its own; where /dev/fuse cannot
  // be opened again (a mount handed over by fusermount3), one that shares this one's queue.
  Status Clone(Device* clone) const;
  // A second descriptor that shares this one's queue. What was read from it and is not answered when the
  // process dies stays with the connection as long as anybody holds the device: with a clone it ends.
  Status Share(Device* shared) const;

  // Makes the kernel send again what a predecessor has read and not answered. Those requests come with the
  // top bit of their number set, which belongs into the answer as well. Returns 0 or an errno: EINVAL
  // before Linux 6.9.
  int AskToResend() const;

  enum class Outcome {
    kRequest,      // *size bytes are one request
    kEnd,          // unmounted or aborted: nothing will come any more
    kInterrupted,  // a signal: the caller looks whether it shall stop
  };
  // Waits for the next request.
  Outcome Read(MutableByteSpan buffer, size_t* size) const;

  // Waits for the next request at most `timeout_ms`; false when none came.
  bool WaitReadable(int timeout_ms) const;

  // Answers with data, in up to two parts. Returns 0 or an errno: ENOENT when the kernel has given
  // the request up, ENODEV when the connection has ended.
  int Reply(uint64_t unique, ByteSpan data, ByteSpan more = {}) const;
  // Answers with an errno (positive), or success without data when it is 0.
  int ReplyError(uint64_t unique, int error) const;

  int fd() const { return fd_.get(); }
  bool ok() const { return fd_.ok(); }
  void Close() { fd_.Reset(); }

 private:
  int Write(uint64_t unique, int error, ByteSpan data, ByteSpan more) const;

  UniqueFd fd_;
};

// Where the answer to one request goes. The device outlives every address.
struct ReplyAddress {
  const Device* device = nullptr;
  uint64_t unique = 0;
};

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_DEVICE_H_
