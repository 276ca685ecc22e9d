#include "driver/content_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <tuple>

#include "fuse/session.h"

namespace g8ufs {
namespace {

constexpr time_t kSealSeconds = 1;

// `aa/bb/<digest>`.
class ContentPath {
 public:
  explicit ContentPath(const Digest& digest) {
    static constexpr char kDigits[] = "0123456789abcdef";
    char* out = text_ + 6;
    for (const uint8_t byte : digest) {
      *out++ = kDigits[byte >> 4];
      *out++ = kDigits[byte & 15];
    }
    *out = 0;
    std::memcpy(text_, text_ + 6, 2);
    std::memcpy(text_ + 3, text_ + 8, 2);
    text_[2] = text_[5] = '/';
  }
  const char* c_str() const { return text_; }

 private:
  char text_[6 + 2 * std::tuple_size_v<Digest> + 1];
};

bool IsSealed(const struct stat& attributes, uint64_t size) {
  return S_ISREG(attributes.st_mode) && static_cast<uint64_t>(attributes.st_size) == size &&
         attributes.st_mtim.tv_sec == kSealSeconds && attributes.st_mtim.tv_nsec == 0;
}

// Opens what the kernel finds without a disk at once; else another worker listens meanwhile.
int OpenFile(int directory, const char* path) {
  // O_NONBLOCK: a fifo in its place must not hold the server up. Regular files ignore it.
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
#if defined(__SANITIZE_THREAD__)
  // Only by open() does the thread sanitizer learn that a descriptor is another one than the last of
  // its number.
  const std::string place = "/proc/self/fd/" + std::to_string(directory) + "/" + path;
  fuse::BeforeWait();
  return ::open(place.c_str(), kFlags);
#else
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_CACHED;
  const long fd = ::syscall(SYS_openat2, directory, path, &how, sizeof(how));
  if (fd >= 0 || errno == ENOENT) return static_cast<int>(fd);
  fuse::BeforeWait();
  return ::openat(directory, path, kFlags);
#endif
}

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

int ContentFiles::Find(const Digest& digest, uint64_t size, Found* found, UniqueFd* file,
                       FileIdentity* identity) const {
  file->Reset(OpenFile(directory_.get(), ContentPath(digest).c_str()));
  if (!file->ok()) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return errno;
    *found = errno == ENOENT || errno == ENOTDIR ? Found::kAbsent : Found::kUnsealed;
    return 0;
  }
  struct stat attributes {};
  const bool sealed = ::fstat(file->get(), &attributes) == 0 && IsSealed(attributes, size);
  *found = sealed ? Found::kComplete : Found::kUnsealed;
  if (!sealed) file->Reset();
  if (identity != nullptr) *identity = {attributes.st_dev, attributes.st_ino};
  return 0;
}

bool ContentFiles::IsCurrent(const Digest& digest, uint64_t size,
                             const FileIdentity& identity) const {
  struct stat attributes {};
  return ::fstatat(directory_.get(), ContentPath(digest).c_str(), &attributes,
                   AT_SYMLINK_NOFOLLOW) == 0 &&
         IsSealed(attributes, size) &&
         identity == FileIdentity{attributes.st_dev, attributes.st_ino};
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
