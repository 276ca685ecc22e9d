// MappedFile: a file mapped read-only for its whole life. ResidencyLimit keeps what such mappings
// hold in memory below a bound.
//
// A mapped file must not be truncated while it is in use (the process would get SIGBUS): mount
// indexes are written once, under another name, and renamed into place.
#ifndef G8UFS_NATIVE_TREE_MAPPED_FILE_H_
#define G8UFS_NATIVE_TREE_MAPPED_FILE_H_

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/status.h"

namespace g8ufs {

class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Maps the whole file. ERR_NO_INPUT, ERR_PERMISSION or ERR_IO; ERR_FLIST_FORMAT when it is empty.
  Status Open(const std::string& path);

  ByteSpan bytes() const { return bytes_; }
  int fd() const { return fd_; }

 private:
  ByteSpan bytes_;
  int fd_ = -1;
};

// One per process, shared by all mappings.
//
// A walk over a million inodes touches every page of the index once (about 100 MiB); the kernel
// would count them to this process for as long as nothing else needs the memory. Dropping the
// page-table entries costs a soft fault per page that is used again and no disk read, for the page
// cache keeps the pages. What /proc/self/statm calls shared also holds the executable and its
// libraries (some 50 MiB for Node), which no madvise of ours can change: the measure is therefore
// the growth since the last drop.
class ResidencyLimit {
 public:
  static ResidencyLimit& Instance();

  // Counts one visit of an index, per thread. Each may bring in 64 KiB at worst (the kernel maps 16
  // cached pages around a fault), so a check every kVisitsPerCheck visits overshoots by 16 MiB per
  // thread at the very worst and next to nothing in a walk.
  void CountVisit() {
    thread_local uint32_t visits = 0;
    if (++visits % kVisitsPerCheck == 0) Check();
  }

  void Add(ByteSpan mapping) EXCLUDES_LOCK(mutex_);
  void Remove(ByteSpan mapping) EXCLUDES_LOCK(mutex_);

 private:
  static constexpr uint32_t kVisitsPerCheck = 256;
  static constexpr size_t kGrowthBytesMax = size_t{16} << 20;

  void Check() EXCLUDES_LOCK(mutex_);

  Mutex mutex_;
  std::vector<ByteSpan> mappings_ GUARDED_BY(mutex_);
  size_t resident_after_drop_ GUARDED_BY(mutex_) = 0;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_TREE_MAPPED_FILE_H_
