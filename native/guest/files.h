// File operations of the guest program. Each returns 0 or the errno of what failed. Any thread, but an
// OpenFiles belongs to one.
#ifndef G8UFS_NATIVE_GUEST_FILES_H_
#define G8UFS_NATIVE_GUEST_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace g8ufs::guest {

// Files that requests have opened, by number.
class OpenFiles {
 public:
  // `flags` of open(2); only those that say how a file is opened count.
  int Open(const std::string& path, int flags, mode_t mode, uint32_t& handle);
  // One read at the file's offset; nothing at its end.
  int Read(uint32_t handle, MutableByteSpan room, size_t& count);
  // Writes all of it at the file's offset.
  int Write(uint32_t handle, ByteSpan bytes);
  void Close(uint32_t handle) { files_.erase(handle); }

 private:
  // Below the usual limit of descriptors.
  static constexpr size_t kCountMax = 512;

  std::map<uint32_t, UniqueFd> files_;
  uint32_t next_ = 1;
};

// Whether there is something, links followed.
int Exists(const std::string& path, bool& exists);

// Called for each name of a folder; an answer other than 0 ends it and is the result.
using NameVisitor = std::function<int(int folder, const std::string& name)>;
int EachName(const std::string& path, const NameVisitor& visit);

// A piece of a file's content, at most kPartSize.
using PieceVisitor = std::function<void(ByteSpan)>;
// Reads a file to its end, without waiting for one that is no file. EFBIG above `size_max`.
int ReadContent(const std::string& path, size_t size_max, const PieceVisitor& visit);

int ReadLink(const std::string& path, std::string& target);

// mkdir -p with mode 0755.
int MakeFolder(const std::string& path);
// Also everything below it, never through a link; that nothing is there is fine. EPERM for the root.
int Remove(const std::string& path);
// Links that lie below the path are left alone (mode) or changed themselves (owner).
int ChangeMode(const std::string& path, mode_t mode, bool recursive);
int ChangeOwner(const std::string& path, uid_t user, gid_t group, bool recursive);

// Number of a name in /etc/passwd or /etc/group (`file`), or the number that the name is. EINVAL
// when it is neither.
int FindId(const std::string& file, const std::string& name, uint32_t& id);

}  // namespace g8ufs::guest

#endif  // G8UFS_NATIVE_GUEST_FILES_H_
