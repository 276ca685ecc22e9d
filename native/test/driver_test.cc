// The driver behind a fake kernel: every answer that needs no real mount.
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "test/driver_fixture.h"

namespace g8ufs {
namespace {

using fuse::Opcode;
using test::Directory;
using test::DriverFixture;
using test::File;
using test::kBlock;
using test::TestNode;

TestNode OneFile(uint64_t blocks, const std::string& kinds = {}) {
  TestNode root = Directory();
  root.children["file"] =
      File(1, blocks * kBlock, kinds.empty() ? std::string(blocks, 'd') : kinds);
  return root;
}

std::string Name(const std::string& name) { return name + '\0'; }

void NegotiatesOnlyWhatIsOffered() {
  DriverFixture all(OneFile(1));
  CHECK(all.init.major == 7 && all.init.minor == fuse::kMinor);
  CHECK((all.init.flags & fuse::kDoReaddirplus) != 0);
  CHECK((all.init.flags & fuse::kReaddirplusAuto) == 0);
  CHECK((all.init.flags & fuse::kNoOpenSupport) == 0);
  CHECK(all.init.max_pages == 256 && all.init.time_gran == 1);
  DriverFixture none(OneFile(1), {}, 0);
  CHECK(none.init.flags == 0 && none.init.flags2 == 0 && none.init.max_pages == 0);
  CHECK(none.session->info().max_read_bytes == 128 * 1024);
}

void AnswersMetadata() {
  DriverFixture fixture(OneFile(3));
  const auto found = fixture.kernel.Call(Opcode::LOOKUP, 1, Name("file")).As<fuse::EntryOut>();
  CHECK(found.nodeid == fixture.Nid("file") && found.attr.ino == found.nodeid);
  CHECK(found.attr.size == 3 * kBlock && found.attr.blocks == 24 && found.entry_valid == 86400);
  const auto absent = fixture.kernel.Call(Opcode::LOOKUP, 1, Name("none"));
  CHECK(absent.error == 0 && absent.As<fuse::EntryOut>().nodeid == 0);
  CHECK(absent.As<fuse::EntryOut>().entry_valid == 86400);
  CHECK(fixture.kernel.Call(Opcode::LOOKUP, 1, Name(std::string(256, 'x'))).error == ENAMETOOLONG);
  CHECK(fixture.kernel.Call(Opcode::LOOKUP, 1, "no terminator").error == EINVAL);
  CHECK(fixture.kernel.Call(Opcode::LOOKUP, 1, Name("..")).As<fuse::EntryOut>().nodeid == 1);
  const auto root = fixture.kernel.Call(Opcode::GETATTR, 1).As<fuse::AttrOut>();
  CHECK(root.attr.mode == (S_IFDIR | 0755) && root.attr.ino == 36);
  CHECK(fixture.kernel.Call(Opcode::GETATTR, 1 << 30).error == EIO);
  CHECK(fixture.kernel.Call(Opcode::READLINK, fixture.Nid("file")).error == EINVAL);
  const auto statfs = fixture.kernel.Call(Opcode::STATFS, 1).As<fuse::StatfsOut>();
  CHECK(statfs.blocks == 3 && statfs.files == 2 && statfs.namelen == 255);
}

void AnswersWhatItDoesNotDo() {
  DriverFixture fixture(OneFile(1));
  for (const Opcode opcode : {Opcode::WRITE, Opcode::MKDIR, Opcode::SETATTR, Opcode::UNLINK,
                              Opcode::CREATE, Opcode::SETXATTR, Opcode::TMPFILE}) {
    CHECK(fixture.kernel.Call(opcode, 1).error == EROFS);
  }
  for (const Opcode opcode : {Opcode::OPENDIR, Opcode::ACCESS, Opcode::FLUSH, Opcode::STATX,
                              Opcode::POLL, Opcode::FSYNC, static_cast<Opcode>(4000)}) {
    CHECK(fixture.kernel.Call(opcode, 1).error == ENOSYS);
  }
  CHECK(fixture.kernel.Call(Opcode::IOCTL, 1).error == ENOTTY);
  CHECK(fixture.kernel.Call(Opcode::DESTROY, 1).error == 0);
  const fuse::OpenIn write{O_RDWR, 0};
  const uint64_t open = fixture.kernel.SendStruct(Opcode::OPEN, fixture.Nid("file"), write);
  CHECK(fixture.kernel.Wait(open)->error == EROFS);
}

void ServesXattrs() {
  TestNode root = OneFile(1);
  root.children["file"].xattrs = {{1, "a", "value"}, {4, "secret", "s"}};
  DriverFixture fixture(std::move(root));
  const uint64_t nid = fixture.Nid("file");
  const std::string room(8, '\0');
  std::string some = room;
  some[0] = 100;
  CHECK(fixture.kernel.Call(Opcode::GETXATTR, nid, room + Name("user.a"))
            .As<fuse::GetxattrOut>()
            .size == 5);
  CHECK(fixture.kernel.Call(Opcode::GETXATTR, nid, some + Name("user.a")).data == "value");
  CHECK(fixture.kernel.Call(Opcode::GETXATTR, nid, some + Name("user.b")).error == ENODATA);
  some[0] = 3;
  CHECK(fixture.kernel.Call(Opcode::GETXATTR, nid, some + Name("user.a")).error == ERANGE);
  some[0] = 100;
  CHECK(fixture.kernel.Call(Opcode::LISTXATTR, nid, some).data ==
        Name("user.a") + Name("trusted.secret"));
}

// The value of an xattr, or `errno N`.
std::string XattrOf(DriverFixture& fixture, const std::string& name) {
  std::string room(8, '\0');
  room[0] = 100;
  const auto reply =
      fixture.kernel.Call(Opcode::GETXATTR, fixture.Nid("file"), room + Name("user." + name));
  return reply.error == 0 ? reply.data : "errno " + std::to_string(reply.error);
}

void TellsWhatIsLocal() {
  const auto with_xattr = [] {
    TestNode root = OneFile(4, "ddhd");
    root.children["file"].xattrs = {{1, "a", "value"}};
    return root;
  };
  DriverFixture fixture(with_xattr());
  CHECK(XattrOf(fixture, "g8ufs.digest") == ToHex(DriverFixture::DigestOf(1)));
  CHECK(XattrOf(fixture, "g8ufs.chunks") == "4");
  CHECK(XattrOf(fixture, "g8ufs.chunk_size") == "4096");
  CHECK(XattrOf(fixture, "g8ufs.data") == std::to_string(4 * kBlock));
  CHECK(XattrOf(fixture, "g8ufs.local") == "0");
  CHECK(XattrOf(fixture, "g8ufs.other") == "errno " + std::to_string(ENODATA));
  const uint64_t nid = fixture.Nid("file");
  fixture.kernel.Open(nid);
  CHECK(fixture.Attach(1, 4 * kBlock).ok());
  CHECK(XattrOf(fixture, "g8ufs.local") == "0");  // holes are no data
  fixture.Fill(1, 1, 1);
  CHECK(XattrOf(fixture, "g8ufs.local") == std::to_string(kBlock));
  CHECK(XattrOf(fixture, "g8ufs.remaining") == std::to_string(3 * kBlock));
  fixture.WriteComplete(1, std::string(4 * kBlock, 'x'));
  CHECK(XattrOf(fixture, "g8ufs.remaining") == "0");

  SessionOptions options;
  options.magic_xattrs = MagicXattrs::kOn;
  DriverFixture told(OneFile(1), options);
  CHECK(XattrOf(told, "g8ufs.local") == "0");
  options.magic_xattrs = MagicXattrs::kOff;
  DriverFixture hidden(with_xattr(), options);
  CHECK(XattrOf(hidden, "g8ufs.local") == "errno " + std::to_string(ENODATA));
  CHECK(XattrOf(hidden, "a") == "value");
}

void TellsWhoWaitsAndWhatIsOpened() {
  DriverFixture fixture(OneFile(4));
  const uint64_t nid = fixture.Nid("file");
  CHECK(fixture.session->TakeOpens(true).empty());
  const fuse::OpenOut open = fixture.kernel.Open(nid);
  const auto opens = fixture.session->TakeOpens(true);
  CHECK(opens.size() == 1 && opens[0].nid == nid && !opens[0].complete);
  fixture.kernel.Open(nid);
  CHECK(fixture.session->TakeOpens(false).empty());  // once

  fixture.kernel.SendRead(nid, open.fh, kBlock, 2 * kBlock);
  const Need need = fixture.WaitNeeds(1)[0];
  CHECK(need.nid == nid && need.offset == kBlock && need.size == 2 * kBlock);
  CHECK(need.since <= std::chrono::steady_clock::now());
  CHECK(need.since > std::chrono::steady_clock::time_point{});
  CHECK(fixture.session->Stats().misses.waits == 1);
}

void ServesPresentBlocks() {
  DriverFixture fixture(OneFile(4));
  const uint64_t nid = fixture.Nid("file");
  CHECK(fixture.Attach(1, 4 * kBlock).ok());
  fixture.Fill(1, 0, 4);
  const fuse::OpenOut open = fixture.kernel.Open(nid);
  CHECK((open.open_flags & fuse::kFopenKeepCache) != 0);
  const auto reply = fixture.kernel.Wait(fixture.kernel.SendRead(nid, open.fh, 4090, 10));
  CHECK(reply && reply->data == "aaaaaabbbb");
  const auto tail = fixture.kernel.Wait(fixture.kernel.SendRead(nid, open.fh, 4 * kBlock - 3, 99));
  CHECK(tail && tail->data == "ddd");
  const auto end = fixture.kernel.Wait(fixture.kernel.SendRead(nid, open.fh, 4 * kBlock, 99));
  CHECK(end && end->error == 0 && end->data.empty());
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid + 1, 77, 0, 9))->error == EBADF);
}

void AsksOnceForAbsentBlocks() {
  DriverFixture fixture(OneFile(8));
  const uint64_t nid = fixture.Nid("file");
  CHECK(fixture.Attach(1, 8 * kBlock, {0b00000100}).ok());  // block 2 is there
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  const uint64_t first = fixture.kernel.SendRead(nid, fh, kBlock, 4 * kBlock);
  const auto needs = fixture.WaitNeeds(2);
  CHECK(needs[0].block == 1 && needs[0].count == 1);
  CHECK(needs[1].block == 3 && needs[1].count == 2);
  const uint64_t second = fixture.kernel.SendRead(nid, fh, 3 * kBlock, 3 * kBlock);
  CHECK(fixture.WaitNeeds(3)[2].block == 5);
  CHECK(fixture.session->Stats().misses.waiting == 2);
  fixture.Fill(1, 3, 2);
  CHECK(!fixture.kernel.Wait(first, 20));
  fixture.Fill(1, 5, 1);
  CHECK(fixture.kernel.Wait(second)->data.size() == 3 * kBlock);
  fixture.Fill(1, 1, 1);
  CHECK(fixture.kernel.Wait(first)->data.size() == 4 * kBlock);
  CHECK(fixture.WaitNeeds(3).size() == 3);
  CHECK(fixture.session->Stats().misses.waiting == 0);
}

void AttachingAnswersToo() {
  DriverFixture fixture(OneFile(2));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t read = fixture.kernel.SendRead(nid, fixture.kernel.Open(nid).fh, 0, 10);
  fixture.WaitNeeds(1);
  CHECK(fixture.Attach(1, 2 * kBlock, {0b1}).ok());
  CHECK(fixture.kernel.Wait(read)->data.size() == 10);
}

void HolesNeedNothing() {
  DriverFixture fixture(OneFile(3, "hhd"));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  const auto reply = fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 100, kBlock));
  CHECK(reply && reply->data == std::string(kBlock, '\0'));
  MutexLock lock(fixture.mutex);
  CHECK(fixture.needs.empty());
}

void LostBlocksFailAtOnce() {
  DriverFixture fixture(OneFile(3, "dld"));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 0, 2 * kBlock))->error == EIO);
}

void FailuresEndTheWait() {
  DriverFixture fixture(OneFile(4));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  const uint64_t first = fixture.kernel.SendRead(nid, fh, 0, 10);
  const uint64_t second = fixture.kernel.SendRead(nid, fh, 2 * kBlock, 10);
  fixture.WaitNeeds(2);
  CHECK(fixture.registry.Fail(DriverFixture::DigestOf(1), 0, 1, ENOSPC));
  CHECK(fixture.kernel.Wait(first)->error == ENOSPC);
  CHECK(!fixture.kernel.Wait(second, 20));
  CHECK(fixture.registry.Fail(DriverFixture::DigestOf(1), 0, 0, EIO));
  CHECK(fixture.kernel.Wait(second)->error == EIO);
  // Asked anew by the next reader.
  fixture.kernel.SendRead(nid, fh, 0, 10);
  CHECK(fixture.WaitNeeds(3)[2].block == 0);
}

void TheDeadlineEndsTheWait() {
  SessionOptions options;
  options.deadline = std::chrono::milliseconds(30);
  DriverFixture fixture(OneFile(1), options);
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 0, 10))->error == EIO);
  CHECK(fixture.session->Stats().misses.deadlines_missed == 1);
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 0, 10))->error == EIO);
  CHECK(fixture.WaitNeeds(2).size() == 2);
}

void AFullQueueIsTriedAgain() {
  DriverFixture fixture(OneFile(1));
  {
    MutexLock lock(fixture.mutex);
    fixture.refuse_needs = 3;
  }
  const uint64_t nid = fixture.Nid("file");
  const uint64_t read = fixture.kernel.SendRead(nid, fixture.kernel.Open(nid).fh, 0, 10);
  CHECK(fixture.WaitNeeds(1).size() == 1);
  CHECK(fixture.Attach(1, kBlock, {1}).ok());
  CHECK(fixture.kernel.Wait(read)->error == 0);
}

void InterruptsEndTheWait() {
  DriverFixture fixture(OneFile(1));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t read = fixture.kernel.SendRead(nid, fixture.kernel.Open(nid).fh, 0, 10);
  fixture.WaitNeeds(1);
  fixture.kernel.SendStruct(Opcode::INTERRUPT, 0, fuse::InterruptIn{read});
  CHECK(fixture.kernel.Wait(read)->error == EINTR);
  // Unknown, or not parked yet: the kernel is told to ask again.
  const uint64_t early = fixture.kernel.SendStruct(Opcode::INTERRUPT, 0, fuse::InterruptIn{9999});
  CHECK(fixture.kernel.Wait(early)->error == EAGAIN);
  CHECK(fixture.session->Stats().interrupts == 1);
}

void ReadsCompleteFiles() {
  DriverFixture fixture(OneFile(1));
  fixture.WriteComplete(1, std::string(kBlock, 'x'));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 0, 5))->data == "xxxxx");
  CHECK(fixture.registry.TakeTouched().size() == 32);
  CHECK(fixture.registry.TakeTouched().empty());
  CHECK(!fixture.registry.Drop(DriverFixture::DigestOf(1)));
  CHECK(fixture.kernel.Call(Opcode::RELEASE, nid).error == 0);
  CHECK(fixture.registry.Drop(DriverFixture::DigestOf(1)));
  CHECK(fixture.registry.ContentCount() == 0);
  CHECK(fixture.session->Stats().open_files == 0);
}

void UnsealedFilesAreAbsent() {
  DriverFixture fixture(OneFile(1));
  fixture.WriteComplete(1, std::string(kBlock, 'x'), false);
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  CHECK(fixture.WaitNeeds(1)[0].count == 0);
  fixture.kernel.SendRead(nid, fh, 0, 5);
  CHECK(fixture.WaitNeeds(2)[1].count == 1);
}

void CompletionAnswersWithoutAttaching() {
  DriverFixture fixture(OneFile(2));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  const uint64_t read = fixture.kernel.SendRead(nid, fh, 0, 3);
  fixture.WaitNeeds(1);
  fixture.WriteComplete(1, std::string(2 * kBlock, 'y'));
  fixture.registry.Complete(DriverFixture::DigestOf(1));
  CHECK(fixture.kernel.Wait(read)->data == "yyy");
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, kBlock, 2))->data == "yy");
}

void AFileEvictedAtOnceIsAskedForAnew() {
  DriverFixture fixture(OneFile(2));
  const uint64_t nid = fixture.Nid("file");
  const uint64_t read = fixture.kernel.SendRead(nid, fixture.kernel.Open(nid).fh, 0, 3);
  fixture.WaitNeeds(1);
  fixture.registry.Complete(DriverFixture::DigestOf(1));  // but there is none
  CHECK(fixture.WaitNeeds(2)[1].count == 1);
  CHECK(fixture.Attach(1, 2 * kBlock).ok());
  fixture.Fill(1, 0, 1);
  CHECK(fixture.kernel.Wait(read)->data == "aaa");
}

void SeeksByBlocks() {
  DriverFixture fixture(OneFile(4, "hddh"));
  const uint64_t nid = fixture.Nid("file");
  const auto seek = [&](uint64_t offset, uint32_t whence) {
    const fuse::LseekIn in{0, offset, whence, 0};
    const auto reply = fixture.kernel.Wait(fixture.kernel.SendStruct(Opcode::LSEEK, nid, in));
    return reply->error != 0 ? -static_cast<int64_t>(reply->error)
                             : static_cast<int64_t>(reply->As<fuse::LseekOut>().offset);
  };
  CHECK(seek(0, SEEK_DATA) == kBlock && seek(5000, SEEK_DATA) == 5000);
  CHECK(seek(3 * kBlock, SEEK_DATA) == -ENXIO && seek(4 * kBlock, SEEK_DATA) == -ENXIO);
  CHECK(seek(7, SEEK_HOLE) == 7 && seek(kBlock, SEEK_HOLE) == 3 * kBlock);
  CHECK(seek(0, SEEK_SET) == -EINVAL);
}

bool DropSoon(DriverFixture& fixture, uint8_t content) {
  for (int attempt = 0; attempt < 5000; attempt++) {
    if (fixture.registry.Drop(DriverFixture::DigestOf(content))) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void ReadsByInodeWithoutOpen() {
  SessionOptions options;
  options.open_mode = OpenMode::kNone;
  DriverFixture fixture(OneFile(2), options);
  const uint64_t nid = fixture.Nid("file");
  CHECK((fixture.init.flags & fuse::kNoOpenSupport) != 0);
  const fuse::OpenIn in{};
  const uint64_t open = fixture.kernel.SendStruct(Opcode::OPEN, nid, in);
  CHECK(fixture.kernel.Wait(open)->error == ENOSYS);
  const uint64_t read = fixture.kernel.SendRead(nid, 0, 0, 4);
  fixture.WaitNeeds(1);
  CHECK(fixture.Attach(1, 2 * kBlock).ok());
  fixture.Fill(1, 0, 1);
  CHECK(fixture.kernel.Wait(read)->data == "aaaa");
  // Kept only in case it is read again: the cache may have it back, once the worker that has answered lets go.
  CHECK(DropSoon(fixture, 1));
  CHECK(fixture.registry.ContentCount() == 0);
  fixture.WriteComplete(1, std::string(2 * kBlock, 'z'));
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, 0, 0, 4))->data == "zzzz");
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(1, 0, 0, 4))->error == EINVAL);
}

void NotesFirstTouchesOnce() {
  SessionOptions options;
  options.open_mode = OpenMode::kCached;
  options.whole_blocks_max = 1;
  options.touches = std::make_shared<FirstTouches>();
  TestNode root = Directory();
  root.children["large"] = File(1, 3 * kBlock, "ddd");
  root.children["small"] = File(2, kBlock, "d");
  DriverFixture fixture(std::move(root), options);
  fixture.WriteComplete(1, std::string(3 * kBlock, 'x'));
  fixture.WriteComplete(2, std::string(kBlock, 'y'));
  const uint64_t large = fixture.Nid("large");
  const uint64_t fh = fixture.kernel.Open(large).fh;
  CHECK(options.touches->Pairs().empty());
  for (const auto& [offset, size] :
       {std::pair{2 * kBlock, 10U}, {0U, 10U}, {kBlock - 1, 2U}, {0U, 3 * kBlock}}) {
    CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(large, fh, offset, size))->error == 0);
  }
  // Opening it is enough.
  fixture.kernel.Open(fixture.Nid("small"));
  const std::vector<uint32_t> expected = {0, 2, 0, 0, 0, 1, 1, 0};
  CHECK(options.touches->Pairs() == expected);
  fixture.session.reset();
  CHECK(options.touches->Pairs() == expected);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::NegotiatesOnlyWhatIsOffered();
  g8ufs::AnswersMetadata();
  g8ufs::AnswersWhatItDoesNotDo();
  g8ufs::ServesXattrs();
  g8ufs::TellsWhatIsLocal();
  g8ufs::TellsWhoWaitsAndWhatIsOpened();
  g8ufs::ServesPresentBlocks();
  g8ufs::AsksOnceForAbsentBlocks();
  g8ufs::AttachingAnswersToo();
  g8ufs::HolesNeedNothing();
  g8ufs::LostBlocksFailAtOnce();
  g8ufs::FailuresEndTheWait();
  g8ufs::TheDeadlineEndsTheWait();
  g8ufs::AFullQueueIsTriedAgain();
  g8ufs::InterruptsEndTheWait();
  g8ufs::ReadsCompleteFiles();
  g8ufs::UnsealedFilesAreAbsent();
  g8ufs::CompletionAnswersWithoutAttaching();
  g8ufs::AFileEvictedAtOnceIsAskedForAnew();
  g8ufs::SeeksByBlocks();
  g8ufs::ReadsByInodeWithoutOpen();
  g8ufs::NotesFirstTouchesOnce();
  return g8ufs::test::Failures();
}
