// Makes an entry's extended attributes exactly those of a list. Any thread; needs /proc.
#ifndef G8UFS_NATIVE_RESTORE_SET_XATTRS_H_
#define G8UFS_NATIVE_RESTORE_SET_XATTRS_H_

#include <string>
#include <vector>

#include "scan/scan.h"

namespace g8ufs {

// `path` names the entry by descriptor (/proc/self/fd/N). Attributes that are not in the list are
// removed, except those that the system gives by itself and does not let go, such as a security
// module's label. The result is 0, or the errno that setting or removing the attribute `failed` ended
// with.
int SetXattrs(const std::string& path, const std::vector<ScannedXattr>& xattrs,
              std::string& failed);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_RESTORE_SET_XATTRS_H_
