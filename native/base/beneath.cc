#include "base/beneath.h"

#include <fcntl.h>

#include <cerrno>

#include "base/bytes.h"

namespace g8ufs {
namespace {

bool IsName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('\0') == name.npos;
}

// Splits off the first name of a path.
std::string_view TakeName(std::string_view& path) {
  const size_t slash = path.find('/');
  const std::string_view name = path.substr(0, slash);
  path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  return name;
}

bool IsRelativePath(std::string_view path) {
  if (path.empty()) return true;
  if (path.back() == '/') return false;
  while (!path.empty()) {
    if (!IsName(TakeName(path))) return false;
  }
  return true;
}

// Opens `path`, the beginning of the place's path, name by name: that knows no limit of length.
Status Walk(const Place& place, std::string_view path, UniqueFd& directory) {
  if (!IsRelativePath(place.path)) {
    return Status(Code::ERR_USAGE, "Path " + Printable(place.path) + " is not a path below a root");
  }
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  directory.Reset(::open(place.root.c_str(), kFlags));
  while (directory.ok() && !path.empty()) {
    const std::string name(TakeName(path));
    directory.Reset(::openat(directory.get(), name.c_str(), kFlags | O_NOFOLLOW));
  }
  return directory.ok() ? Status() : place.Fail(errno, "cannot be opened");
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  for (const char character : text) {
    const auto byte = static_cast<uint8_t>(character);
    if (byte < 0x20 || byte == 0x7f) {
      printable += "\\x" + ToHex({&byte, 1});
    } else {
      printable.push_back(character);
    }
  }
  return printable;
}

std::string Place::Name(std::string_view entry) const {
  std::string name = root;
  for (const std::string_view part : {path, entry}) {
    if (!part.empty()) (name += '/') += part;
  }
  return Printable(name);
}

Status Place::Fail(int error, const std::string& problem, std::string_view entry) const {
  return Fail(CodeOfErrno(error), error, problem, entry);
}

Status Place::Fail(Code code, int error, const std::string& problem, std::string_view entry) const {
  const std::string name = Name(entry);
  Status status = Status::FromErrno(code, name + " " + problem, error);
  return status.WithDetail("path", name);
}

Status Place::Fail(Code code, const std::string& problem) const {
  const std::string name = Name();
  Status status(code, name + " " + problem);
  return status.WithDetail("path", name);
}

Status OpenDirectory(const Place& place, UniqueFd& directory) {
  return Walk(place, place.path, directory);
}

Status OpenParent(const Place& place, UniqueFd& parent, std::string& name) {
  const size_t slash = place.path.rfind('/');
  const std::string_view above =
      slash == place.path.npos ? std::string_view() : place.path.substr(0, slash);
  name = place.path.substr(slash == place.path.npos ? 0 : slash + 1);
  if (name.empty()) name = ".";
  return Walk(place, above, parent);
}

}  // namespace g8ufs
