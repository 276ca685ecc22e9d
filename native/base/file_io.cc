#include "base/file_io.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace g8ufs {

Status ReadAt(int fd, int64_t offset, MutableByteSpan out, size_t& count) {
  count = 0;
  while (count < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + count, out.size() - count, offset + static_cast<int64_t>(count));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::FromErrno("File cannot be read", errno);
    if (got == 0) break;
    count += static_cast<size_t>(got);
  }
  return {};
}

Status ReadExactlyAt(int fd, int64_t offset, MutableByteSpan out) {
  size_t count = 0;
  Status status = ReadAt(fd, offset, out, count);
  if (!status.ok() || count == out.size()) return status;
  return Status(Code::ERR_IO, "File ends at " +
                                  std::to_string(offset + static_cast<int64_t>(count)) +
                                  " before the " + std::to_string(out.size()) + " bytes at " +
                                  std::to_string(offset));
}

Status WriteAt(int fd, int64_t offset, ByteSpan data) {
  size_t count = 0;
  while (count < data.size()) {
    const ssize_t put = ::pwrite(fd, data.data() + count, data.size() - count,
                                 offset + static_cast<int64_t>(count));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Status::FromErrno("File cannot be written", errno);
    // A regular file takes at least one byte or fails: without this the loop would have no bound.
    if (put == 0) return Status::FromErrno("File cannot be written", EIO);
    count += static_cast<size_t>(put);
  }
  return {};
}

Status FindData(int fd, int64_t offset, int64_t& found) {
  found = ::lseek(fd, offset, SEEK_DATA);
  if (found >= 0) return {};
  if (errno == ENXIO) return {};
  if (errno != EINVAL) return Status::FromErrno("Data of a file cannot be found", errno);
  found = offset;
  return {};
}

bool IsZero(ByteSpan data) {
  // Comparing the bytes with themselves shifted by one is memcmp at full speed.
  return data.empty() ||
         (data[0] == 0 && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

}  // namespace g8ufs
