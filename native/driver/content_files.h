// Opens complete content files in the cache's directory (`aa/bb/<digest>`). Stateless but for the
// directory; may be used by all threads.
#ifndef G8UFS_NATIVE_DRIVER_CONTENT_FILES_H_
#define G8UFS_NATIVE_DRIVER_CONTENT_FILES_H_

#include <sys/types.h>

#include <string>

#include "base/status.h"
#include "base/unique_fd.h"
#include "tree/mount_index.h"

namespace g8ufs {

// Tells a complete file from another one that took its place.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  bool operator==(const FileIdentity&) const = default;
};

class ContentFiles {
 public:
  // `partial` is where files are filled (`<digest>`), or empty.
  static Status Open(const std::string& directory, const std::string& partial,
                     ContentFiles* files);

  enum class Found {
    kComplete,
    kAbsent,
    // Something is there but it is not sealed: the cache marks a file as complete by the mtime
    // 1970-01-01 00:00:01, after everything else. Without that it may be anything.
    kUnsealed,
  };
  // Returns 0, or the errno of a failure that says nothing about the file (no more descriptors).
  // `identity` may be null.
  int Find(const Digest& digest, uint64_t size, Found* found, UniqueFd* file,
           FileIdentity* identity = nullptr) const;

  // The file that Find gave is still in its place and sealed. Does not wait while it is held open.
  bool IsCurrent(const Digest& digest, uint64_t size, const FileIdentity& identity) const;

  // What the partial file of a content takes on disk; 0 when there is none.
  uint64_t PartialBytes(const Digest& digest) const;

 private:
  UniqueFd directory_;
  UniqueFd partial_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_CONTENT_FILES_H_
