// Restoring: entries of all types, attributes in the right order, and hostile paths that must not lead
// out of the root. What needs root is done only by root.
#include "restore/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <initializer_list>

#include "base/file_io.h"
#include "scan/scan.h"
#include "test/check.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

const bool kIsRoot = ::geteuid() == 0;

ScannedEntry Scan(const test::TempDir& directory, const std::string& path) {
  ScannedEntry entry;
  CHECK(ScanEntry(directory.path(), path, entry).ok());
  return entry;
}

RestoredEntry OfType(mode_t mode) {
  RestoredEntry entry;
  entry.mode = mode;
  if (S_ISLNK(mode)) entry.target = "/etc/\xff";
  return entry;
}

RestoredAttributes WithMode(mode_t mode) {
  RestoredAttributes attributes;
  attributes.mode = mode;
  attributes.mtime_seconds = -5;
  attributes.mtime_nanoseconds = 123456789;
  return attributes;
}

// The tree holds no more than it did.
bool IsEmpty(const test::TempDir& directory) {
  std::vector<ScannedEntry> entries;
  return ScanDirectory(directory.path(), "", entries).ok() && entries.empty();
}

void MakesEveryType(const test::TempDir& directory) {
  for (const mode_t type : std::initializer_list<mode_t>{S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK}) {
    const std::string name = "type-" + std::to_string(type);
    CHECK(RestoreEntry(directory.path(), name, OfType(type | 0777)).ok());
    const ScannedEntry made = Scan(directory, name);
    CHECK((made.attributes.st_mode & S_IFMT) == type);
    if (type == S_IFLNK) {
      CHECK(made.target == "/etc/\xff");
    } else {
      CHECK((made.attributes.st_mode & 077) == 0);
    }
  }
  CHECK(RestoreEntry(directory.path(), "regular", OfType(S_IFREG)).code() == Code::ERR_USAGE);
  CHECK(RestoreEntry(directory.path(), "none", OfType(0)).code() == Code::ERR_USAGE);
  RestoredEntry device = OfType(S_IFCHR);
  device.rdev_major = 511;
  device.rdev_minor = 70000;
  const Status status = RestoreEntry(directory.path(), "device", device);
  CHECK(status.ok() || status.code() == Code::ERR_PERMISSION);
  if (!status.ok()) return;
  const dev_t number = Scan(directory, "device").attributes.st_rdev;
  CHECK(::major(number) == 511 && ::minor(number) == 70000);
}

void TakesDirectoriesThatAreThere(const test::TempDir& directory) {
  CHECK(::mkdir((directory / "there").c_str(), 0755) == 0);
  CHECK(RestoreEntry(directory.path(), "there", OfType(S_IFDIR)).ok());
  CHECK(RestoreEntry(directory.path(), "", OfType(S_IFDIR)).ok());
  CHECK((Scan(directory, "there").attributes.st_mode & 07777) == 0755);
  CHECK(::symlink("there", (directory / "alias").c_str()) == 0);
  CHECK(RestoreEntry(directory.path(), "alias", OfType(S_IFDIR)).code() == Code::ERR_CREATE);
  for (const mode_t type : std::initializer_list<mode_t>{S_IFLNK, S_IFIFO, S_IFSOCK}) {
    const Status status = RestoreEntry(directory.path(), "there", OfType(type));
    CHECK(status.code() == Code::ERR_CREATE && status.error() == EEXIST);
    CHECK(status.details().at(0).second == directory / "there");
  }
}

void MakesSparseFiles(const test::TempDir& directory) {
  UniqueFd file;
  constexpr int64_t kSize = int64_t{1} << 30;
  CHECK(RestoreFile(directory.path(), "file", kSize, file).ok());
  const ScannedEntry made = Scan(directory, "file");
  CHECK(made.attributes.st_mode == (S_IFREG | 0600));
  CHECK(made.attributes.st_size == kSize && made.attributes.st_blocks < 64);
  CHECK(RestoreFile(directory.path(), "file", 0, file).code() == Code::ERR_CREATE);
  CHECK(RestoreFile(directory.path(), "", 0, file).code() == Code::ERR_CREATE);
  CHECK(::symlink("not-yet", (directory / "dangling").c_str()) == 0);
  CHECK(RestoreFile(directory.path(), "dangling", 0, file).code() == Code::ERR_CREATE);
  CHECK(::access((directory / "not-yet").c_str(), F_OK) != 0);
  // Larger than any filesystem: nothing stays.
  CHECK(!RestoreFile(directory.path(), "huge", kOffsetMax, file).ok() ||
        ::unlink((directory / "huge").c_str()) == 0);
  CHECK(::access((directory / "huge").c_str(), F_OK) != 0);
}

void Links(const test::TempDir& directory) {
  UniqueFd file;
  CHECK(RestoreFile(directory.path(), "first", 0, file).ok());
  CHECK(RestoreEntry(directory.path(), "symlink", OfType(S_IFLNK)).ok());
  CHECK(RestoreLink(directory.path(), "first", "second").ok());
  CHECK(RestoreLink(directory.path(), "symlink", "symlink-too").ok());
  CHECK(Scan(directory, "first").attributes.st_ino == Scan(directory, "second").attributes.st_ino);
  CHECK(Scan(directory, "symlink-too").target == "/etc/\xff");
  CHECK(RestoreLink(directory.path(), "first", "second").code() == Code::ERR_CREATE);
  CHECK(RestoreLink(directory.path(), "absent", "third").code() == Code::ERR_CREATE);
  CHECK(RestoreLink(directory.path(), "../first", "third").code() == Code::ERR_USAGE);
}

void SetsAttributes(const test::TempDir& directory) {
  UniqueFd file;
  CHECK(RestoreFile(directory.path(), "attributes", 0, file).ok());
  const std::string path = directory / "attributes";
  RestoredAttributes attributes = WithMode(S_IFREG | 04751);
  if (kIsRoot) {
    attributes.uid = 12345;
    attributes.gid = 4294967294;
  }
  CHECK(RestoreAttributes(directory.path(), "attributes", attributes).ok());
  const struct stat set = Scan(directory, "attributes").attributes;
  CHECK((set.st_mode & 07777) == 04751);
  CHECK(set.st_mtim.tv_sec == -5 && set.st_mtim.tv_nsec == 123456789);
  if (kIsRoot) CHECK(set.st_uid == 12345 && set.st_gid == 4294967294);
  CHECK(RestoreAttributes(directory.path(), "absent", attributes).code() == Code::ERR_CREATE);

  if (::setxattr(path.c_str(), "user.old", "1", 1, 0) != 0) return;  // the filesystem has none
  // Read only from then on, also for the owner.
  attributes.mode = 0400;
  attributes.xattrs.emplace();
  attributes.xattrs->push_back({"user.new", std::string("\0v", 2)});
  CHECK(RestoreAttributes(directory.path(), "attributes", attributes).ok());
  const ScannedEntry changed = Scan(directory, "attributes");
  CHECK(changed.xattrs.size() == 1 && changed.xattrs[0].name == "user.new");
  CHECK(changed.xattrs[0].value == std::string("\0v", 2));
  attributes.xattrs->push_back({std::string("user.\0x", 7), ""});
  const Status status = RestoreAttributes(directory.path(), "attributes", attributes);
  CHECK(status.code() == Code::ERR_CREATE);
  CHECK(status.message().find("xattr user.\\x00x") != std::string::npos);
}

void SetsAttributesOfSymlinks(const test::TempDir& directory) {
  UniqueFd file;
  CHECK(RestoreFile(directory.path(), "target", 0, file).ok());
  RestoredEntry link = OfType(S_IFLNK);
  link.target = "target";
  CHECK(RestoreEntry(directory.path(), "to-target", link).ok());
  const struct stat before = Scan(directory, "target").attributes;
  RestoredAttributes attributes = WithMode(S_IFLNK | 0777);
  if (kIsRoot) {
    attributes.uid = 33;
    attributes.xattrs.emplace();
    attributes.xattrs->push_back({"trusted.link", "x"});
  }
  CHECK(RestoreAttributes(directory.path(), "to-target", attributes).ok());
  const ScannedEntry set = Scan(directory, "to-target");
  CHECK(set.attributes.st_mtim.tv_sec == -5 && set.attributes.st_mtim.tv_nsec == 123456789);
  if (kIsRoot) {
    CHECK(set.attributes.st_uid == 33);
    CHECK(set.xattrs.size() == 1 && set.xattrs[0].name == "trusted.link");
  }
  const struct stat after = Scan(directory, "target").attributes;
  CHECK(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mode == after.st_mode);
  CHECK(before.st_ctim.tv_nsec == after.st_ctim.tv_nsec && before.st_uid == after.st_uid);
}

void NothingLandsOutside(const test::TempDir& directory) {
  const test::TempDir outside;
  CHECK(::symlink(outside.path().c_str(), (directory / "out").c_str()) == 0);
  CHECK(::symlink(".", (directory / "here").c_str()) == 0);
  CHECK(::mkdir((directory / "inner").c_str(), 0700) == 0);
  CHECK(::symlink("../out", (directory / "inner/out").c_str()) == 0);
  UniqueFd file;
  CHECK(RestoreFile(directory.path(), "source", 0, file).ok());
  for (const std::string path : {"out/x", "inner/out/x", "here/x", "out/x/y", "source/x"}) {
    for (const mode_t type : std::initializer_list<mode_t>{S_IFDIR, S_IFLNK, S_IFIFO}) {
      CHECK(RestoreEntry(directory.path(), path, OfType(type)).code() == Code::ERR_CREATE);
    }
    CHECK(RestoreFile(directory.path(), path, 0, file).code() == Code::ERR_CREATE);
    CHECK(RestoreLink(directory.path(), "source", path).code() == Code::ERR_CREATE);
    CHECK(RestoreLink(directory.path(), path, "target").code() == Code::ERR_CREATE);
    CHECK(RestoreAttributes(directory.path(), path, WithMode(0)).code() == Code::ERR_CREATE);
  }
  for (const std::string_view path : {"..", "../x", "/x", "a/../../x", "./x", "x/", "a//x", "."}) {
    CHECK(RestoreEntry(directory.path(), path, OfType(S_IFDIR)).code() == Code::ERR_USAGE);
    CHECK(RestoreFile(directory.path(), path, 0, file).code() == Code::ERR_USAGE);
    CHECK(RestoreLink(directory.path(), "source", path).code() == Code::ERR_USAGE);
    CHECK(RestoreAttributes(directory.path(), path, WithMode(0)).code() == Code::ERR_USAGE);
  }
  CHECK(IsEmpty(outside));
  RestoredEntry link = OfType(S_IFLNK);
  link.target = std::string("a\0b", 3);
  CHECK(RestoreEntry(directory.path(), "nul", link).code() == Code::ERR_CREATE);
}

}  // namespace
}  // namespace g8ufs

int main() {
  const g8ufs::test::TempDir directory;
  g8ufs::MakesEveryType(directory);
  g8ufs::TakesDirectoriesThatAreThere(directory);
  g8ufs::MakesSparseFiles(directory);
  g8ufs::Links(directory);
  g8ufs::SetsAttributes(directory);
  g8ufs::SetsAttributesOfSymlinks(directory);
  g8ufs::NothingLandsOutside(directory);
  return g8ufs::test::Failures();
}
