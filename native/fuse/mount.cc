#include "fuse/mount.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "fuse/helper.h"

namespace g8ufs::fuse {
namespace {

// Even a machine with a hundred thousand mounts stays below this.
constexpr size_t kMountinfoSizeMax = 64 << 20;

Status ResolveMountPoint(const std::string& mount_point, std::string* path) {
  std::array<char, PATH_MAX> resolved{};
  if (::realpath(mount_point.c_str(), resolved.data()) == nullptr) {
    return Status::FromErrno(CodeOfErrno(errno, Code::ERR_MOUNT),
                             "Mount point " + mount_point + " cannot be used", errno);
  }
  *path = resolved.data();
  struct stat attributes {};
  if (::stat(path->c_str(), &attributes) == 0 && !S_ISDIR(attributes.st_mode)) {
    return Status::FromErrno(Code::ERR_MOUNT, "Mount point " + *path + " cannot be used", ENOTDIR);
  }
  return {};
}

Status ReadMountinfo(std::string* text) {
  const UniqueFd fd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) {
    return Status::FromErrno(Code::ERR_MOUNT, "/proc/self/mountinfo cannot be read", errno);
  }
  text->clear();
  std::array<char, 1 << 16> chunk;
  while (text->size() < kMountinfoSizeMax) {
    const ssize_t count = ::read(fd.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return Status::FromErrno(Code::ERR_MOUNT, "/proc/self/mountinfo cannot be read", errno);
    }
    if (count == 0) return {};
    text->append(chunk.data(), static_cast<size_t>(count));
  }
  return Status(Code::ERR_MOUNT, "/proc/self/mountinfo is too large");
}

Status FindDeviceMinor(const std::string& path, std::optional<uint32_t>* minor) {
  std::string mountinfo;
  Status status = ReadMountinfo(&mountinfo);
  if (status.ok()) *minor = FindMount(mountinfo, path);
  return status;
}

// Spaces, tabs, newlines and backslashes stand as three octal digits behind a backslash.
bool EqualsEscaped(std::string_view escaped, std::string_view text) {
  size_t position = 0;
  for (size_t i = 0; i < escaped.size(); ++i, ++position) {
    if (position == text.size()) return false;
    char c = escaped[i];
    if (c == '\\' && i + 3 < escaped.size()) {
      c = static_cast<char>((escaped[i + 1] - '0') * 64 + (escaped[i + 2] - '0') * 8 +
                            (escaped[i + 3] - '0'));
      i += 3;
    }
    if (c != text[position]) return false;
  }
  return position == text.size();
}

std::string_view TakeField(std::string_view* line) {
  const size_t end = line->find(' ');
  const std::string_view field = line->substr(0, end);
  line->remove_prefix(end == std::string_view::npos ? line->size() : end + 1);
  return field;
}

Status MountDirectly(const MountOptions& options, Mounted* mounted) {
  std::array<char, 256> data;
  std::snprintf(data.data(), data.size(),
                "fd=%d,rootmode=%o,user_id=%u,group_id=%u,default_permissions%s,max_read=%zu",
                mounted->device.fd(), options.root_mode, static_cast<unsigned>(::geteuid()),
                static_cast<unsigned>(::getegid()), options.allow_other ? ",allow_other" : "",
                options.max_read_bytes);
  if (::mount(options.source.c_str(), mounted->path.c_str(), kFilesystemType, MS_RDONLY,
              data.data()) != 0) {
    const Code code = errno == EPERM || errno == EACCES ? Code::ERR_PERMISSION
                      : errno == ENODEV                 ? Code::ERR_NO_FUSE
                                                        : Code::ERR_MOUNT;
    return Status::FromErrno(code, "Mount at " + mounted->path + " failed", errno);
  }
  return {};
}

Status MountByHelper(const MountOptions& options, Mounted* mounted) {
  std::string list = "ro,default_permissions,subtype=g8ufs";
  list += ",max_read=" + std::to_string(options.max_read_bytes);
  if (options.allow_other) list += ",allow_other";
  list += ",fsname=" + EscapeOption(options.source);
  UniqueFd device;
  Status status = RunHelper({"-o", list, "--", mounted->path}, &device);
  if (!status.ok()) return status;
  mounted->device = Device(std::move(device));
  mounted->by_helper = true;
  return {};
}

}  // namespace

Status Mount(const MountOptions& options, Mounted* mounted) {
  Status status = ResolveMountPoint(options.mount_point, &mounted->path);
  if (!status.ok()) return status;
  if (::geteuid() == 0) {
    status = Device::Open(&mounted->device);
    if (status.ok()) status = MountDirectly(options, mounted);
    // Root of a container without CAP_SYS_ADMIN: the helper cannot do more either.
  } else {
    status = MountByHelper(options, mounted);
  }
  if (!status.ok()) {
    mounted->device.Close();
    return status;
  }
  std::optional<uint32_t> minor;
  status = FindDeviceMinor(mounted->path, &minor);
  if (status.ok() && !minor) {
    status = Status(Code::ERR_MOUNT, "Mount at " + mounted->path + " is gone already");
  }
  if (!status.ok()) {
    // Closing the device aborts the connection; what is left is a name to take away.
    mounted->device.Close();
    if (mounted->by_helper) {
      (void)RunHelper({"-u", "-q", "-z", "--", mounted->path}, nullptr);
    } else {
      ::umount2(mounted->path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    return status;
  }
  mounted->device_minor = *minor;
  return {};
}

Status Unmount(const std::string& path, uint32_t device_minor, bool by_helper, UnmountMode mode) {
  std::optional<uint32_t> minor;
  Status status = FindDeviceMinor(path, &minor);
  if (!status.ok()) return status;
  if (minor != device_minor) return {};
  if (by_helper) {
    std::vector<std::string> arguments{"-u", "-q"};
    if (mode == UnmountMode::kLazy) arguments.emplace_back("-z");
    arguments.insert(arguments.end(), {"--", path});
    status = RunHelper(arguments, nullptr);
    if (status.ok()) return {};
    return Status(Code::ERR_MOUNT, "Unmount of " + path + " failed: " + status.message());
  }
  const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::kLazy ? MNT_DETACH : 0);
  if (::umount2(path.c_str(), flags) == 0) return {};
  return Status::FromErrno(Code::ERR_MOUNT, "Unmount of " + path + " failed", errno);
}

int SetReadahead(uint32_t device_minor, size_t bytes) {
  const std::string path = "/sys/class/bdi/0:" + std::to_string(device_minor) + "/read_ahead_kb";
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.ok()) return errno;
  const std::string text = std::to_string(bytes / 1024);
  return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

std::optional<uint32_t> FindMount(std::string_view mountinfo, std::string_view path) {
  std::optional<uint32_t> found;
  while (!mountinfo.empty()) {
    const size_t end = mountinfo.find('\n');
    std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(end == std::string_view::npos ? mountinfo.size() : end + 1);
    // id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, ...
    TakeField(&line);
    TakeField(&line);
    const std::string_view device = TakeField(&line);
    TakeField(&line);
    if (!EqualsEscaped(TakeField(&line), path)) continue;
    const size_t separator = line.find(" - ");
    std::string_view tail =
        separator == std::string_view::npos ? std::string_view{} : line.substr(separator + 3);
    uint32_t minor = 0;
    const bool anonymous = device.substr(0, 2) == "0:";
    const std::string_view digits = anonymous ? device.substr(2) : std::string_view{};
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), minor);
    // Later lines cover earlier ones.
    found.reset();
    if (anonymous && parsed.ec == std::errc{} && TakeField(&tail) == kFilesystemType) found = minor;
  }
  return found;
}

}  // namespace g8ufs::fuse
