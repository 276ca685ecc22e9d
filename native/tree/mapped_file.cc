#include "tree/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace g8ufs {
namespace {

// File-backed and shared memory of this process in bytes, 0 when it cannot be told.
size_t SharedBytes() {
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 128> text{};
  const ssize_t count = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  size_t size = 0;
  size_t resident = 0;
  size_t shared = 0;
  if (count <= 0 || std::sscanf(text.data(), "%zu %zu %zu", &size, &resident, &shared) != 3) {
    return 0;
  }
  return shared * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

MappedFile::~MappedFile() {
  if (!bytes_.empty()) {
    ResidencyLimit::Instance().Remove(bytes_);
    ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
  }
  if (fd_ >= 0) ::close(fd_);
}

Status MappedFile::Open(const std::string& path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return Status::FromErrno(path + " cannot be opened", errno);
  struct stat attributes {};
  if (::fstat(fd_, &attributes) != 0) {
    return Status::FromErrno(path + " cannot be read", errno);
  }
  if (!S_ISREG(attributes.st_mode) || attributes.st_size <= 0) {
    return Status(Code::ERR_FLIST_FORMAT, path + " is empty or no regular file");
  }
  const auto size = static_cast<size_t>(attributes.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) return Status::FromErrno(path + " cannot be mapped", errno);
  bytes_ = {static_cast<const uint8_t*>(memory), size};
  ResidencyLimit::Instance().Add(bytes_);
  return {};
}

ResidencyLimit& ResidencyLimit::Instance() {
  static ResidencyLimit limit;
  return limit;
}

void ResidencyLimit::Add(ByteSpan mapping) {
  MutexLock lock(mutex_);
  if (mappings_.empty()) resident_after_drop_ = SharedBytes();
  mappings_.push_back(mapping);
}

void ResidencyLimit::Remove(ByteSpan mapping) {
  MutexLock lock(mutex_);
  std::erase_if(mappings_, [&](ByteSpan other) { return other.data() == mapping.data(); });
}

void ResidencyLimit::Check() {
  MutexLock lock(mutex_);
  const size_t resident = SharedBytes();
  if (resident < resident_after_drop_) resident_after_drop_ = resident;
  if (resident - resident_after_drop_ <= kGrowthBytesMax) return;
  for (const ByteSpan mapping : mappings_) {
    ::madvise(const_cast<uint8_t*>(mapping.data()), mapping.size(), MADV_DONTNEED);
  }
  resident_after_drop_ = SharedBytes();
}

}  // namespace g8ufs
