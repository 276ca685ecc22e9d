#include "restore/set_xattrs.h"

#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace g8ufs {
namespace {

// Attributes with a meaning for the kernel can take away the right to set the others: they come
// last.
bool IsAcl(const std::string& name) { return name.starts_with("system."); }

// Names of the attributes that an image can hold (docs/format.md, section 4): others are the
// filesystem's own affair.
bool IsRemoved(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("trusted.") ||
         name.starts_with("security.") || name == "system.posix_acl_access" ||
         name == "system.posix_acl_default";
}

bool IsKeptBySystem(std::string_view name, int error) {
  return name.starts_with("security.") &&
         (error == EACCES || error == EPERM || error == EOPNOTSUPP || error == EINVAL);
}

int RemoveOthers(const std::string& path, const std::vector<ScannedXattr>& xattrs,
                 std::string& failed) {
  // The kernel gives no longer list.
  thread_local std::vector<char> list(XATTR_LIST_MAX);
  const ssize_t size = ::listxattr(path.c_str(), list.data(), list.size());
  if (size < 0) return errno == ENOTSUP ? 0 : errno;
  for (const char *next = list.data(), *end = next + size; next < end;) {
    std::string name(next, ::strnlen(next, static_cast<size_t>(end - next)));
    next += name.size() + 1;
    const auto matches = [&name](const ScannedXattr& xattr) { return xattr.name == name; };
    if (!IsRemoved(name) || std::ranges::any_of(xattrs, matches)) continue;
    const int error = ::removexattr(path.c_str(), name.c_str()) == 0 ? 0 : errno;
    if (error == 0 || error == ENODATA || IsKeptBySystem(name, error)) continue;
    failed = std::move(name);
    return error;
  }
  return 0;
}

}  // namespace

int SetXattrs(const std::string& path, const std::vector<ScannedXattr>& xattrs,
              std::string& failed) {
  if (const int error = RemoveOthers(path, xattrs, failed); error != 0) return error;
  for (const bool acls : {false, true}) {
    for (const auto& [name, value] : xattrs) {
      if (IsAcl(name) != acls) continue;
      int error = 0;
      if (name.find('\0') != std::string::npos) {
        error = EINVAL;
      } else if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
        error = errno;
      }
      if (error == 0) continue;
      failed = name;
      return error;
    }
  }
  return 0;
}

}  // namespace g8ufs
