// Constants and structures of the kernel's mount calls. From linux/mount.h and linux/openat2.h, which do not go together
// with older C libraries' sys/mount.h.
#ifndef G8UFS_NATIVE_LAYERS_MOUNT_ABI_H_
#define G8UFS_NATIVE_LAYERS_MOUNT_ABI_H_

#include <fcntl.h>

#include <cstdint>

namespace g8ufs {

constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsconfigSetFlag = 0;
constexpr unsigned kFsconfigSetString = 1;
constexpr unsigned kFsconfigCreate = 6;
constexpr unsigned kFsmountCloexec = 1;
constexpr unsigned kAttrReadOnly = 1;
constexpr unsigned kMoveFromEmptyPath = 0x4;
constexpr unsigned kMoveToEmptyPath = 0x40;
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kOpenTreeCloexec = O_CLOEXEC;

struct MountAttributes {
  uint64_t set;
  uint64_t clear;
  uint64_t propagation;
  uint64_t user_namespace;
};

struct OpenHow {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
constexpr uint64_t kResolveInRoot = 0x10;
constexpr uint64_t kResolveNoMagicLinks = 0x02;

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_LAYERS_MOUNT_ABI_H_
