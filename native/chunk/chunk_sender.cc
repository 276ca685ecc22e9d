#include "chunk/chunk_sender.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "chunk/chunk_directory.h"

namespace g8ufs {
namespace {

// The system's headers are older than the call; its number is the same on every architecture.
constexpr long kCacheStat = 451;

struct CacheRange {
  uint64_t offset;
  uint64_t length;
};

struct CacheState {
  uint64_t cached;
  uint64_t dirty;
  uint64_t writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};

uint64_t PageSize() {
  static const auto size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

bool IsInMemory(int fd, int64_t offset, size_t count) {
  const uint64_t page_size = PageSize();
  CacheRange range = {static_cast<uint64_t>(offset), count};
  CacheState state = {};
  if (::syscall(kCacheStat, fd, &range, &state, 0) != 0) {
    // Linux before 6.5, or a filter of system calls (of a container runtime, of systemd) that is older than that.
    const bool lacks_call = errno == ENOSYS || errno == EPERM;
    return lacks_call && IsResident(fd, offset, count);
  }
  const uint64_t end = range.offset + count;
  return state.cached >= (end + page_size - 1) / page_size - range.offset / page_size;
}

}  // namespace

bool IsResident(int fd, int64_t offset, size_t count) {
  struct stat file;
  // The kernel says of a file of somebody else that all of it is.
  if (::fstat(fd, &file) != 0 || (file.st_uid != ::geteuid() && ::geteuid() != 0)) return false;
  const uint64_t page_size = PageSize();
  const auto begin = static_cast<uint64_t>(offset) / page_size * page_size;
  const size_t size = static_cast<uint64_t>(offset) + count - begin;
  void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
  if (map == MAP_FAILED) return false;
  std::vector<unsigned char> pages((size + page_size - 1) / page_size);
  const bool is_known = ::mincore(map, size, pages.data()) == 0;
  ::munmap(map, size);
  return is_known && std::ranges::all_of(pages, [](unsigned char page) { return (page & 1) != 0; });
}

Status OpenCachedChunk(const std::string& root, const std::string& id, size_t size_max,
                       CachedChunk& chunk) {
  if (!IsChunkId(id)) return Status(Code::ERR_USAGE, "A chunk's name is no id");
  const std::string path = root + "/" + ChunkPathOf(id);
  open_how how = {};
  // O_NONBLOCK: a FIFO would wait for its writer. RESOLVE_CACHED: a name that is not known would for the disk.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_CACHED;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  struct stat file;
  if (!fd.ok() || ::fstat(fd.get(), &file) != 0) return {};
  if (!S_ISREG(file.st_mode) || file.st_size <= 0) return {};
  const auto size = static_cast<size_t>(file.st_size);
  if (size > size_max || !IsInMemory(fd.get(), 0, size)) return {};
  chunk.fd = std::move(fd);
  chunk.size = size;
  chunk.modified_ms = int64_t{file.st_mtim.tv_sec} * 1000 + file.st_mtim.tv_nsec / 1000000;
  return {};
}

Status SendFile(int socket, int fd, int64_t offset, size_t count, size_t& sent) {
  sent = 0;
  if (count == 0 || !IsInMemory(fd, offset, count)) return {};
  while (sent < count) {
    off_t at = offset + static_cast<off_t>(sent);
    const ssize_t part = ::sendfile(socket, fd, &at, count - sent);
    if (part > 0) {
      sent += static_cast<size_t>(part);
    } else if (part == 0) {
      return Status(Code::ERR_IO, "The file is shorter than it was");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {};
    } else if (errno != EINTR) {
      return Status::FromErrno("sendfile", errno);
    }
  }
  return {};
}

}  // namespace g8ufs
