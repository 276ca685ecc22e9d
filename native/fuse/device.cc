#include "fuse/device.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <cerrno>
#include <string>

#include "fuse/abi.h"

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace g8ufs::fuse {
namespace {

// The kernel sends nothing that follows from a reply (a RELEASE after the last READ, say) before it
// has got that reply, and its locks order the memory of the two threads. The thread sanitizer does
// not see into the kernel: these two tell it.
#if defined(__SANITIZE_THREAD__)
char kernel_order;
void AfterRead() { __tsan_acquire(&kernel_order); }
void BeforeWrite() { __tsan_release(&kernel_order); }
#else
void AfterRead() {}
void BeforeWrite() {}
#endif

// A server that never sees a valid request must not spin: after so many failures in a row that are
// worth a retry, the connection counts as ended.
constexpr int kRetryCountMax = 1000;

}  // namespace

Status Device::Open(Device* device) {
  UniqueFd fd(::open(kDevicePath, O_RDWR | O_CLOEXEC));
  if (!fd.ok()) {
    return Status::FromErrno(Code::ERR_NO_FUSE, "/dev/fuse cannot be opened", errno);
  }
  *device = Device(std::move(fd));
  return {};
}

Status Device::Clone(Device* clone) const {
  UniqueFd fd(::open(kDevicePath, O_RDWR | O_CLOEXEC));
  if (fd.ok()) {
    auto source = static_cast<uint32_t>(fd_.get());
    if (::ioctl(fd.get(), kIocClone, &source) == 0) {
      *clone = Device(std::move(fd));
      return {};
    }
  }
  return Share(clone);
}

Status Device::Share(Device* shared) const {
  UniqueFd fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd.ok()) {
    return Status::FromErrno(Code::ERR_MOUNT, "FUSE device cannot be duplicated", errno);
  }
  *shared = Device(std::move(fd));
  return {};
}

int Device::AskToResend() const {
  // A notification: its code stands where an answer has its errno.
  OutHeader header{};
  header.len = sizeof(header);
  header.error = kNotifyResend;
  while (::write(fd_.get(), &header, sizeof(header)) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

Device::Outcome Device::Read(MutableByteSpan buffer, size_t* size) const {
  for (int retries = 0; retries < kRetryCountMax; ++retries) {
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count > 0) {
      AfterRead();
      *size = static_cast<size_t>(count);
      return Outcome::kRequest;
    }
    if (count == 0) return Outcome::kEnd;  // the other side of a socket pair is closed
    switch (errno) {
      case EINTR:
        return Outcome::kInterrupted;
      case ENOENT:  // the request was interrupted before it got here
      case EAGAIN:  // another thread took it
        break;
      default:  // ENODEV: unmounted. ECONNABORTED: aborted. Others: no way to go on.
        return Outcome::kEnd;
    }
  }
  return Outcome::kEnd;
}

bool Device::WaitReadable(int timeout_ms) const {
  pollfd poll_fd{fd_.get(), POLLIN, 0};
  int result = 0;
  do {
    result = ::poll(&poll_fd, 1, timeout_ms);
  } while (result < 0 && errno == EINTR);
  return result > 0;
}

int Device::Reply(uint64_t unique, ByteSpan data, ByteSpan more) const {
  return Write(unique, 0, data, more);
}

int Device::ReplyError(uint64_t unique, int error) const { return Write(unique, error, {}, {}); }

int Device::Write(uint64_t unique, int error, ByteSpan data, ByteSpan more) const {
  OutHeader header{};
  header.len = static_cast<uint32_t>(sizeof(header) + data.size() + more.size());
  header.error = -error;
  header.unique = unique;
  iovec parts[3] = {{&header, sizeof(header)},
                    {const_cast<uint8_t*>(data.data()), data.size()},
                    {const_cast<uint8_t*>(more.data()), more.size()}};
  const int count = !more.empty() ? 3 : !data.empty() ? 2 : 1;
  BeforeWrite();
  // The kernel takes a reply whole or not at all.
  while (::writev(fd_.get(), parts, count) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace g8ufs::fuse
