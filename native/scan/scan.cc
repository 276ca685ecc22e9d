#include "scan/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "scan/xattr.h"

namespace g8ufs {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Status ReadTarget(int directory, const std::string& name, std::string& target) {
  // A target has at most PATH_MAX - 1 bytes: filling the buffer means that it was cut off.
  char buffer[PATH_MAX];
  const ssize_t size = ::readlinkat(directory, name.c_str(), buffer, sizeof buffer);
  if (size < 0) return Status::FromErrno("target", errno);
  if (size == sizeof buffer) return Status::FromErrno("target", ENAMETOOLONG);
  target.assign(buffer, static_cast<size_t>(size));
  return {};
}

// Everything about `name` in an open directory. The status carries the errno only.
Status ReadEntry(int directory, const std::string& name, ScannedEntry& entry) {
  if (::fstatat(directory, name.c_str(), &entry.attributes,
                AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
    return Status::FromErrno("attributes", errno);
  }
  if (S_ISLNK(entry.attributes.st_mode)) {
    if (Status status = ReadTarget(directory, name, entry.target); !status.ok()) return status;
  }
  return ReadXattrs(directory, name, entry.xattrs);
}

bool Exists(int directory, const std::string& name) {
  struct stat attributes;
  return ::fstatat(directory, name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) == 0 ||
         errno != ENOENT;
}

Status ReadNames(const Place& place, DIR* directory, std::vector<std::string>& names) {
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(directory);
    if (found == nullptr) break;
    std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == kDirectoryEntriesMax) return place.Fail(EFBIG, "has too many entries");
    names.emplace_back(name);
  }
  if (errno != 0) return place.Fail(errno, "cannot be read");
  // std::string compares as memcmp does: char_traits<char> orders bytes as unsigned.
  std::ranges::sort(names);
  return {};
}

}  // namespace

Status ScanDirectory(const std::string& root, std::string_view path,
                     std::vector<ScannedEntry>& entries) {
  const Place place{root, path};
  UniqueFd walked;
  if (Status status = OpenDirectory(place, walked); !status.ok()) return status;
  UniqueFd readable(::openat(walked.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable.ok()) return place.Fail(errno, "cannot be opened");
  const Directory directory(::fdopendir(readable.get()));
  if (directory == nullptr) return place.Fail(errno, "cannot be opened");
  const int fd = readable.Release();  // closed with `directory`

  std::vector<std::string> names;
  if (Status status = ReadNames(place, directory.get(), names); !status.ok()) return status;
  entries.clear();
  entries.reserve(names.size());
  for (std::string& name : names) {
    ScannedEntry entry;
    const Status status = ReadEntry(fd, name, entry);
    // ENOENT also means that /proc is not there: then the entry still is.
    if (status.error() == ENOENT && !Exists(fd, name)) continue;
    if (!status.ok()) return place.Fail(status.error(), "cannot be read", name);
    entry.name = std::move(name);
    entries.push_back(std::move(entry));
  }
  return {};
}

Status ScanEntry(const std::string& root, std::string_view path, ScannedEntry& entry) {
  const Place place{root, path};
  UniqueFd parent;
  std::string name;
  if (Status status = OpenParent(place, parent, name); !status.ok()) return status;
  const Status status = ReadEntry(parent.get(), name, entry);
  return status.ok() ? Status() : place.Fail(status.error(), "cannot be read");
}

Status OpenBeneath(const std::string& root, std::string_view path, UniqueFd& file) {
  const Place place{root, path};
  UniqueFd parent;
  std::string name;
  if (Status status = OpenParent(place, parent, name); !status.ok()) return status;
  return OpenFileAt(place, parent.get(), name, file);
}

Status OpenFileAt(const Place& place, int parent, const std::string& name, UniqueFd& file) {
  // O_PATH opens nothing, so that a device or a FIFO is recognised before it could notice.
  const UniqueFd found(::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat attributes;
  if (!found.ok() || ::fstat(found.get(), &attributes) != 0) {
    return place.Fail(errno, "cannot be opened");
  }
  if (!S_ISREG(attributes.st_mode)) {
    return place.Fail(Code::ERR_NO_INPUT, "is not a regular file");
  }
  const std::string same = "/proc/self/fd/" + std::to_string(found.get());
  file.Reset(::open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return file.ok() ? Status() : place.Fail(errno, "cannot be opened");
}

}  // namespace g8ufs
