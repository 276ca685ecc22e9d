// Writes trees below a root folder: the reverse of scan/. Paths are those of base/beneath.h, so
// symlinks are never followed and nothing lands outside the root, whatever lies there. Any thread.
//
// Errors, unless said otherwise: ERR_CREATE, ERR_PERMISSION, ERR_CACHE_FULL when there is no room,
// ERR_IO when the disk fails, ERR_USAGE for a malformed path; all with the path in the message and in
// the detail `path`.
#ifndef G8UFS_NATIVE_RESTORE_RESTORE_H_
#define G8UFS_NATIVE_RESTORE_RESTORE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "scan/scan.h"

namespace g8ufs {

struct RestoredEntry {
  // Only the type counts: directory, symlink, device, fifo or socket.
  mode_t mode = 0;
  // Symlinks only, without NUL.
  std::string target;
  // Devices only.
  uint32_t rdev_major = 0;
  uint32_t rdev_minor = 0;
};

// Makes an entry that only its owner may use until its attributes are set. A directory that is there
// is taken; anything else that is there is ERR_CREATE. ERR_USAGE for regular files.
Status RestoreEntry(const std::string& root, std::string_view path, const RestoredEntry& entry);

// Makes a regular file of `size` zeros, all of it a hole, with mode 0600, open for writing.
Status RestoreFile(const std::string& root, std::string_view path, int64_t size, UniqueFd& file);

// Gives an entry that is no directory a second name.
Status RestoreLink(const std::string& root, std::string_view existing, std::string_view path);

struct RestoredAttributes {
  // Only the permission bits count; symlinks have none.
  mode_t mode = 0;
  // Unchanged when absent.
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  int64_t mtime_seconds = 0;
  uint32_t mtime_nanoseconds = 0;
  // All that the entry shall have; unchanged when absent.
  std::optional<std::vector<ScannedXattr>> xattrs;
};

// Sets what is left of an entry: owner, xattrs, mode, time, in this order, because each may clear or
// forbid those before. The time of access stays.
Status RestoreAttributes(const std::string& root, std::string_view path,
                         const RestoredAttributes& attributes);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_RESTORE_RESTORE_H_
