// Blocks that are lent instead of written, and contents whose file cannot be read.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "test/driver_fixture.h"

namespace g8ufs {
namespace {

using test::Directory;
using test::DriverFixture;
using test::File;
using test::kBlock;
using test::TestNode;

constexpr uint32_t kBlocks = 8;

TestNode OneFile() {
  TestNode root = Directory();
  root.children["file"] = File(1, uint64_t{kBlocks} * kBlock, std::string(kBlocks, 'd'));
  return root;
}

bool Lend(DriverFixture& fixture, uint32_t block) {
  const std::string bytes = DriverFixture::BlockBytes(block);
  return fixture.registry.Lend(DriverFixture::DigestOf(1), block,
                               {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

std::string Blocks(uint32_t first, uint32_t count) {
  std::string bytes;
  for (uint32_t i = first; i < first + count; ++i) bytes += DriverFixture::BlockBytes(i);
  return bytes;
}

void ServesLentBlocks() {
  DriverFixture fixture(OneFile());
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  // No file at all.
  const uint64_t first = fixture.kernel.SendRead(nid, fh, 0, 2 * kBlock);
  fixture.WaitNeeds(1);
  CHECK(Lend(fixture, 0));
  CHECK(!fixture.kernel.Wait(first, 20));
  CHECK(Lend(fixture, 1));
  CHECK(fixture.kernel.Wait(first)->data == Blocks(0, 2));
  const auto again = fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 100, kBlock));
  CHECK(again && again->data == Blocks(0, 2).substr(100, kBlock));
  // Beside blocks of a file.
  CHECK(fixture.Attach(1, uint64_t{kBlocks} * kBlock).ok());
  fixture.Fill(1, 2, 1);
  fixture.Fill(1, 4, 1);
  const uint64_t mixed = fixture.kernel.SendRead(nid, fh, 50, 5 * kBlock - 100);
  CHECK(fixture.WaitNeeds(2)[1].block == 3);
  CHECK(Lend(fixture, 3));
  CHECK(fixture.kernel.Wait(mixed)->data == Blocks(0, 5).substr(50, 5 * kBlock - 100));
  // What does not fit the content is refused; what nobody has open is nobody's.
  CHECK(!Lend(fixture, kBlocks));
  CHECK(!fixture.registry.Lend(DriverFixture::DigestOf(1), 5, {}));
  CHECK(fixture.registry.Lend(DriverFixture::DigestOf(9), 5, {}));
  CHECK(fixture.session->Stats().errors == 0);
}

void ServesOpensThatWait() {
  SessionOptions options;
  options.whole_blocks_max = kBlocks;
  DriverFixture fixture(OneFile(), options);
  const uint64_t nid = fixture.Nid("file");
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  const uint64_t read = fixture.kernel.SendRead(nid, fh, 0, kBlock);
  fixture.WaitNeeds(1);
  CHECK(Lend(fixture, 0));
  CHECK(fixture.kernel.Wait(read)->data == Blocks(0, 1));
}

void AFileThatEndsEarlyIsBroken() {
  DriverFixture fixture(OneFile());
  const uint64_t nid = fixture.Nid("file");
  CHECK(fixture.Attach(1, uint64_t{kBlocks} * kBlock).ok());
  fixture.Fill(1, 0, 4);
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 0, kBlock))->data == Blocks(0, 1));
  // Asked for while the file was sound: answered by a lent block like the others.
  const uint64_t before = fixture.kernel.SendRead(nid, fh, 6 * kBlock, kBlock);
  CHECK(!fixture.WaitNeeds(1)[0].broken);

  const std::string path = fixture.directory / "partial-1";
  CHECK(::truncate(path.c_str(), kBlock) == 0);
  const uint64_t read = fixture.kernel.SendRead(nid, fh, 2 * kBlock, kBlock);
  const auto needs = fixture.WaitNeeds(3);
  CHECK(needs[1].broken && needs[2].broken);
  CHECK(needs[1].block + needs[2].block == 8);
  CHECK(Lend(fixture, 2));
  CHECK(fixture.kernel.Wait(read)->data == Blocks(2, 1));
  // Present in the file, which does not count any more.
  fixture.Fill(1, 6, 1);
  CHECK(!fixture.kernel.Wait(before, 20));
  CHECK(Lend(fixture, 6));
  CHECK(fixture.kernel.Wait(before)->data == Blocks(6, 1));
  CHECK(fixture.session->Stats().read_failures == 1);
  CHECK(fixture.session->Stats().errors == 0);
  // Forgotten with its last user, file and all.
  CHECK(fixture.kernel.Call(fuse::Opcode::RELEASE, nid).error == 0);
  for (int i = 0; i < 1000 && fixture.registry.ContentCount() > 0; ++i) ::usleep(1000);
  CHECK(fixture.registry.ContentCount() == 0);
}

// More is lent than is kept: whoever waits for a block that went asks for it again.
void WhatIsLentLongestGoes() {
  constexpr uint64_t kLarge = 4 << 20;
  ContentRegistry registry;
  ContentRecord record{};
  record.digest.fill(7);
  record.size = 20 * kLarge;
  record.block_size_bits = 22;
  record.block_count = 20;
  const std::shared_ptr<Content> content = registry.Acquire(record);
  const std::vector<uint8_t> bytes(kLarge, 1);
  for (uint32_t block = 0; block < 20; ++block) CHECK(registry.Lend(record.digest, block, bytes));
  CHECK(!content->CanServe(0, 1) && !content->CanServe(3, 1));
  CHECK(content->CanServe(4, 16));
  registry.Release(content);
  CHECK(registry.ContentCount() == 0);
}

// A sealed file counts until the disk is not trusted any more, and again afterwards.
void ADiskThatIsNotTrustedIsNotRead() {
  DriverFixture fixture(OneFile());
  const uint64_t nid = fixture.Nid("file");
  fixture.WriteComplete(1, Blocks(0, kBlocks));
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  CHECK(fixture.kernel.Wait(fixture.kernel.SendRead(nid, fh, 0, kBlock))->data == Blocks(0, 1));
  fixture.registry.TrustDisk(DiskTrust::kNothing);
  uint64_t read = fixture.kernel.SendRead(nid, fh, 0, kBlock);
  CHECK(fixture.WaitNeeds(1)[0].broken);
  CHECK(Lend(fixture, 0));
  CHECK(fixture.kernel.Wait(read)->data == Blocks(0, 1));
  CHECK(fixture.kernel.Call(fuse::Opcode::RELEASE, nid).error == 0);
  // The worker that answered the read may hold the file a moment longer.
  for (int i = 0; i < 1000 && fixture.registry.ContentCount() > 0; ++i) ::usleep(1000);

  const uint64_t second = fixture.kernel.Open(nid).fh;
  read = fixture.kernel.SendRead(nid, second, kBlock, kBlock);
  CHECK(!fixture.WaitNeeds(2)[1].broken);
  CHECK(Lend(fixture, 1));
  CHECK(fixture.kernel.Wait(read)->data == Blocks(1, 1));
  CHECK(fixture.kernel.Call(fuse::Opcode::RELEASE, nid).error == 0);

  fixture.registry.TrustDisk(DiskTrust::kAll);
  const uint64_t third = fixture.kernel.Open(nid).fh;
  read = fixture.kernel.SendRead(nid, third, 0, kBlocks * kBlock);
  CHECK(fixture.kernel.Wait(read)->data == Blocks(0, kBlocks));
  CHECK(fixture.session->Stats().read_failures == 0);
}

// What is open is read past a disk that does not answer, and from it again when it does.
void ADiskThatIsAwayIsNotTouched() {
  DriverFixture fixture(OneFile());
  const uint64_t nid = fixture.Nid("file");
  fixture.WriteComplete(1, Blocks(0, kBlocks));
  const uint64_t fh = fixture.kernel.Open(nid).fh;
  fixture.registry.TrustDisk(DiskTrust::kAway);
  uint64_t read = fixture.kernel.SendRead(nid, fh, 0, kBlock);
  const Need need = fixture.WaitNeeds(1)[0];
  CHECK(need.broken && need.away);
  CHECK(Lend(fixture, 0));
  CHECK(fixture.kernel.Wait(read)->data == Blocks(0, 1));
  // A read that waits for a block when the disk answers again has it from there.
  read = fixture.kernel.SendRead(nid, fh, kBlock, kBlock);
  (void)fixture.WaitNeeds(2);
  fixture.registry.TrustDisk(DiskTrust::kAll);
  read = fixture.kernel.SendRead(nid, fh, 2 * kBlock, kBlock);
  CHECK(fixture.kernel.Wait(read)->data == Blocks(2, 1));
  CHECK(fixture.kernel.Call(fuse::Opcode::RELEASE, nid).error == 0);
  CHECK(fixture.session->Stats().read_failures == 0);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::ADiskThatIsAwayIsNotTouched();
  g8ufs::ServesLentBlocks();
  g8ufs::ServesOpensThatWait();
  g8ufs::AFileThatEndsEarlyIsBroken();
  g8ufs::WhatIsLentLongestGoes();
  g8ufs::ADiskThatIsNotTrustedIsNotRead();
  return g8ufs::test::Failures();
}
