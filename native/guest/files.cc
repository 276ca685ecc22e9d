#include "guest/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "guest/frame.h"

namespace g8ufs::guest {
namespace {

// What says how a file is opened. O_PATH, O_TMPFILE and the like would give something else.
constexpr int kOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND;
// A pipe without a writer and a terminal must not stop the program.
constexpr int kNoWait = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do fd = ::open(path, flags, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

ssize_t ReadRetrying(int fd, MutableByteSpan room) {
  ssize_t count;
  do count = ::read(fd, room.data(), room.size());
  while (count < 0 && errno == EINTR);
  return count;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Takes the descriptor.
int EachNameOf(UniqueFd folder, const NameVisitor& visit) {
  const int fd = folder.get();
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd));
  if (directory == nullptr) return errno;
  static_cast<void>(folder.Release());
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) return errno;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (const int error = visit(fd, name)) return error;
  }
}

UniqueFd OpenFolder(int parent, const char* name, int flags = O_NOFOLLOW) {
  return UniqueFd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags));
}

// Everything below a folder, each folder before its content. What vanishes meanwhile is passed over.
int EachBelow(UniqueFd folder, const NameVisitor& visit) {
  return EachNameOf(std::move(folder), [&](int parent, const std::string& name) {
    if (const int error = visit(parent, name); error != 0 && error != ENOENT) return error;
    UniqueFd inner = OpenFolder(parent, name.c_str());
    if (inner.ok()) return EachBelow(std::move(inner), visit);
    return errno == ENOTDIR || errno == ELOOP || errno == ENOENT ? 0 : errno;
  });
}

int RemoveEntry(int parent, const char* name) {
  if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  // Linux says EISDIR, POSIX EPERM.
  if (errno != EISDIR && errno != EPERM) return errno;
  const int reason = errno;
  UniqueFd folder = OpenFolder(parent, name);
  if (!folder.ok()) return errno == ENOTDIR || errno == ELOOP ? reason : errno;
  const int error = EachNameOf(std::move(folder), [](int inner, const std::string& each) {
    return RemoveEntry(inner, each.c_str());
  });
  if (error != 0) return error;
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

// Without following a link that has come in between.
int ChangeModeOf(int parent, const std::string& name, mode_t mode) {
  const UniqueFd file(::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!file.ok()) return errno;
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return errno;
  if (S_ISLNK(status.st_mode)) return 0;
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  return ::chmod(path.c_str(), mode) == 0 ? 0 : errno;
}

int EachBelowIfFolder(const std::string& path, const NameVisitor& visit) {
  UniqueFd folder = OpenFolder(AT_FDCWD, path.c_str(), 0);
  if (!folder.ok()) return errno == ENOTDIR ? 0 : errno;
  return EachBelow(std::move(folder), visit);
}

bool IsRoot(const std::string& path) {
  struct stat root;
  struct stat status;
  return ::stat("/", &root) == 0 && ::lstat(path.c_str(), &status) == 0 &&
         root.st_dev == status.st_dev && root.st_ino == status.st_ino;
}

}  // namespace

int OpenFiles::Open(const std::string& path, int flags, mode_t mode, uint32_t& handle) {
  if (files_.size() >= kCountMax) return EMFILE;
  UniqueFd file(OpenRetrying(path.c_str(), (flags & kOpenFlags) | kNoWait, mode & 07777));
  if (!file.ok()) return errno;
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  handle = next_++;
  files_.emplace(handle, std::move(file));
  return 0;
}

int OpenFiles::Read(uint32_t handle, MutableByteSpan room, size_t& count) {
  const auto found = files_.find(handle);
  if (found == files_.end()) return EBADF;
  const ssize_t result = ReadRetrying(found->second.get(), room);
  if (result < 0) return errno;
  count = static_cast<size_t>(result);
  return 0;
}

int OpenFiles::Write(uint32_t handle, ByteSpan bytes) {
  const auto found = files_.find(handle);
  if (found == files_.end()) return EBADF;
  // Also an empty block tells whether the file can be written at all.
  do {
    const ssize_t count = ::write(found->second.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(count));
  } while (!bytes.empty());
  return 0;
}

int Exists(const std::string& path, bool& exists) {
  struct stat status;
  exists = ::stat(path.c_str(), &status) == 0;
  return exists || errno == ENOENT ? 0 : errno;
}

int EachName(const std::string& path, const NameVisitor& visit) {
  UniqueFd folder = OpenFolder(AT_FDCWD, path.c_str(), 0);
  return folder.ok() ? EachNameOf(std::move(folder), visit) : errno;
}

int ReadContent(const std::string& path, size_t size_max, const PieceVisitor& visit) {
  const UniqueFd file(OpenRetrying(path.c_str(), O_RDONLY | kNoWait));
  if (!file.ok()) return errno;
  Buffer room;
  room.Resize(kPartSize);
  for (size_t total = 0;;) {
    const ssize_t count = ReadRetrying(file.get(), room.span());
    if (count < 0) return errno;
    if (count == 0) return 0;
    total += static_cast<size_t>(count);
    if (total > size_max) return EFBIG;
    visit(room.span().first(static_cast<size_t>(count)));
  }
}

int ReadLink(const std::string& path, std::string& target) {
  char room[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), room, sizeof room);
  if (size < 0) return errno;
  target.assign(room, static_cast<size_t>(size));
  return 0;
}

int MakeFolder(const std::string& path) {
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string folder = path.substr(0, end);
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return errno;
  }
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return errno;
  return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

int Remove(const std::string& path) {
  if (IsRoot(path)) return EPERM;
  // A slash at the end would make a link of a folder.
  const size_t end = path.find_last_not_of('/');
  return RemoveEntry(AT_FDCWD, path.substr(0, end + 1).c_str());
}

int ChangeMode(const std::string& path, mode_t mode, bool recursive) {
  mode &= 07777;
  if (::chmod(path.c_str(), mode) != 0) return errno;
  if (!recursive) return 0;
  return EachBelowIfFolder(path, [mode](int parent, const std::string& name) {
    return ChangeModeOf(parent, name, mode);
  });
}

int ChangeOwner(const std::string& path, uid_t user, gid_t group, bool recursive) {
  if (::chown(path.c_str(), user, group) != 0) return errno;
  if (!recursive) return 0;
  return EachBelowIfFolder(path, [user, group](int parent, const std::string& name) {
    return ::fchownat(parent, name.c_str(), user, group, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
  });
}

int FindId(const std::string& file, const std::string& name, uint32_t& id) {
  // More lines than any machine has users.
  constexpr size_t kSizeMax = size_t{8} << 20;
  std::string text;
  ReadContent(file, kSizeMax, [&text](ByteSpan piece) {
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  const auto number = [&id](const std::string& digits) {
    // -1 means "leave it" to the kernel.
    if (digits.empty() || digits.size() > 10) return false;
    if (digits.find_first_not_of("0123456789") != std::string::npos) return false;
    const uint64_t value = std::stoull(digits);
    id = static_cast<uint32_t>(value);
    return value < UINT32_MAX;
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    // name:password:id:…
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    if (line.compare(0, first, name) != 0) continue;
    const size_t third = std::min(line.find(':', second + 1), line.size());
    if (number(line.substr(second + 1, third - second - 1))) return 0;
  }
  return number(name) ? 0 : EINVAL;
}

}  // namespace g8ufs::guest
