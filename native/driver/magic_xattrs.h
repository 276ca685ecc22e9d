// Magic xattrs: what the driver knows of a file, as xattrs named `user.g8ufs.*`. They are answered
// when asked for by name and never listed, so that nothing that copies files takes them along.
#ifndef G8UFS_NATIVE_DRIVER_MAGIC_XATTRS_H_
#define G8UFS_NATIVE_DRIVER_MAGIC_XATTRS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "driver/content.h"
#include "driver/content_files.h"
#include "tree/mount_index.h"

namespace g8ufs {

// Whether a mount answers them. A kernel that was told once that there are no xattrs does not ask
// again, which makes the xattr calls of every program free: kAuto leaves that to images without
// xattrs.
enum class MagicXattrs {
  kOff,
  kAuto,
  kOn,
};

inline constexpr std::string_view kMagicXattrPrefix = "user.g8ufs.";

inline bool IsMagicXattr(std::string_view name) { return name.starts_with(kMagicXattrPrefix); }

// What is to be told of a regular file. Without a record the file is empty.
struct MagicXattrSource {
  const MountIndex& index;
  const ContentFiles& files;
  ContentRegistry& registry;
  const std::optional<ContentRecord>& record;
};

// The value, or nothing when there is no such attribute. REQUIRES: IsMagicXattr(name).
std::optional<std::string> MagicXattr(const MagicXattrSource& source, std::string_view name);

// Bytes outside holes that a read needs not wait for. Of a partial file that nobody has opened
// since the process began, what it takes on disk.
uint64_t LocalBytes(const MagicXattrSource& source);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_MAGIC_XATTRS_H_
