// Reads a damaged mount index in every way the driver does. The input is a list of patches to a
// sound image (16-bit position, byte), so that the fuzzer need not find the format first.
#include <cstdint>
#include <optional>

#include "test/image_builder.h"
#include "tree/mount_index.h"

namespace g8ufs {
namespace {

struct Sound {
  Sound() {
    test::TestNode root = test::Directory();
    root.children["dir"] = test::Directory();
    for (int i = 0; i < 200; ++i) {
      root.children["dir"].children["some-name-" + std::to_string(i)];
    }
    root.children["file"] = test::File(3, 9000, "dlh");
    root.children["link"].mode = S_IFLNK | 0777;
    root.children["link"].target = "dir/some-name-1";
    root.children["xattrs"].xattrs = {{1, "a", "b"}, {2, "", "acl"}, {4, "overlay.x", ""}};
    const test::ImageBuilder builder(root);
    tree = builder.tree;
    contents = builder.contents;
  }
  test::Bytes tree;
  test::Bytes contents;
};

void Visit(const MountIndex& index, uint64_t nid, int depth) {
  Attributes attributes;
  if (index.GetAttributes(nid, &attributes) == 0) {
    std::optional<ContentRecord> record;
    if (index.ContentOf(attributes, &record) == 0 && record) {
      (void)index.KindOf(*record, 0);
      (void)index.KindOf(*record, record->block_count - 1);
    }
  }
  std::string_view target;
  (void)index.ReadLink(nid, &target);
  ByteSpan value;
  (void)index.GetXattr(nid, "user.z", &value);
  uint64_t found = 0;
  (void)index.Lookup(nid, "some-name-77", &found);
  DirectoryCursor cursor(index, nid, 0);
  DirectoryEntry entry;
  for (int i = 0; depth > 0 && i < 300 && cursor.Next(&entry) == 0; ++i) {
    if (entry.name != "." && entry.name != "..") Visit(index, entry.nid, depth - 1);
  }
}

}  // namespace
}  // namespace g8ufs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const g8ufs::Sound sound;
  g8ufs::test::Bytes tree = sound.tree;
  g8ufs::test::Bytes contents = sound.contents;
  for (; size >= 3; data += 3, size -= 3) {
    const size_t position = data[0] | size_t{data[1]} << 8;
    // The odd half of the positions is the contents' file.
    g8ufs::test::Bytes& target = (position & 1) != 0 ? contents : tree;
    const size_t start = (position & 1) != 0 ? 0 : 1024;
    target[start + position / 2 % (target.size() - start)] = data[2];
  }
  std::unique_ptr<g8ufs::MountIndex> index;
  if (g8ufs::MountIndex::OpenBytes(tree, contents, &index).ok()) g8ufs::Visit(*index, 36, 3);
  return 0;
}
