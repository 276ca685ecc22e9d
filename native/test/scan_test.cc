// Scanning a directory with everything in it: types, odd names, xattrs, depth, hostile paths.
#include "scan/scan.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>

#include "test/check.h"
#include "test/hex.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

using Entries = std::vector<ScannedEntry>;

void Touch(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  CHECK(fd.ok());
}

const ScannedEntry& Find(const Entries& entries, const std::string& name) {
  static const ScannedEntry none;
  const auto found = std::ranges::find(entries, name, &ScannedEntry::name);
  CHECK(found != entries.end());
  return found == entries.end() ? none : *found;
}

void Types(const test::TempDir& directory) {
  CHECK(::mkdir((directory / "dir").c_str(), 0750) == 0);
  Touch(directory / "file");
  CHECK(::link((directory / "file").c_str(), (directory / "hard").c_str()) == 0);
  const std::string target = "dangling/\xff\x01";
  CHECK(::symlink(target.c_str(), (directory / "link").c_str()) == 0);
  CHECK(::mkfifo((directory / "fifo").c_str(), 0644) == 0);
  timespec times[2] = {{0, 0}, {-5, 123456789}};
  CHECK(::utimensat(AT_FDCWD, (directory / "file").c_str(), times, 0) == 0);
  Entries entries;
  CHECK(ScanDirectory(directory.path(), "", entries).ok());
  CHECK(entries.size() == 5);
  const ScannedEntry& file = Find(entries, "file");
  CHECK(S_ISREG(file.attributes.st_mode) && file.attributes.st_nlink == 2);
  CHECK(file.attributes.st_mtim.tv_sec == -5 && file.attributes.st_mtim.tv_nsec == 123456789);
  CHECK(Find(entries, "hard").attributes.st_ino == file.attributes.st_ino);
  CHECK(Find(entries, "link").target == target);
  CHECK(S_ISFIFO(Find(entries, "fifo").attributes.st_mode));
  CHECK((Find(entries, "dir").attributes.st_mode & 07777) == 0750);
  ScannedEntry entry;
  CHECK(ScanEntry(directory.path(), "link", entry).ok());
  CHECK(entry.name.empty() && entry.target == target);
  CHECK(ScanEntry(directory.path(), "", entry).ok());
  CHECK(S_ISDIR(entry.attributes.st_mode));
}

void NamesAreBytesInOrder(const test::TempDir& directory) {
  const std::string root = directory / "names";
  CHECK(::mkdir(root.c_str(), 0700) == 0);
  const std::vector<std::string> names = {"\x01", " ",        "-",        "A",
                                          "a",    "a.b",      "ab",       "\x7f",
                                          "\x80", "\xc3\xa9", "\xff\xfe", std::string(255, 'z')};
  for (const std::string& name : names) Touch(root + "/" + name);
  Entries entries;
  CHECK(ScanDirectory(directory.path(), "names", entries).ok());
  std::vector<std::string> expected = names;
  std::ranges::sort(expected, [](const std::string& a, const std::string& b) {
    const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
    return order != 0 ? order < 0 : a.size() < b.size();
  });
  std::vector<std::string> found;
  for (const ScannedEntry& entry : entries) found.push_back(entry.name);
  CHECK(found == expected);
}

void Xattrs(const test::TempDir& directory) {
  const std::string file = directory / "xattr";
  Touch(file);
  const std::string value(1000, '\0');
  if (::setxattr(file.c_str(), "user.z", "", 0, 0) != 0) return;  // the filesystem has none
  CHECK(::setxattr(file.c_str(), "user.a", value.data(), value.size(), 0) == 0);
  ScannedEntry entry;
  CHECK(ScanEntry(directory.path(), "xattr", entry).ok());
  std::erase_if(entry.xattrs, [](const auto& xattr) { return !xattr.name.starts_with("user."); });
  CHECK(entry.xattrs.size() == 2);
  CHECK(entry.xattrs[0].name == "user.a" && entry.xattrs[0].value == value);
  CHECK(entry.xattrs[1].name == "user.z" && entry.xattrs[1].value.empty());
}

void DeeperThanPathMax(const test::TempDir& directory) {
  const std::string name(200, 'd');
  std::string path = "deep";
  CHECK(::mkdir((directory / path).c_str(), 0700) == 0);
  UniqueFd here(::open((directory / path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 50; ++depth) {
    CHECK(::mkdirat(here.get(), name.c_str(), 0700) == 0);
    here.Reset(::openat(here.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    path += "/" + name;
  }
  CHECK(path.size() > 10000);
  UniqueFd file(::openat(here.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  CHECK(::write(file.get(), "x", 1) == 1);
  CHECK(::symlinkat("target", here.get(), "link") == 0);
  Entries entries;
  CHECK(ScanDirectory(directory.path(), path, entries).ok());
  CHECK(entries.size() == 2 && Find(entries, "link").target == "target");
  CHECK(OpenBeneath(directory.path(), path + "/file", file).ok());
  char byte = 0;
  CHECK(::read(file.get(), &byte, 1) == 1 && byte == 'x');
}

void SymlinksAreNotFollowed(const test::TempDir& directory) {
  CHECK(::mkdir((directory / "real").c_str(), 0700) == 0);
  Touch(directory / "real/file");
  CHECK(::symlink("real", (directory / "alias").c_str()) == 0);
  CHECK(::symlink("real/file", (directory / "alias-file").c_str()) == 0);
  Entries entries;
  ScannedEntry entry;
  UniqueFd file;
  CHECK(ScanDirectory(directory.path(), "alias", entries).code() == Code::ERR_NO_INPUT);
  CHECK(ScanEntry(directory.path(), "alias/file", entry).code() == Code::ERR_NO_INPUT);
  CHECK(OpenBeneath(directory.path(), "alias/file", file).code() == Code::ERR_NO_INPUT);
  CHECK(OpenBeneath(directory.path(), "alias-file", file).code() == Code::ERR_NO_INPUT);
  CHECK(OpenBeneath(directory.path(), "real/file", file).ok());
  // The root itself may be reached through one.
  CHECK(ScanDirectory(directory / "alias", "", entries).ok() && entries.size() == 1);
}

void HostilePaths(const test::TempDir& directory) {
  Entries entries;
  for (const std::string_view path :
       {"..", ".", "/", "/etc", "a/../..", "a//b", "a/", "./a", "real/.."}) {
    CHECK(ScanDirectory(directory.path(), path, entries).code() == Code::ERR_USAGE);
  }
  CHECK(ScanDirectory(directory.path(), std::string_view("a\0b", 3), entries).code() ==
        Code::ERR_USAGE);
  const Status status = ScanDirectory(directory.path(), "no\nsuch", entries);
  CHECK(status.code() == Code::ERR_NO_INPUT);
  CHECK(status.details().at(0).second == directory / "no\\x0asuch");
  CHECK(ScanDirectory(directory.path(), "real/file", entries).code() == Code::ERR_NO_INPUT);
  CHECK(ScanDirectory(directory.path(), std::string(300, 'x'), entries).code() == Code::ERR_IO);
}

void OnlyRegularFilesAreOpened(const test::TempDir& directory) {
  UniqueFd file;
  // Opening a FIFO would wait for a writer.
  CHECK(OpenBeneath(directory.path(), "fifo", file).code() == Code::ERR_NO_INPUT);
  CHECK(OpenBeneath(directory.path(), "dir", file).code() == Code::ERR_NO_INPUT);
  CHECK(OpenBeneath(directory.path(), "", file).code() == Code::ERR_NO_INPUT);
  CHECK(!file.ok());
}

}  // namespace
}  // namespace g8ufs

int main() {
  const g8ufs::test::TempDir directory;
  g8ufs::Types(directory);
  g8ufs::NamesAreBytesInOrder(directory);
  g8ufs::Xattrs(directory);
  g8ufs::DeeperThanPathMax(directory);
  g8ufs::SymlinksAreNotFollowed(directory);
  g8ufs::HostilePaths(directory);
  g8ufs::OnlyRegularFilesAreOpened(directory);
  return g8ufs::test::Failures();
}
