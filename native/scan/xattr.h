// Extended attributes of an entry of an open directory, symlinks' own ones included. Any thread;
// needs /proc. One buffer per thread.
#ifndef G8UFS_NATIVE_SCAN_XATTR_H_
#define G8UFS_NATIVE_SCAN_XATTR_H_

#include <vector>

#include "scan/scan.h"

namespace g8ufs {

// Reads all xattrs of `name` (`.` for the directory itself), sorted by name in byte order. A
// filesystem without xattrs has none. Fails with the errno of the system call: ENOENT when the
// entry is gone.
Status ReadXattrs(int directory, const std::string& name, std::vector<ScannedXattr>& xattrs);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_SCAN_XATTR_H_
