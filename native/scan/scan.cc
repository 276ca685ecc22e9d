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

// For messages of one line: control characters become \xNN, other bytes stay.
std::string Printable(std::string_view path) {
  std::string text;
  for (const char character : path) {
    const auto byte = static_cast<uint8_t>(character);
    if (byte < 0x20 || byte == 0x7f) {
      text += "\\x" + ToHex({&byte, 1});
    } else {
      text.push_back(character);
    }
  }
  return text;
}

// Where a call works; makes its errors.
struct Place {
  const std::string& root;
  std::string_view path;

  std::string Name(std::string_view entry = {}) const {
    std::string name = root;
    for (const std::string_view part : {path, entry}) {
      if (!part.empty()) (name += '/') += part;
    }
    return Printable(name);
  }
  Status Fail(int error, const char* problem, std::string_view entry = {}) const {
    const std::string name = Name(entry);
    Status status = Status::FromErrno(name + " " + problem, error);
    status.WithDetail("path", name);
    return status;
  }
};

bool IsName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('\0') == name.npos;
}

// Splits off the first name of a path.
std::string_view TakeName(std::string_view& path) {
  const size_t slash = path.find('/');
  const std::string_view name = path.substr(0, slash);
  path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  return name;
}

bool IsRelativePath(std::string_view path) {
  if (path.empty()) return true;
  if (path.back() == '/') return false;
  while (!path.empty()) {
    if (!IsName(TakeName(path))) return false;
  }
  return true;
}

// Opens the directory at `path` without read permission on it, name by name: that follows no
// symlink, leaves the tree nowhere and knows no limit of length.
Status Walk(const Place& place, std::string_view path, UniqueFd& directory) {
  if (!IsRelativePath(place.path)) {
    return Status(Code::ERR_USAGE, "Path " + Printable(place.path) + " is not a path below a root");
  }
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  directory.Reset(::open(place.root.c_str(), kFlags));
  while (directory.ok() && !path.empty()) {
    const std::string name(TakeName(path));
    directory.Reset(::openat(directory.get(), name.c_str(), kFlags | O_NOFOLLOW));
  }
  return directory.ok() ? Status() : place.Fail(errno, "cannot be opened");
}

// Opens the directory that holds the path's last name; the root holds itself as `.`.
Status WalkToParent(const Place& place, UniqueFd& parent, std::string& name) {
  const size_t slash = place.path.rfind('/');
  const std::string_view above =
      slash == place.path.npos ? std::string_view() : place.path.substr(0, slash);
  name = place.path.substr(slash == place.path.npos ? 0 : slash + 1);
  if (name.empty()) name = ".";
  return Walk(place, above, parent);
}

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
  if (Status status = Walk(place, path, walked); !status.ok()) return status;
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
  if (Status status = WalkToParent(place, parent, name); !status.ok()) return status;
  const Status status = ReadEntry(parent.get(), name, entry);
  return status.ok() ? Status() : place.Fail(status.error(), "cannot be read");
}

Status OpenBeneath(const std::string& root, std::string_view path, UniqueFd& file) {
  const Place place{root, path};
  UniqueFd parent;
  std::string name;
  if (Status status = WalkToParent(place, parent, name); !status.ok()) return status;
  // O_PATH opens nothing, so that a device or a FIFO is recognised before it could notice.
  const UniqueFd found(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat attributes;
  if (!found.ok() || ::fstat(found.get(), &attributes) != 0) {
    return place.Fail(errno, "cannot be opened");
  }
  if (!S_ISREG(attributes.st_mode)) {
    Status status(Code::ERR_NO_INPUT, place.Name() + " is not a regular file");
    return status.WithDetail("path", place.Name());
  }
  const std::string same = "/proc/self/fd/" + std::to_string(found.get());
  file.Reset(::open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return file.ok() ? Status() : place.Fail(errno, "cannot be opened");
}

}  // namespace g8ufs
