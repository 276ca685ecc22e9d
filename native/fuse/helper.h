// Runs fusermount3, the setuid helper that mounts for users. An argument array, never a shell.
#ifndef G8UFS_NATIVE_FUSE_HELPER_H_
#define G8UFS_NATIVE_FUSE_HELPER_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace g8ufs::fuse {

// Runs the helper with these arguments; when `device` is given, receives the device descriptor that
// it opens. ERR_NO_FUSE when there is no helper, ERR_MOUNT with its own words when it fails or
// does not end in time.
Status RunHelper(const std::vector<std::string>& arguments, UniqueFd* device);

// A value for the helper's -o list: commas and backslashes are escaped.
std::string EscapeOption(const std::string& value);

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_HELPER_H_
