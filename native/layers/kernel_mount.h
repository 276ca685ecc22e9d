// Mounts with the kernel's own file systems: a metadata image (EROFS, straight from its file) and
// an overlay of it over data-only layers. Uses fsopen(2) and its kin, so that paths may hold any
// character and the kernel's own words say why it refused. Stateless; needs CAP_SYS_ADMIN.
#ifndef G8UFS_NATIVE_LAYERS_KERNEL_MOUNT_H_
#define G8UFS_NATIVE_LAYERS_KERNEL_MOUNT_H_

#include <string>
#include <vector>

#include "base/status.h"

namespace g8ufs {

// Mounts the EROFS image in the file `image` read-only at `target`, without a loop device (Linux
// 6.12). The image must be one that this machine has made or verified: the kernel trusts it.
//
// ERR_NO_INPUT, ERR_PERMISSION, ERR_MOUNT with the kernel's reason.
Status MountImage(const std::string& image, const std::string& target);

struct OverlayOptions {
  std::string metadata;           // mounted image: names and attributes
  std::vector<std::string> data;  // where contents are looked for, in this order
  std::string upper;              // empty for a read-only overlay
  std::string work;               // beside `upper`
  std::string source;             // shown in /proc/mounts
  std::string target;
};

// ERR_PERMISSION, ERR_MOUNT with the kernel's reason; ERR_NO_INPUT when a folder is missing.
Status MountOverlay(const OverlayOptions& options);

// umount2(2) that follows no link. ERR_MOUNT when it is busy and not `lazy`; success when nothing
// is mounted there.
Status UnmountPath(const std::string& path, bool lazy);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_LAYERS_KERNEL_MOUNT_H_
