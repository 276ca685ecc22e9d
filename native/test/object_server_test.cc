// The server of all images' contents behind a fake kernel.
#include <cerrno>
#include <string>
#include <utility>

#include "test/driver_fixture.h"

namespace g8ufs {
namespace {

using fuse::Opcode;
using test::Directory;
using test::DriverFixture;
using test::File;
using test::kBlock;
using test::TestNode;

constexpr uint64_t kRoot = 1;

std::string Name(const std::string& name) { return name + '\0'; }

// Serves one content, of digest 0101...
class Objects : public DriverFixture {
 public:
  explicit Objects(const std::string& blocks)
      : DriverFixture(OneFile(blocks), {}, ~uint64_t{0} & ~fuse::kPassthrough,
                      test::Serves::kObjects) {}

  static TestNode OneFile(const std::string& blocks) {
    TestNode root = Directory();
    root.children["file"] = File(1, blocks.size() * kBlock, blocks);
    return root;
  }

  uint64_t Lookup(uint64_t parent, const std::string& name) {
    return kernel.Call(Opcode::LOOKUP, parent, Name(name)).As<fuse::EntryOut>().nodeid;
  }
  uint64_t Folder() { return Lookup(Lookup(kRoot, "01"), "01"); }
  // Looks the content up.
  uint64_t Object() { return Lookup(Folder(), ToHex(DigestOf(1))); }
  test::Reply Read(uint64_t node, uint64_t offset, uint32_t size) {
    return *kernel.Wait(kernel.SendRead(node, 0, offset, size));
  }
};

void NamesContentsByDigest() {
  Objects objects("ddd");
  const uint64_t folder = objects.Folder();
  const auto found = objects.kernel.Call(Opcode::LOOKUP, folder, Name(ToHex(Objects::DigestOf(1))))
                         .As<fuse::EntryOut>();
  CHECK(found.attr.size == 3 * kBlock && found.attr.blocks == 24 && found.entry_valid == 86400);
  CHECK(S_ISREG(found.attr.mode) && found.nodeid == objects.Object());
  const auto attr = objects.kernel.Call(Opcode::GETATTR, found.nodeid).As<fuse::AttrOut>();
  CHECK(attr.attr.size == 3 * kBlock && attr.attr.ino == found.nodeid);
  CHECK(S_ISDIR(objects.kernel.Call(Opcode::GETATTR, folder).As<fuse::AttrOut>().attr.mode));
  // An error, not an entry for an absent name, which the kernel would keep.
  const std::string unknown = ToHex(Objects::DigestOf(2));
  CHECK(objects.kernel.Call(Opcode::LOOKUP, folder, Name(unknown)).error == ENOENT);
  CHECK(objects.kernel.Call(Opcode::LOOKUP, folder, Name("01")).error == ENOENT);
  CHECK(objects.kernel.Call(Opcode::LOOKUP, kRoot, Name("0")).error == ENOENT);
  CHECK(objects.kernel.Call(Opcode::LOOKUP, kRoot, "no terminator").error == EINVAL);
  CHECK(objects.kernel.Call(Opcode::GETATTR, uint64_t{1} << 40).error == ESTALE);
  CHECK(objects.session->Stats().errors == 0);
}

void NothingIsOpenedOrListed() {
  Objects objects("d");
  const fuse::OpenIn in{};
  const uint64_t open = objects.kernel.SendStruct(Opcode::OPEN, objects.Object(), in);
  CHECK(objects.kernel.Wait(open)->error == ENOSYS);
  const uint64_t list = objects.kernel.SendStruct(Opcode::READDIRPLUS, kRoot, fuse::ReadIn{});
  CHECK(objects.kernel.Wait(list)->data.empty());
}

void ReadsCompleteFiles() {
  Objects objects("dd");
  const std::string bytes = Objects::BlockBytes(0) + Objects::BlockBytes(1);
  objects.WriteComplete(1, bytes);
  const uint64_t node = objects.Object();
  CHECK(objects.Read(node, 0, 1 << 20).data == bytes);
  CHECK(objects.Read(node, kBlock - 1, 2).data == "ab");
  CHECK(objects.Read(node, 2 * kBlock, 10).data.empty());
  CHECK(objects.Read(node, 0, 2 << 20).error == EIO);
}

void WaitsForWhatIsAbsent() {
  Objects objects("ddhd");
  const uint64_t node = objects.Object();
  const uint64_t read = objects.kernel.SendRead(node, 0, kBlock, 100);
  const Need need = objects.WaitNeeds(1).front();
  // The inode is none of the image's.
  CHECK(need.image == objects.image && need.block == 1 && need.nid == 0);
  CHECK(!objects.kernel.Wait(read, 20));
  CHECK(objects.Attach(1, 4 * kBlock).ok());
  objects.Fill(1, 1, 1);
  CHECK(objects.kernel.Wait(read)->data == std::string(100, 'b'));
  CHECK(objects.Read(node, 2 * kBlock, 5).data == std::string(5, '\0'));
  CHECK(objects.registry.Fail(Objects::DigestOf(1), 3, 1, EHOSTUNREACH));
}

void AWaitIsInterrupted() {
  Objects objects("d");
  const uint64_t read = objects.kernel.SendRead(objects.Object(), 0, 0, 10);
  objects.WaitNeeds(1);
  fuse::InterruptIn in{};
  in.unique = read;
  // Not parked yet: asked to send it again.
  while (!objects.kernel.Wait(read, 0)) {
    const uint64_t interrupt = objects.kernel.SendStruct(Opcode::INTERRUPT, 0, in);
    if (const auto reply = objects.kernel.Wait(read, 100)) {
      CHECK(reply->error == EINTR);
      break;
    }
    if (const auto reply = objects.kernel.Wait(interrupt, 0)) CHECK(reply->error == EAGAIN);
  }
  CHECK(objects.session->Stats().interrupts == 1);
}

void LostBlocksFail() {
  Objects objects("dl");
  CHECK(objects.Read(objects.Object(), kBlock, 1).error == EIO);
}

void TellsHoles() {
  Objects objects("dhhd");
  const uint64_t node = objects.Object();
  const auto seek = [&](uint64_t offset, uint32_t whence) {
    fuse::LseekIn in{};
    in.offset = offset;
    in.whence = whence;
    const auto reply = *objects.kernel.Wait(objects.kernel.SendStruct(Opcode::LSEEK, node, in));
    return reply.error == 0 ? static_cast<int64_t>(reply.As<fuse::LseekOut>().offset)
                            : -int64_t{reply.error};
  };
  CHECK(seek(0, 4) == kBlock);
  CHECK(seek(kBlock, 3) == 3 * kBlock);
  CHECK(seek(3 * kBlock + 7, 3) == 3 * kBlock + 7);
  CHECK(seek(3 * kBlock, 4) == 4 * kBlock);
  CHECK(seek(4 * kBlock, 4) == -ENXIO);
  CHECK(seek(0, 2) == -EINVAL);
}

void ForgetsWhatTheKernelForgets() {
  Objects objects("d");
  const uint64_t node = objects.Object();
  CHECK(objects.Object() == node);
  const auto forget = [&](uint64_t count) {
    objects.kernel.Send(Opcode::FORGET, node,
                        {reinterpret_cast<const char*>(&count), sizeof(count)});
  };
  forget(1);
  CHECK(objects.kernel.Call(Opcode::GETATTR, node).error == 0);
  forget(1);
  // An image with another size is refused as long as the kernel knows this one. FORGET has no answer, so
  // that is looked at until it is done.
  const test::TempDir other;
  TestNode root = Objects::OneFile("ddd");
  test::ImageBuilder(root).WriteTo(other.path());
  uint32_t number = 0;
  bool added = false;
  for (int i = 0; i < 1000 && !added; ++i) {
    added = objects.session->AddImage(other.path(), &number).ok();
  }
  CHECK(added);
  objects.session->RemoveImage(number);
  // Found again by its number, as after the death of whoever gave it.
  CHECK(objects.kernel.Call(Opcode::GETATTR, node).error == 0);
  CHECK(objects.Object() == node);
}

void ContentsGoWithTheirImage() {
  Objects objects("d");
  const uint64_t node = objects.Object();
  objects.session->RemoveImage(objects.image);
  CHECK(objects.kernel.Call(Opcode::LOOKUP, objects.Folder(), Name(ToHex(Objects::DigestOf(1))))
            .error == ENOENT);
  CHECK(objects.Read(node, 0, 1).error == EIO);
}

void ImagesAgreeAboutSizes() {
  Objects objects("dd");
  objects.Object();
  const test::TempDir other;
  TestNode root = Objects::OneFile("ddd");
  test::ImageBuilder(root).WriteTo(other.path());
  uint32_t number = 0;
  CHECK(objects.session->AddImage(other.path(), &number).code() == Code::ERR_FLIST_FORMAT);
  CHECK(objects.Object() != 0);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::NamesContentsByDigest();
  g8ufs::NothingIsOpenedOrListed();
  g8ufs::ReadsCompleteFiles();
  g8ufs::WaitsForWhatIsAbsent();
  g8ufs::AWaitIsInterrupted();
  g8ufs::LostBlocksFail();
  g8ufs::TellsHoles();
  g8ufs::ForgetsWhatTheKernelForgets();
  g8ufs::ContentsGoWithTheirImage();
  g8ufs::ImagesAgreeAboutSizes();
  return g8ufs::test::Failures();
}
