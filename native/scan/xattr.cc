#include "scan/xattr.h"

#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace g8ufs {
namespace {

// The kernel gives no longer list and no longer value (limits.h), so one call with this room always
// does and there is no size to ask for first that could change.
constexpr size_t kBufferSize = std::max(XATTR_LIST_MAX, XATTR_SIZE_MAX);

Buffer& XattrBuffer() {
  thread_local Buffer buffer;
  buffer.Resize(kBufferSize);
  return buffer;
}

Status ReadValue(const std::string& path, std::vector<ScannedXattr>& xattrs, std::string name) {
  Buffer& buffer = XattrBuffer();
  const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), buffer.data(), buffer.size());
  if (size < 0 && errno == ENODATA) return {};  // removed since it was listed
  if (size < 0) return Status::FromErrno("xattr " + name + " cannot be read", errno);
  const char* value = reinterpret_cast<const char*>(buffer.data());
  xattrs.push_back({std::move(name), std::string(value, static_cast<size_t>(size))});
  return {};
}

}  // namespace

Status ReadXattrs(int directory, const std::string& name, std::vector<ScannedXattr>& xattrs) {
  xattrs.clear();
  // The calls on descriptors want one that is open for reading; those on paths resolve this one
  // through the descriptor, at any depth, and do not follow the last name.
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  Buffer& buffer = XattrBuffer();
  char* list = reinterpret_cast<char*>(buffer.data());
  const ssize_t size = ::llistxattr(path.c_str(), list, buffer.size());
  if (size < 0 && errno == ENOTSUP) return {};
  if (size < 0) return Status::FromErrno("xattrs cannot be listed", errno);
  // Copied: the values use the same buffer.
  std::vector<std::string> names;
  for (const char *next = list, *end = list + size; next < end; next += names.back().size() + 1) {
    names.emplace_back(next, ::strnlen(next, static_cast<size_t>(end - next)));
  }
  std::ranges::sort(names);
  for (std::string& each : names) {
    if (Status status = ReadValue(path, xattrs, std::move(each)); !status.ok()) return status;
  }
  return {};
}

}  // namespace g8ufs
