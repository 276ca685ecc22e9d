// Mounts and unmounts: mount(2) where that is allowed, fusermount3 otherwise. Knows nothing of
// requests. Stateless; each call may run on any thread that is allowed to wait (fusermount3 is a
// process). Nothing here looks into the mount: its own server would have to answer.
#ifndef G8UFS_NATIVE_FUSE_MOUNT_H_
#define G8UFS_NATIVE_FUSE_MOUNT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "fuse/device.h"

namespace g8ufs::fuse {

// Type shown in /proc/mounts.
inline constexpr char kFilesystemType[] = "fuse.g8ufs";

struct MountOptions {
  std::string mount_point;
  std::string source;
  bool allow_other = false;
  uint32_t root_mode = 0;  // st_mode of the root directory
  size_t max_read_bytes = 0;
};

struct Mounted {
  std::string path;  // absolute, without symlinks
  Device device;
  uint32_t device_minor = 0;  // of st_dev; the major number is 0
  bool by_helper = false;     // fusermount3 made it and has to undo it
};

// Mounts read-only. As root setuid programs and device nodes of the image work (containers need
// both); fusermount3 always adds nosuid and nodev.
//
// ERR_NO_FUSE (no device, no helper), ERR_PERMISSION, ERR_NO_INPUT (mount point absent), ERR_MOUNT.
Status Mount(const MountOptions& options, Mounted* mounted);

enum class UnmountMode {
  kIfIdle,  // fails with ERR_MOUNT and errno EBUSY while files are open
  kLazy,    // detaches now; the connection ends when the last file is closed
};

// Undoes Mount. Success when somebody else has unmounted it already; a mount of somebody else at
// the same place is left alone.
Status Unmount(const std::string& path, uint32_t device_minor, bool by_helper, UnmountMode mode);

// Sets the readahead of a mount through sysfs; the kernel only ever lowers it in the handshake.
// Returns 0 or an errno: it needs root, and without it the mount works at 128 KiB.
int SetReadahead(uint32_t device_minor, size_t bytes);

// Minor device number of the topmost mount at `path` in the text of /proc/self/mountinfo, when
// that mount is ours by type and anonymous (major 0).
std::optional<uint32_t> FindMount(std::string_view mountinfo, std::string_view path);

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_MOUNT_H_
