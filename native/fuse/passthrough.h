// BackingId: a file registered with the kernel, so that reads of a FUSE inode go straight to it.
// Needs CAP_SYS_ADMIN, a connection with kPassthrough, and a file system that is not stacked
// itself.
//
// An id belongs to the connection, not to the descriptor. Closing it while the inode is open is
// harmless (the kernel holds the file), but a second id for an inode that is still open makes the
// kernel refuse the open: one inode, one id, until its last RELEASE.
#ifndef G8UFS_NATIVE_FUSE_PASSTHROUGH_H_
#define G8UFS_NATIVE_FUSE_PASSTHROUGH_H_

#include <cstdint>
#include <utility>

#include "fuse/device.h"

namespace g8ufs::fuse {

// Movable owner of one id. The device outlives it.
class BackingId {
 public:
  BackingId() = default;
  BackingId(BackingId&& other) noexcept
      : device_(std::exchange(other.device_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  BackingId& operator=(BackingId&& other) noexcept;
  BackingId(const BackingId&) = delete;
  BackingId& operator=(const BackingId&) = delete;
  ~BackingId() { Close(); }

  // Registers `fd`, which may be closed afterwards. Returns 0 or an errno: EPERM (no privilege),
  // ELOOP (stacked file system), EOPNOTSUPP (a file that cannot be read this way).
  static int Open(const Device& device, int fd, BackingId* id);
  // Takes over an id of this connection that a predecessor has registered. REQUIRES: id > 0.
  static BackingId Adopt(const Device& device, int32_t id) {
    BackingId adopted;
    adopted.device_ = &device;
    adopted.id_ = id;
    return adopted;
  }

  // Above 0 when registered.
  int32_t id() const { return id_; }
  bool ok() const { return id_ > 0; }
  void Close();
  // Leaves it to the connection.
  void Release() { id_ = 0; }

 private:
  const Device* device_ = nullptr;
  int32_t id_ = 0;
};

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_PASSTHROUGH_H_
