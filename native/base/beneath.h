// Paths below a root folder: bytes, of any length, walked name by name so that no symlink is followed
// and nothing outside the root is ever reached. Scanning and restoring share this. Any thread.
#ifndef G8UFS_NATIVE_BASE_BENEATH_H_
#define G8UFS_NATIVE_BASE_BENEATH_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/unique_fd.h"

namespace g8ufs {

// Bytes for a message of one line: control characters become \xNN, all others stay.
std::string Printable(std::string_view text);

// `root` is any path to a directory, reached as usual; `path` is relative to it, made of names
// between single slashes, without `.` and `..`; empty is the root itself.
struct Place {
  const std::string& root;
  std::string_view path;

  // The full path, or that of an entry of it, printable.
  std::string Name(std::string_view entry = {}) const;

  // `<name> <problem>: <text of errno>` with the detail `path`; the code is that of CodeOfErrno.
  Status Fail(int error, const std::string& problem, std::string_view entry = {}) const;
  Status Fail(Code code, int error, const std::string& problem, std::string_view entry = {}) const;

  // A failure without an errno.
  Status Fail(Code code, const std::string& problem) const;
};

// Opens the directory at the path, for walking on only: that needs no read permission on it.
// ERR_USAGE for a malformed path; ERR_NO_INPUT when a component is absent, a symlink or no directory.
Status OpenDirectory(const Place& place, UniqueFd& directory);

// Opens the directory that holds the path's last name, which is `.` for the root itself. Fails as
// OpenDirectory does; the last name is not looked at.
Status OpenParent(const Place& place, UniqueFd& parent, std::string& name);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BASE_BENEATH_H_
