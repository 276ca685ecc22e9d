// The guest program's requests: what is malformed is refused, and trees are changed without leaving them.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "guest/files.h"
#include "guest/frame.h"
#include "guest/server.h"
#include "test/check.h"
#include "test/temp_dir.h"

namespace g8ufs::guest {
namespace {

using test::TempDir;

std::string Request(Operation operation, const FieldWriter& fields = {}) {
  std::string bytes("\x07\0\0\0", 4);
  bytes.push_back(static_cast<char>(operation));
  bytes.append(reinterpret_cast<const char*>(fields.span().data()), fields.size());
  return bytes;
}

ByteSpan Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void Write(const std::string& path) { std::ofstream(path) << "content"; }

mode_t ModeOf(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

void ReadsWhatWasWritten() {
  FieldWriter writer;
  writer.U32(7).Text("name").U64(uint64_t{1} << 40);
  FieldReader reader(writer.span());
  CHECK(reader.U32() == 7);
  CHECK(reader.Text() == "name");
  CHECK(!reader.IsComplete());
  CHECK(reader.U32() == 0 && reader.U32() == 1U << 8);
  CHECK(reader.IsComplete());
}

void RefusesFieldsThatAreNotThere() {
  FieldWriter writer;
  writer.U32(1000);
  FieldReader reader(writer.span());
  CHECK(reader.Bytes().empty());
  CHECK(!reader.ok());
  FieldReader nothing(ByteSpan{});
  CHECK(nothing.U32() == 0 && !nothing.ok());
  FieldWriter zero;
  zero.Text(std::string_view("a\0b", 3));
  FieldReader path(zero.span());
  CHECK(path.Text().empty() && !path.ok());
}

void RefusesMalformedRequests() {
  const UniqueFd null(::open("/dev/null", O_RDWR));
  Server server(null.get(), null.get());
  CHECK(!server.Handle({}));
  CHECK(!server.Handle(Bytes("\1\0\0\0")));
  for (int number = 0; number < 256; ++number) {
    // No operation goes without fields, and none with more than its own.
    const auto operation = static_cast<Operation>(number);
    CHECK(!server.Handle(Bytes(Request(operation))));
    FieldWriter many;
    for (int field = 0; field < 9; ++field) many.Text("/nonexistent");
    CHECK(!server.Handle(Bytes(Request(operation, many))));
  }
  FieldWriter look;
  CHECK(!server.Handle(Bytes(Request(Operation::kLook, look.U32(UINT32_MAX)))));
}

void RemovesATreeAndNothingBehindItsLinks() {
  const TempDir dir;
  std::filesystem::create_directories(dir / "tree/a/b");
  std::filesystem::create_directories(dir / "kept");
  Write(dir / "kept/file");
  Write(dir / "tree/a/b/file");
  std::filesystem::create_symlink(dir / "kept", dir / "tree/a/link");
  CHECK(Remove(dir / "tree") == 0);
  CHECK(!std::filesystem::exists(dir / "tree"));
  CHECK(std::filesystem::exists(dir / "kept/file"));
  CHECK(Remove(dir / "tree") == 0);
  std::filesystem::create_symlink(dir / "kept", dir / "link");
  CHECK(Remove(dir / "link/") == 0);
  CHECK(!std::filesystem::exists(std::filesystem::symlink_status(dir / "link")));
  CHECK(std::filesystem::exists(dir / "kept/file"));
  CHECK(Remove("/") == EPERM);
  CHECK(Remove("/..//.") == EPERM);
}

void ChangesModesBelowAPath() {
  const TempDir dir;
  std::filesystem::create_directories(dir / "tree/a");
  Write(dir / "tree/a/file");
  Write(dir / "outside");
  ::chmod((dir / "outside").c_str(), 0600);
  std::filesystem::create_symlink(dir / "outside", dir / "tree/a/link");
  CHECK(ChangeMode(dir / "tree", 0711, true) == 0);
  CHECK(ModeOf(dir / "tree/a/file") == 0711);
  CHECK(ModeOf(dir / "outside") == 0600);
  CHECK(ChangeMode(dir / "tree/a/file", 0640, true) == 0);
  CHECK(ModeOf(dir / "tree/a/file") == 0640);
  CHECK(ChangeMode(dir / "none", 0711, true) == ENOENT);
}

void MakesFolders() {
  const TempDir dir;
  CHECK(MakeFolder(dir / "a/b//c/") == 0);
  CHECK(MakeFolder(dir / "a/b/c") == 0);
  CHECK(ModeOf(dir / "a/b") == 0755);
  Write(dir / "file");
  CHECK(MakeFolder(dir / "file/x") == ENOTDIR);
  CHECK(MakeFolder(dir / "file") == ENOTDIR);
}

void OpensOnlyAsAsked() {
  const TempDir dir;
  OpenFiles files;
  uint32_t handle = 0;
  CHECK(files.Open(dir / "new", O_WRONLY, 0600, handle) == ENOENT);
  // Flags that give something else are no flags.
  CHECK(files.Open(dir.path(), O_PATH | O_DIRECTORY, 0, handle) == EISDIR);
  CHECK(files.Open(dir / "new", O_WRONLY | O_CREAT, 0600, handle) == 0);
  CHECK(files.Write(handle, Bytes("abc")) == 0);
  uint8_t room[8];
  size_t count = 0;
  CHECK(files.Read(handle, room, count) == EBADF);
  files.Close(handle);
  CHECK(files.Write(handle, Bytes("abc")) == EBADF);
  CHECK(files.Open(dir / "new", O_RDONLY, 0, handle) == 0);
  CHECK(files.Read(handle, room, count) == 0 && count == 3);
  CHECK(files.Read(handle, room, count) == 0 && count == 0);
}

void FindsIdsByName() {
  const TempDir dir;
  std::ofstream(dir / "passwd") << "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/:\n"
                                << "huge:x:4294967295:1::/:\nworse:x:99999999999:1::/:\n";
  uint32_t id = 7;
  CHECK(FindId(dir / "passwd", "root", id) == 0 && id == 0);
  CHECK(FindId(dir / "passwd", "web", id) == 0 && id == 33);
  CHECK(FindId(dir / "passwd", "1234", id) == 0 && id == 1234);
  CHECK(FindId(dir / "passwd", "broken", id) == EINVAL);
  CHECK(FindId(dir / "passwd", "huge", id) == EINVAL);
  CHECK(FindId(dir / "passwd", "worse", id) == EINVAL);
  CHECK(FindId(dir / "passwd", "", id) == EINVAL);
  CHECK(FindId(dir / "none", "4294967295", id) == EINVAL);
}

void ServesUntilItsInputEnds() {
  int input[2];
  int output[2];
  CHECK(::pipe(input) == 0 && ::pipe(output) == 0);
  FieldWriter fields;
  fields.Text("/");
  const std::string request = Request(Operation::kExists, fields);
  uint8_t head[4];
  StoreLe32(head, static_cast<uint32_t>(request.size()));
  CHECK(::write(input[1], head, sizeof head) == sizeof head);
  CHECK(::write(input[1], request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  ::close(input[1]);
  Server server(input[0], output[1]);
  CHECK(server.Run());
  uint8_t reply[64];
  CHECK(::read(output[0], reply, sizeof reply) == 4 + 5 + 4);
  CHECK(LoadLe32(reply) == 9 && LoadLe32(reply + 4) == 7 && reply[8] == 0 && reply[9] == 1);
  for (const int fd : {input[0], output[0], output[1]}) ::close(fd);
}

void EndsAtARequestThatIsTooLarge() {
  int input[2];
  CHECK(::pipe(input) == 0);
  CHECK(::write(input[1], "\xff\xff\xff\x7f", 4) == 4);
  const UniqueFd null(::open("/dev/null", O_RDWR));
  Server server(input[0], null.get());
  CHECK(!server.Run());
  for (const int fd : input) ::close(fd);
}

}  // namespace
}  // namespace g8ufs::guest

int main() {
  using namespace g8ufs::guest;
  ::umask(022);
  ReadsWhatWasWritten();
  RefusesFieldsThatAreNotThere();
  RefusesMalformedRequests();
  RemovesATreeAndNothingBehindItsLinks();
  ChangesModesBelowAPath();
  MakesFolders();
  OpensOnlyAsAsked();
  FindsIdsByName();
  ServesUntilItsInputEnds();
  EndsAtARequestThatIsTooLarge();
  return g8ufs::test::Failures();
}
