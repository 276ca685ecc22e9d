#include "driver/read_fully.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "fuse/session.h"

namespace g8ufs {

int ReadFully(int fd, uint64_t offset, MutableByteSpan out) {
  size_t done = 0;
  while (done < out.size()) {
    const iovec rest{out.data() + done, out.size() - done};
    const auto place = static_cast<off_t>(offset + done);
    // Not all file systems can tell what is in memory.
    ssize_t count = ::preadv2(fd, &rest, 1, place, RWF_NOWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)) {
      fuse::BeforeWait();
      count = ::pread(fd, rest.iov_base, rest.iov_len, place);
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN) return errno;
    if (count <= 0) return EIO;
    done += static_cast<size_t>(count);
  }
  return 0;
}

}  // namespace g8ufs
