#include "restore/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/beneath.h"
#include "restore/set_xattrs.h"

namespace g8ufs {
namespace {

constexpr mode_t kPermissions = 07777;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

// What is missing or in the way is no input here but an output that cannot be made.
Status Fail(const Place& place, int error, const std::string& problem) {
  Code code = CodeOfErrno(error, Code::ERR_CREATE);
  if (code == Code::ERR_NO_INPUT) code = Code::ERR_CREATE;
  if (error == EIO) code = Code::ERR_IO;
  return place.Fail(code, error, problem);
}

Status OpenParentToWrite(const Place& place, UniqueFd& parent, std::string& name) {
  Status status = OpenParent(place, parent, name);
  if (status.code() != Code::ERR_NO_INPUT) return status;
  return Fail(place, status.error(), "cannot be reached");
}

bool IsDirectory(int parent, const std::string& name) {
  struct stat attributes;
  return ::fstatat(parent, name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(attributes.st_mode);
}

// The errno of the call that makes the entry, 0 when it is there.
int Make(int parent, const std::string& name, const RestoredEntry& entry) {
  int result = 0;
  switch (entry.mode & S_IFMT) {
    case S_IFDIR:
      result = ::mkdirat(parent, name.c_str(), kDirectoryMode);
      if (result != 0 && errno == EEXIST && IsDirectory(parent, name)) return 0;
      break;
    case S_IFLNK:
      result = ::symlinkat(entry.target.c_str(), parent, name.c_str());
      break;
    default:
      result = ::mknodat(parent, name.c_str(), (entry.mode & S_IFMT) | kFileMode,
                         ::makedev(entry.rdev_major, entry.rdev_minor));
  }
  return result == 0 ? 0 : errno;
}

bool IsMade(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return true;
    default:
      return false;
  }
}

}  // namespace

Status RestoreEntry(const std::string& root, std::string_view path, const RestoredEntry& entry) {
  const Place place{root, path};
  if (!IsMade(entry.mode)) return place.Fail(Code::ERR_USAGE, "has a type that is not made here");
  if (entry.target.find('\0') != std::string::npos) {
    return place.Fail(Code::ERR_CREATE, "cannot be created: its target has a NUL");
  }
  UniqueFd parent;
  std::string name;
  if (Status status = OpenParentToWrite(place, parent, name); !status.ok()) return status;
  const int error = Make(parent.get(), name, entry);
  return error == 0 ? Status() : Fail(place, error, "cannot be created");
}

Status RestoreFile(const std::string& root, std::string_view path, int64_t size, UniqueFd& file) {
  const Place place{root, path};
  UniqueFd parent;
  std::string name;
  if (Status status = OpenParentToWrite(place, parent, name); !status.ok()) return status;
  // O_EXCL follows no symlink either.
  UniqueFd made(
      ::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
  if (!made.ok()) return Fail(place, errno, "cannot be created");
  if (size > 0 && ::ftruncate(made.get(), size) != 0) {
    const int error = errno;
    ::unlinkat(parent.get(), name.c_str(), 0);  // or the next try would find it in its way
    return Fail(place, error, "cannot have " + std::to_string(size) + " bytes");
  }
  file = std::move(made);
  return {};
}

Status RestoreLink(const std::string& root, std::string_view existing, std::string_view path) {
  const Place old_place{root, existing};
  const Place place{root, path};
  UniqueFd old_parent;
  UniqueFd parent;
  std::string old_name;
  std::string name;
  if (Status status = OpenParentToWrite(old_place, old_parent, old_name); !status.ok()) {
    return status;
  }
  if (Status status = OpenParentToWrite(place, parent, name); !status.ok()) return status;
  // Without AT_SYMLINK_FOLLOW a symlink is linked itself.
  if (::linkat(old_parent.get(), old_name.c_str(), parent.get(), name.c_str(), 0) == 0) return {};
  return Fail(place, errno, "cannot be linked to " + old_place.Name());
}

Status RestoreAttributes(const std::string& root, std::string_view path,
                         const RestoredAttributes& attributes) {
  const Place place{root, path};
  UniqueFd parent;
  std::string name;
  if (Status status = OpenParentToWrite(place, parent, name); !status.ok()) return status;
  // One entry throughout, even if its name is given to another one meanwhile. O_PATH opens nothing: a
  // device or a fifo does not notice.
  const UniqueFd entry(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat found;
  if (!entry.ok() || ::fstat(entry.get(), &found) != 0) return Fail(place, errno, "is not there");
  // Calls on this path reach the entry itself, a symlink too: the kernel does not go on from there.
  const std::string same = "/proc/self/fd/" + std::to_string(entry.get());

  if (attributes.uid.has_value() || attributes.gid.has_value()) {
    // All bits set leave an id as it is.
    const uid_t uid = attributes.uid.value_or(static_cast<uid_t>(-1));
    const gid_t gid = attributes.gid.value_or(static_cast<gid_t>(-1));
    if (::fchownat(entry.get(), "", uid, gid, AT_EMPTY_PATH) != 0) {
      return Fail(place, errno, "cannot be given its owner");
    }
  }
  if (attributes.xattrs.has_value()) {
    std::string failed;
    const int error = SetXattrs(same, *attributes.xattrs, failed);
    if (error != 0) return Fail(place, error, "cannot be given its xattr " + Printable(failed));
  }
  if (!S_ISLNK(found.st_mode) && ::chmod(same.c_str(), attributes.mode & kPermissions) != 0) {
    return Fail(place, errno, "cannot be given its mode");
  }
  const timespec times[2] = {{0, UTIME_OMIT},
                             {static_cast<time_t>(attributes.mtime_seconds),
                              static_cast<long>(attributes.mtime_nanoseconds)}};
  if (::utimensat(AT_FDCWD, same.c_str(), times, 0) != 0) {
    return Fail(place, errno, "cannot be given its time");
  }
  return {};
}

}  // namespace g8ufs
