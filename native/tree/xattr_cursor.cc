#include <algorithm>
#include <cerrno>

#include "tree/mount_index.h"

namespace g8ufs {
namespace {

constexpr std::string_view kOverlay = "overlay.";

// Namespaces of docs/format.md, section 4, by number. Names of the two ACLs are whole prefixes.
std::string_view PrefixOf(uint8_t number) {
  switch (number) {
    case 1:
      return "user.";
    case 2:
      return "system.posix_acl_access";
    case 3:
      return "system.posix_acl_default";
    case 4:
      return "trusted.";
    case 6:
      return "security.";
    default:
      return {};
  }
}

}  // namespace

bool IsHiddenXattr(const XattrView& xattr) {
  return (xattr.prefix == "trusted." || xattr.prefix == "user.") &&
         xattr.name.substr(0, kOverlay.size()) == kOverlay;
}

XattrCursor::XattrCursor(const MountIndex& index, uint64_t nid) {
  MountIndex::Inode inode;
  if (!index.FindInode(nid, &inode)) {
    error_ = EIO;
    return;
  }
  if (inode.xattr_size == 0) return;
  const ByteSpan area = index.tree_.subspan(inode.offset + erofs::kInodeSize, inode.xattr_size);
  // Shared xattrs are not written: all of them are inline.
  if (area[erofs::kXattrSharedCountAt] != 0) error_ = EIO;
  left_ = area.subspan(erofs::kXattrHeaderSize);
}

int XattrCursor::Next(XattrView* xattr) {
  while (error_ == 0 && left_.size() >= erofs::kXattrEntrySize) {
    const size_t name_size = left_[0];
    const size_t value_size = size_t{left_[2]} | size_t{left_[3]} << 8;
    const size_t size = erofs::kXattrEntrySize + name_size + value_size;
    xattr->prefix = PrefixOf(left_[1]);
    if (xattr->prefix.empty() || size > left_.size()) return error_ = EIO;
    const uint8_t* name = left_.data() + erofs::kXattrEntrySize;
    xattr->name = {reinterpret_cast<const char*>(name), name_size};
    xattr->value = {name + name_size, value_size};
    left_ = left_.subspan(std::min(left_.size(), (size + 3) & ~size_t{3}));
    if (xattr->name.find('\0') != std::string_view::npos) return error_ = EIO;
    if (!IsHiddenXattr(*xattr)) return 0;
  }
  return error_ != 0 ? error_ : ENODATA;
}

}  // namespace g8ufs
