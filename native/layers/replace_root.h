// Another root for the processes of a mount namespace, while they are there.
#ifndef G8UFS_NATIVE_LAYERS_REPLACE_ROOT_H_
#define G8UFS_NATIVE_LAYERS_REPLACE_ROOT_H_

#include <string>
#include <vector>

#include "base/status.h"

namespace g8ufs {

struct ReplaceRootOptions {
  // The namespace, as /proc/<pid>/ns/mnt or /proc/self/fd/<open descriptor of it>; its processes must not run meanwhile.
  std::string name_space;
  // A mount of this process's namespace, which stays there as well.
  std::string root;
  // Mount points directly below the old root that come along, as the namespace sees them: absolute, each once.
  std::vector<std::string> carried;
};

// Every process whose root or working directory is the old root gets the new one; what they have open stays as it is,
// and so do working directories further down. On failure everything is as before, unless the message says that something
// cannot be taken back: then the old root is still theirs, without that. A process that dies in the middle of it leaves the
// namespace as it is at that moment. Any thread; needs root.
// ERR_NO_INPUT when the namespace or the mount is gone or the new root has no place for what is carried;
// ERR_PERMISSION, ERR_MOUNT.
Status ReplaceRoot(const ReplaceRootOptions& options);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_LAYERS_REPLACE_ROOT_H_
