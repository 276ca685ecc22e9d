#include "layers/replace_root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/unique_fd.h"
#include "layers/mount_abi.h"

namespace g8ufs {
namespace {

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
      // It lies on the new one now, where nobody sees it, and goes when the last file of it is closed. Nothing can be
      // taken back any more: a root that stays there is none that failed.
      if (::fchdir(old.get()) == 0) ::umount2(".", MNT_DETACH);
      return {};
    }
    status = Fail("The new root cannot take the place of the old one", errno);
  }
  bool is_back = true;
  while (done > 0) {
    // The others all the same.
    if (!Carry(tree, old.get(), carried[--done]).ok()) is_back = false;
  }
  if (!is_back) {
    return {status.code(), status.message() + "; what had come along cannot be taken back"};
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
