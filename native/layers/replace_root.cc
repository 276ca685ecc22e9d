#include "layers/replace_root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <thread>

#include "base/unique_fd.h"

namespace g8ufs {
namespace {

// From linux/mount.h and linux/openat2.h, which do not go together with older C libraries' sys/mount.h.
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kOpenTreeCloexec = O_CLOEXEC;
constexpr unsigned kMoveFromEmptyPath = 0x4;
constexpr unsigned kMoveToEmptyPath = 0x40;
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

Status Fail(const std::string& what, int error) {
  return Status::FromErrno(CodeOfErrno(error, Code::ERR_MOUNT), what, error);
}

// What is at a path of a root that is not this thread's own: links end inside of it.
UniqueFd OpenIn(int root, const std::string& path) {
  const OpenHow how{O_PATH | O_CLOEXEC, 0, kResolveInRoot | kResolveNoMagicLinks};
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

Status Carry(int from, int to, const std::string& path) {
  const UniqueFd mount = OpenIn(from, path);
  const UniqueFd place = OpenIn(to, path);
  if (!mount.ok() || !place.ok()) return Fail(path + " is not in the new root", errno);
  if (::syscall(SYS_move_mount, mount.get(), "", place.get(), "",
                kMoveFromEmptyPath | kMoveToEmptyPath) != 0) {
    return Fail(path + " cannot come along into the new root", errno);
  }
  return {};
}

// In the namespace, with a root of its own: `tree` is the new one, mounted nowhere yet.
Status Exchange(int tree, const std::vector<std::string>& carried) {
  const UniqueFd old(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!old.ok()) return Fail("The old root cannot be opened", errno);
  if (::syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", kMoveFromEmptyPath) != 0) {
    return Fail("The new root cannot be mounted", errno);
  }
  Status status;
  size_t done = 0;
  for (; done < carried.size(); ++done) {
    status = Carry(old.get(), tree, carried[done]);
    if (!status.ok()) break;
  }
  if (status.ok()) {
    if (::fchdir(tree) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0) {
      // It lies on the new one now, and goes when the last file of it is closed.
      if (::fchdir(old.get()) == 0 && ::umount2(".", MNT_DETACH) == 0) return {};
      return Fail("The old root cannot be detached", errno);
    }
    status = Fail("The new root cannot take the place of the old one", errno);
  }
  while (done > 0) {
    const Status back = Carry(tree, old.get(), carried[--done]);
    if (!back.ok()) return back;
  }
  if (::fchdir(tree) == 0) ::umount2(".", MNT_DETACH);
  return status;
}

Status ReplaceRootHere(const ReplaceRootOptions& options) {
  const UniqueFd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, options.root.c_str(),
                                                 kOpenTreeClone | kOpenTreeCloexec)));
  if (!tree.ok()) return Fail(options.root + " cannot become a root", errno);
  // What is mounted on it in there must not appear out here.
  const MountAttributes attributes{0, 0, MS_PRIVATE, 0};
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes,
                sizeof attributes) != 0) {
    return Fail(options.root + " cannot become a root", errno);
  }
  const UniqueFd name_space(::open(options.name_space.c_str(), O_RDONLY | O_CLOEXEC));
  if (!name_space.ok()) return Fail("The namespace is gone", errno);
  // Root and working directory are shared by all threads until then.
  if (::unshare(CLONE_FS) != 0 || ::setns(name_space.get(), CLONE_NEWNS) != 0) {
    return Fail("The namespace cannot be entered", errno);
  }
  return Exchange(tree.get(), options.carried);
}

}  // namespace

Status ReplaceRoot(const ReplaceRootOptions& options) {
  Status status;
  // A thread that has entered another namespace is of no use to anybody else.
  std::thread([&] { status = ReplaceRootHere(options); }).join();
  return status;
}

}  // namespace g8ufs
