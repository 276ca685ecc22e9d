#include "chunk/content_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file_io.h"
#include "base/unique_fd.h"
#include "chunk/chunk_file.h"

namespace g8ufs {
namespace {

constexpr mode_t kSealedMode = 0444;
constexpr mode_t kFolderMode = 0777;
constexpr time_t kSealSeconds = 1;
constexpr size_t kPageSize = 4096;
// `aa/bb/`: what may be missing of a content file's path.
constexpr int kFolderDepth = 2;
constexpr int64_t kStatBlockBytes = 512;

Buffer& PlainBuffer(size_t size) {
  thread_local Buffer buffer;
  buffer.Resize(size);
  return buffer;
}

// A file without a name in the folder of `path`.
int CreateUnnamed(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  return ::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, kSealedMode);
}

// Gives it the name, unless something is there. 0 or an errno.
int Name(int fd, const std::string& path) {
  if (::linkat(fd, "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOENT) return errno;
  // Without the privilege to name a descriptor, its name in /proc does.
  const std::string name = "/proc/self/fd/" + std::to_string(fd);
  if (::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return 0;
  return errno;
}

void MakeFolders(const std::string& path, int depth) {
  const size_t slash = path.rfind('/');
  if (depth == 0 || slash == 0 || slash == std::string::npos) return;
  const std::string folder = path.substr(0, slash);
  if (::mkdir(folder.c_str(), kFolderMode) == 0 || errno != ENOENT) return;
  MakeFolders(folder, depth - 1);
  // What fails here fails again when the file is made, and is told there.
  (void)::mkdir(folder.c_str(), kFolderMode);
}

bool HasZeroPage(ByteSpan data) {
  for (size_t at = 0; at + kPageSize <= data.size(); at += kPageSize) {
    if (IsZero(data.subspan(at, kPageSize))) return true;
  }
  return false;
}

Status Fill(int fd, ByteSpan plain, int64_t& allocated) {
  Status status;
  if (HasZeroPage(plain)) {
    if (::ftruncate(fd, static_cast<off_t>(plain.size())) != 0) {
      return Status::FromErrno("Content file cannot be written", errno);
    }
    status = WriteSparse(fd, 0, plain);
  } else {
    status = WriteAt(fd, 0, plain);
  }
  if (!status.ok()) return status;
  const timespec seal[2] = {{kSealSeconds, 0}, {kSealSeconds, 0}};
  struct stat attributes;
  if (::futimens(fd, seal) != 0 || ::fstat(fd, &attributes) != 0) {
    return Status::FromErrno("Content file cannot be sealed", errno);
  }
  // The umask may have taken permissions away; sealed files look the same whoever made them.
  if ((attributes.st_mode & 0777) != kSealedMode && ::fchmod(fd, kSealedMode) != 0) {
    return Status::FromErrno("Content file cannot be sealed", errno);
  }
  allocated = static_cast<int64_t>(attributes.st_blocks) * kStatBlockBytes;
  return {};
}

}  // namespace

Status PlaceContentFile(const std::string& path, const ChunkReference& reference, ByteSpan stored,
                        size_t plain_size, int64_t& allocated) {
  Buffer& plain = PlainBuffer(plain_size);
  if (Status status = DecodeChunk(reference, stored, plain.span()); !status.ok()) return status;
  UniqueFd fd(CreateUnnamed(path));
  if (!fd.ok() && errno == ENOENT) {
    MakeFolders(path, kFolderDepth);
    fd.Reset(CreateUnnamed(path));
  }
  if (!fd.ok()) {
    const bool unsupported = errno == EOPNOTSUPP || errno == EISDIR;
    // Absence is this machine's failure, not a wrong name given by somebody.
    if (errno == ENOENT) {
      return Status::FromErrno(Code::ERR_IO, "Content file cannot be made", errno);
    }
    if (!unsupported) return Status::FromErrno("Content file cannot be made", errno);
    allocated = kUnsupported;
    return {};
  }
  if (Status status = Fill(fd.get(), plain.span(), allocated); !status.ok()) return status;
  switch (const int error = Name(fd.get(), path); error) {
    case 0:
      return {};
    case EEXIST:
      allocated = kFileExists;
      return {};
    case ENOENT:  // no /proc
      allocated = kUnsupported;
      return {};
    default:
      return Status::FromErrno("Content file cannot be put in its place", error);
  }
}

}  // namespace g8ufs
