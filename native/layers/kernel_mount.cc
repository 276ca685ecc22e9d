#include "layers/kernel_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/unique_fd.h"
#include "layers/mount_abi.h"

namespace g8ufs {
namespace {

// A file system in the making. The first failure stays; what follows it does nothing.
class MountContext {
 public:
  explicit MountContext(const char* type) : type_(type) {
    fd_.Reset(static_cast<int>(::syscall(SYS_fsopen, type, kFsopenCloexec)));
    if (!fd_.ok()) Fail(errno);
  }

  void Set(const char* key, const std::string& value) {
    Configure(kFsconfigSetString, key, value.c_str());
  }
  void SetFlag(const char* key) { Configure(kFsconfigSetFlag, key, nullptr); }

  Status MountAt(const std::string& target, unsigned attributes) {
    Configure(kFsconfigCreate, nullptr, nullptr);
    if (!status_.ok()) return status_;
    const UniqueFd mount(
        static_cast<int>(::syscall(SYS_fsmount, fd_.get(), kFsmountCloexec, attributes)));
    if (!mount.ok()) return Fail(errno);
    if (::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, target.c_str(), kMoveFromEmptyPath) !=
        0) {
      return Status::FromErrno(CodeOfErrno(errno, Code::ERR_MOUNT),
                               "Mount point " + target + " cannot be used", errno);
    }
    return {};
  }

 private:
  void Configure(unsigned command, const char* key, const char* value) {
    if (!status_.ok()) return;
    if (::syscall(SYS_fsconfig, fd_.get(), command, key, value, 0) == 0) return;
    const int error = errno;
    Fail(error, key == nullptr ? "" : std::string(" (") + key + ")");
  }

  const Status& Fail(int error, const std::string& where = "") {
    const std::string reason = KernelReason();
    const std::string context = "Mount of type " + type_ + where;
    status_ = Status::FromErrno(CodeOfErrno(error, Code::ERR_MOUNT),
                                reason.empty() ? context : context + ": " + reason, error);
    return status_;
  }

  // The last thing the kernel has said about this context, without its severity.
  std::string KernelReason() const {
    std::string reason;
    if (!fd_.ok()) return reason;
    std::array<char, 512> line;
    while (true) {
      const ssize_t size = ::read(fd_.get(), line.data(), line.size());
      if (size <= 2) return reason;
      reason.assign(line.data() + 2, static_cast<size_t>(size) - 2);
      while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    }
  }

  const std::string type_;
  UniqueFd fd_;
  Status status_;
};

}  // namespace

Status MountImage(const std::string& image, const std::string& target) {
  MountContext context("erofs");
  context.Set("source", image);
  context.SetFlag("ro");
  return context.MountAt(target, kAttrReadOnly);
}

Status MountOverlay(const OverlayOptions& options) {
  MountContext context("overlay");
  context.Set("source", options.source);
  context.Set("lowerdir+", options.metadata);
  for (const std::string& folder : options.data) context.Set("datadir+", folder);
  // The image's contents are found by it, whatever the kernel's defaults are.
  context.Set("metacopy", "on");
  // Both exclude metacopy, and a kernel may be built with either as its default.
  context.Set("index", "off");
  context.Set("nfs_export", "off");
  const bool writable = !options.upper.empty();
  if (writable) {
    context.Set("redirect_dir", "on");
    context.Set("upperdir", options.upper);
    context.Set("workdir", options.work);
  }
  return context.MountAt(options.target, writable ? 0 : kAttrReadOnly);
}

Status UnmountPath(const std::string& path, bool lazy) {
  const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
  if (::umount2(path.c_str(), flags) == 0 || errno == EINVAL || errno == ENOENT) return {};
  return Status::FromErrno(errno == EPERM ? Code::ERR_PERMISSION : Code::ERR_MOUNT,
                           path + " cannot be unmounted", errno);
}

}  // namespace g8ufs
