#include "driver/content_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/bytes.h"

namespace g8ufs {
namespace {

constexpr time_t kSealSeconds = 1;

}  // namespace

Status ContentFiles::Open(const std::string& directory, const std::string& partial,
                          ContentFiles* files) {
  // Only asked for what it says of itself: without it that is nothing.
  if (!partial.empty()) {
    files->partial_.Reset(::open(partial.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  files->directory_.Reset(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (files->directory_.ok()) return {};
  return Status::FromErrno("Content directory " + directory + " cannot be opened", errno);
}

int ContentFiles::Find(const Digest& digest, uint64_t size, Found* found, UniqueFd* file) const {
  const std::string hex = ToHex(digest);
  const std::string path = hex.substr(0, 2) + "/" + hex.substr(2, 2) + "/" + hex;
  // O_NONBLOCK: a fifo in its place must not hold the server up. Regular files ignore it.
  const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  file->Reset(::openat(directory_.get(), path.c_str(), flags));
  if (!file->ok()) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return errno;
    *found = errno == ENOENT || errno == ENOTDIR ? Found::kAbsent : Found::kUnsealed;
    return 0;
  }
  struct stat attributes {};
  const bool sealed = ::fstat(file->get(), &attributes) == 0 && S_ISREG(attributes.st_mode) &&
                      static_cast<uint64_t>(attributes.st_size) == size &&
                      attributes.st_mtim.tv_sec == kSealSeconds && attributes.st_mtim.tv_nsec == 0;
  *found = sealed ? Found::kComplete : Found::kUnsealed;
  if (!sealed) file->Reset();
  return 0;
}

uint64_t ContentFiles::PartialBytes(const Digest& digest) const {
  struct stat attributes {};
  const std::string name = ToHex(digest);
  if (!partial_.ok() ||
      ::fstatat(partial_.get(), name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) != 0) {
    return 0;
  }
  return static_cast<uint64_t>(attributes.st_blocks) * 512;
}

}  // namespace g8ufs
