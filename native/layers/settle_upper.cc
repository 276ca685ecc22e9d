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

class Walk {
 public:
  explicit Walk(const SettleOptions& options)
      : live_(options.live), end_(std::chrono::steady_clock::now() + options.timeout) {}

  Status Folder(UniqueFd upper, const UniqueFd& merged, int depth) const;

 private:
  Status Entry(int folder, int merged, const std::string& name, int depth) const;
  Status File(const std::string& path, int merged, const std::string& name) const;

  const bool live_;
  const std::chrono::steady_clock::time_point end_;
};

// Opens it for writing. Looked at before: what is there now may be a device.
Status CopyUp(int merged, const std::string& name) {
  const UniqueFd found(::openat(merged, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!found.ok() || ::fstat(found.get(), &status) != 0) {
    return Fail("cannot get its contents", name, errno);
  }
  if (!S_ISREG(status.st_mode)) return {Code::ERR_IO, name + " is no file any more"};
  const std::string path = "/proc/self/fd/" + std::to_string(found.get());
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  return file.ok() ? Status() : Fail("cannot get its contents", name, errno);
}

// One that is no folder; `path` is its place in the upper folder.
Status Walk::File(const std::string& path, int merged, const std::string& name) const {
  if (::lgetxattr(path.c_str(), kMetacopy, nullptr, 0) >= 0) {
    const Status copied = CopyUp(merged, name);
    if (!copied.ok()) return copied;
  }
  if (live_) return {};
  if (::lremovexattr(path.c_str(), kOrigin) == 0) return {};
  // Some of these have none, or are of a kind that can have none.
  if (errno == ENODATA || errno == EOPNOTSUPP || errno == EPERM) return {};
  return Fail("cannot be settled", name, errno);
}

Status Walk::Entry(int folder, int merged, const std::string& name, int depth) const {
  struct stat status {};
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Fail("cannot be looked at", name, errno);
  }
  if (!S_ISDIR(status.st_mode)) {
    return File("/proc/self/fd/" + std::to_string(folder) + "/" + name, merged, name);
  }
  UniqueFd next(::openat(folder, name.c_str(), kFolder));
  const UniqueFd shown(::openat(merged, name.c_str(), kFolder));
  if (!next.ok() || !shown.ok()) return Fail("cannot be opened", name, errno);
  return Folder(std::move(next), shown, depth + 1);
}

Status Walk::Folder(UniqueFd upper, const UniqueFd& merged, int depth) const {
  if (depth > kDepthMax) return {Code::ERR_IO, "Folders are too deep to be settled"};
  const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(upper.get()));
  if (dir == nullptr) return Fail("cannot be read", "A folder", errno);
  const int folder = upper.Release();
  while (true) {
    if (std::chrono::steady_clock::now() > end_) {
      return {Code::ERR_TIMEOUT, "What was written takes too long to be settled"};
    }
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) return errno == 0 ? Status() : Fail("cannot be read", "A folder", errno);
    const std::string name(entry->d_name);
    if (name == "." || name == "..") continue;
    const Status settled = Entry(folder, merged.get(), name, depth);
    const bool is_left = live_ && settled.code() != Code::ERR_TIMEOUT;
    if (!settled.ok() && !is_left) return settled;
  }
}

}  // namespace

Status SettleUpper(const SettleOptions& options) {
  UniqueFd from(::open(options.upper.c_str(), kFolder));
  const UniqueFd to(::open(options.merged.c_str(), kFolder));
  if (!from.ok() || !to.ok()) return Fail("cannot be opened", "The upper folder", errno);
  return Walk(options).Folder(std::move(from), to, 0);
}

}  // namespace g8ufs
