// Reads source trees for packing: attributes, targets and xattrs of entries, directories in byte
// order, files for reading. Symlinks below the root are never followed and nothing but directories
// and regular files is ever opened. Paths may be longer than PATH_MAX. Any thread.
#ifndef G8UFS_NATIVE_SCAN_SCAN_H_
#define G8UFS_NATIVE_SCAN_SCAN_H_

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/beneath.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace g8ufs {

// Entries of one directory: the inode table of an image numbers all its inodes with 32 bits, and
// memory for this many is still below 2 GiB.
inline constexpr size_t kDirectoryEntriesMax = size_t{1} << 22;

struct ScannedXattr {
  std::string name;
  std::string value;
};

struct ScannedEntry {
  std::string name;
  struct stat attributes = {};
  // Symlinks only.
  std::string target;
  // Sorted by name in byte order.
  std::vector<ScannedXattr> xattrs;
};

// `root` is any path to a directory; `path` is relative to it, made of names between single
// slashes, without `.` and `..`; empty is the root itself.
//
// Errors: ERR_NO_INPUT (absent, or a component is no directory), ERR_PERMISSION, ERR_IO, ERR_USAGE
// for a malformed path; all with the path in the message and in the detail `path`.

// Entries without `.` and `..`. An entry that vanishes meanwhile is left out.
Status ScanDirectory(const std::string& root, std::string_view path,
                     std::vector<ScannedEntry>& entries);

// The entry itself; its name stays empty.
Status ScanEntry(const std::string& root, std::string_view path, ScannedEntry& entry);

// Opens a regular file for reading. ERR_NO_INPUT when the path names anything else.
Status OpenBeneath(const std::string& root, std::string_view path, UniqueFd& file);

// The same for `name` in its open directory `parent`; `place` is for messages.
Status OpenFileAt(const Place& place, int parent, const std::string& name, UniqueFd& file);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_SCAN_SCAN_H_
