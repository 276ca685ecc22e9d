#include "layers/settle_upper.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/unique_fd.h"

namespace g8ufs {
namespace {

constexpr int kDepthMax = 256;
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr char kMetacopy[] = "trusted.overlay.metacopy";
constexpr char kOrigin[] = "trusted.overlay.origin";

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

Status Fail(const std::string& what, const std::string& name, int error) {
  return Status::FromErrno(name + " " + what, error);
}

// One that is no folder; `path` is its place in the upper folder.
Status SettleFile(const std::string& path, int merged, const std::string& name) {
  if (::lgetxattr(path.c_str(), kMetacopy, nullptr, 0) >= 0) {
    const UniqueFd file(
        ::openat(merged, name.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.ok()) return Fail("cannot get its contents", name, errno);
  }
  if (::lremovexattr(path.c_str(), kOrigin) == 0) return {};
  // Some of these have none, or are of a kind that can have none.
  if (errno == ENODATA || errno == EOPNOTSUPP || errno == EPERM) return {};
  return Fail("cannot be settled", name, errno);
}

Status SettleFolder(UniqueFd upper, UniqueFd merged, int depth) {
  if (depth > kDepthMax) return {Code::ERR_IO, "Folders are too deep to be settled"};
  const std::string prefix = "/proc/self/fd/" + std::to_string(upper.get()) + "/";
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(upper.get()));
  if (dir == nullptr) return Fail("cannot be read", "A folder", errno);
  const int folder = upper.Release();
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) return errno == 0 ? Status() : Fail("cannot be read", "A folder", errno);
    const std::string name(entry->d_name);
    if (name == "." || name == "..") continue;
    struct stat status {};
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Fail("cannot be looked at", name, errno);
    }
    Status settled;
    if (!S_ISDIR(status.st_mode)) {
      settled = SettleFile(prefix + name, merged.get(), name);
    } else {
      UniqueFd next(::openat(folder, name.c_str(), kFolder));
      UniqueFd shown(::openat(merged.get(), name.c_str(), kFolder));
      if (!next.ok() || !shown.ok()) return Fail("cannot be opened", name, errno);
      settled = SettleFolder(std::move(next), std::move(shown), depth + 1);
    }
    if (!settled.ok()) return settled;
  }
}

}  // namespace

Status SettleUpper(const std::string& upper, const std::string& merged) {
  UniqueFd from(::open(upper.c_str(), kFolder));
  UniqueFd to(::open(merged.c_str(), kFolder));
  if (!from.ok() || !to.ok()) return Fail("cannot be opened", "The upper folder", errno);
  return SettleFolder(std::move(from), std::move(to), 0);
}

}  // namespace g8ufs
