// The table of open files that outlives the daemon: by itself, and as a session leaves it to the next one.
#include "driver/held_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "test/driver_fixture.h"

namespace g8ufs {
namespace {

using fuse::Opcode;
using test::Directory;
using test::DriverFixture;
using test::File;
using test::kBlock;
using test::TestNode;

UniqueFd Duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

std::unique_ptr<HeldFiles> Created() {
  std::unique_ptr<HeldFiles> files;
  CHECK(HeldFiles::Create(&files).ok());
  HeldFiles::Connection connection;
  connection.flags = fuse::kHasResend;
  connection.max_read_bytes = 4096;
  connection.path = "/mnt";
  CHECK(files->Begin(connection).ok());
  return files;
}

void SurvivesItsOwner() {
  std::unique_ptr<HeldFiles> files = Created();
  HeldFiles::Hold first;
  HeldFiles::Hold second;
  CHECK(files->Add(1, DriverFixture::DigestOf(1), 10, &first));
  CHECK(files->Add(2, DriverFixture::DigestOf(2), 0, &second));
  first.SetOpens(3);
  second.SetOpens(1);
  std::unique_ptr<HeldFiles> adopted;
  CHECK(HeldFiles::Adopt(Duplicate(files->fd()), &adopted).ok());
  const auto records = adopted->Records();
  CHECK(records.size() == 2);
  CHECK(records[0].nid == 1 && records[0].backing_id == 10 && records[0].opens == 3);
  CHECK(records[0].digest == DriverFixture::DigestOf(1));
  CHECK(records[1].nid == 2 && records[1].backing_id == 0 && records[1].opens == 1);
  CHECK(adopted->connection().path == "/mnt" && adopted->connection().flags == fuse::kHasResend);
  // A place that is free is used again, one that is not is not.
  first.Reset();
  CHECK(HeldFiles::Adopt(Duplicate(files->fd()), &adopted).ok());
  HeldFiles::Hold third;
  CHECK(adopted->Add(3, DriverFixture::DigestOf(3), 0, &third));
  CHECK(adopted->Records().size() == 2 && adopted->Records()[0].nid == 3);
}

void RefusesWhatIsNoTable() {
  std::unique_ptr<HeldFiles> adopted;
  CHECK(!HeldFiles::Adopt(UniqueFd(::open("/dev/null", O_RDWR)), &adopted).ok());
  CHECK(!HeldFiles::Adopt(UniqueFd(::memfd_create("x", MFD_CLOEXEC)), &adopted).ok());
  CHECK(!HeldFiles::Adopt(UniqueFd(), &adopted).ok());
  std::unique_ptr<HeldFiles> empty;
  CHECK(HeldFiles::Create(&empty).ok());
  CHECK(!HeldFiles::Adopt(Duplicate(empty->fd()), &adopted).ok());
}

// A process that is killed while it enters and removes records leaves whole ones.
void IsWholeAfterAKill() {
  for (int round = 0; round < 20; ++round) {
    std::unique_ptr<HeldFiles> files = Created();
    const pid_t child = ::fork();
    if (child == 0) {
      for (uint64_t i = 0;; ++i) {
        HeldFiles::Hold holds[4];
        for (uint64_t j = 0; j < 4; ++j) {
          const auto byte = static_cast<uint8_t>((i + j) % 251);
          (void)files->Add(byte, DriverFixture::DigestOf(byte), byte, &holds[j]);
          holds[j].SetOpens(byte);
        }
      }
    }
    ::usleep(2000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::unique_ptr<HeldFiles> adopted;
    CHECK(HeldFiles::Adopt(Duplicate(files->fd()), &adopted).ok());
    for (const HeldFiles::Snapshot& record : adopted->Records()) {
      const auto byte = static_cast<uint8_t>(record.nid);
      CHECK(record.nid < 251 && record.digest == DriverFixture::DigestOf(byte));
      CHECK(record.backing_id == byte && (record.opens == byte || record.opens == 0));
    }
  }
}

TestNode Tree() {
  TestNode root = Directory();
  root.children["cached"] = File(1, 2 * kBlock, "dd");
  root.children["other"] = File(2, 2 * kBlock, "dd");
  return root;
}

SessionOptions Kept() {
  SessionOptions options;
  options.keep = true;
  options.deadline = std::chrono::milliseconds(10'000);
  return options;
}

void GoesOnWithOpenFiles() {
  DriverFixture world(Tree(), Kept());
  world.WriteComplete(2, DriverFixture::BlockBytes(0) + DriverFixture::BlockBytes(1));
  const uint64_t cached = world.Nid("cached");
  const uint64_t other = world.Nid("other");
  CHECK(world.Attach(1, 2 * kBlock).ok());
  const fuse::OpenOut first = world.kernel.Open(cached);
  world.kernel.Open(cached);
  const fuse::OpenOut third = world.kernel.Open(other);
  UniqueFd device;
  UniqueFd table;
  CHECK(world.session->HeldDescriptors(&device, &table));
  // A read that waits is left unanswered.
  const uint64_t waiting = world.kernel.SendRead(cached, first.fh, 0, kBlock);
  world.WaitNeeds(1);
  world.Replace(std::move(device), std::move(table));

  // The kernel sends it again, marked.
  constexpr uint64_t kResent = uint64_t{1} << 63;
  CHECK(world.kernel.Notified() == fuse::kNotifyResend);
  world.kernel.Resend(waiting | kResent, cached, first.fh, 0, kBlock);
  world.WaitNeeds(2);
  world.Fill(1, 0, 2);
  CHECK(world.kernel.Wait(waiting | kResent)->data == DriverFixture::BlockBytes(0));
  // Which file is meant says the inode, and not the handle: an earlier version's may differ.
  CHECK(world.kernel.Wait(world.kernel.SendRead(other, third.fh, kBlock, kBlock))->data ==
        DriverFixture::BlockBytes(1));
  CHECK(world.kernel.Wait(world.kernel.SendRead(other, first.fh, 0, kBlock))->data ==
        DriverFixture::BlockBytes(0));
  CHECK(world.session->Stats().open_files == 3);
  for (const uint64_t nid : {cached, cached, other}) {
    CHECK(world.kernel.Call(Opcode::RELEASE, nid, std::string(24, '\0')).error == 0);
  }
  // An answer that says so comes before the count.
  for (int i = 0; i < 1000 && world.session->Stats().open_files > 0; ++i) ::usleep(1000);
  CHECK(world.session->Stats().open_files == 0);
}

// Whatever the record says that the index does not: nobody knows which file the kernel would read.
void OpensNothingThatIsInDoubt() {
  DriverFixture world(Tree(), Kept());
  const uint64_t cached = world.Nid("cached");
  CHECK(world.Attach(1, 2 * kBlock).ok());
  const fuse::OpenOut open = world.kernel.Open(cached);
  UniqueFd device;
  UniqueFd table;
  CHECK(world.session->HeldDescriptors(&device, &table));
  {
    // As another mount would have it.
    std::unique_ptr<HeldFiles> files;
    CHECK(HeldFiles::Adopt(Duplicate(table.get()), &files).ok());
    const auto records = files->Records();
    CHECK(records.size() == 1);
    HeldFiles::Hold hold = files->Take(records[0]);
    hold.Reset();
    HeldFiles::Hold wrong;
    CHECK(files->Add(cached, DriverFixture::DigestOf(2), 0, &wrong));
    wrong.SetOpens(1);
    wrong.Release();
  }
  world.Replace(std::move(device), std::move(table));
  CHECK(world.kernel.Notified() == fuse::kNotifyResend);
  const fuse::OpenIn in{};
  CHECK(world.kernel.Wait(world.kernel.SendStruct(Opcode::OPEN, cached, in))->error == EIO);
  CHECK(world.kernel.Wait(world.kernel.SendRead(cached, open.fh, 0, kBlock))->error == EIO);
  CHECK(world.kernel.Open(world.Nid("other")).fh != 0);
}

void ContentsAreFoundByTheirNodes() {
  DriverFixture world(Tree(), Kept(), ~uint64_t{0} & ~fuse::kPassthrough, test::Serves::kObjects);
  world.WriteComplete(1, DriverFixture::BlockBytes(0) + DriverFixture::BlockBytes(1));
  const auto lookup = [&](uint64_t parent, const std::string& name) {
    return world.kernel.Call(Opcode::LOOKUP, parent, name + '\0').As<fuse::EntryOut>().nodeid;
  };
  const uint64_t node =
      lookup(lookup(lookup(1, "01"), "01"), ToHex(DriverFixture::DigestOf(1)));
  CHECK(node != 0);
  UniqueFd device;
  UniqueFd table;
  CHECK(world.session->HeldDescriptors(&device, &table));
  world.Replace(std::move(device), std::move(table), true);
  // Nobody is told that it is unknown before the images are there.
  CHECK(world.session->AddImage(world.directory.path(), &world.image).ok());
  CHECK(world.session->Resume().ok());
  CHECK(world.kernel.Notified() == fuse::kNotifyResend);
  const auto attr = world.kernel.Call(Opcode::GETATTR, node).As<fuse::AttrOut>();
  CHECK(attr.attr.size == 2 * kBlock && attr.attr.ino == node);
  CHECK(world.kernel.Wait(world.kernel.SendRead(node, 0, kBlock, kBlock))->data ==
        DriverFixture::BlockBytes(1));
  CHECK(world.kernel.Call(Opcode::GETATTR, node + 1).error == ESTALE);
}

}  // namespace
}  // namespace g8ufs

int main() {
  using namespace g8ufs;
  SurvivesItsOwner();
  RefusesWhatIsNoTable();
  IsWholeAfterAKill();
  GoesOnWithOpenFiles();
  OpensNothingThatIsInDoubt();
  ContentsAreFoundByTheirNodes();
  return g8ufs::test::Failures();
}
