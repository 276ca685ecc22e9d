#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "test/check.h"
#include "test/image_builder.h"
#include "tree/mount_index.h"

namespace g8ufs {
namespace {

using test::Directory;
using test::File;
using test::ImageBuilder;
using test::TestNode;

struct Image {
  explicit Image(TestNode root_node) : root(std::move(root_node)), builder(root) { Open(); }
  void Open() { status = MountIndex::OpenBytes(builder.tree, builder.contents, &index); }

  TestNode root;
  ImageBuilder builder;
  Status status;
  std::unique_ptr<MountIndex> index;
};

TestNode Link(const std::string& target) {
  TestNode node;
  node.mode = S_IFLNK | 0777;
  node.target = target;
  return node;
}

std::vector<std::string> List(const MountIndex& index, uint64_t nid) {
  std::vector<std::string> names;
  DirectoryCursor cursor(index, nid, 0);
  DirectoryEntry entry;
  while (cursor.Next(&entry) == 0) names.emplace_back(entry.name);
  return names;
}

void ReadsAttributes() {
  TestNode root = Directory();
  root.children["device"].mode = S_IFCHR | 0600;
  root.children["device"].device = 0x1234;
  root.children["file"] = File(1, 5000, "dd");
  const Image image(std::move(root));
  CHECK(image.status.ok());
  Attributes attributes;
  CHECK(image.index->GetAttributes(36, &attributes) == 0);
  CHECK(attributes.mode == (S_IFDIR | 0755));
  uint64_t nid = 0;
  CHECK(image.index->Lookup(36, "file", &nid) == 0);
  CHECK(image.index->GetAttributes(nid, &attributes) == 0);
  CHECK(attributes.size == 5000 && attributes.uid == 1000 && attributes.gid == 2000);
  CHECK(attributes.mtime_seconds == -5 && attributes.mtime_nanoseconds == 6);
  CHECK(attributes.device == 0);
  CHECK(image.index->Lookup(36, "device", &nid) == 0);
  CHECK(image.index->GetAttributes(nid, &attributes) == 0);
  CHECK(attributes.device == 0x1234);
}

void FindsNamesInManyBlocks() {
  TestNode root = Directory();
  for (int i = 0; i < 3000; ++i) root.children["name-" + std::to_string(i)];
  const Image image(std::move(root));
  uint64_t nid = 0;
  for (const auto& [name, child] : image.root.children) {
    CHECK(image.index->Lookup(36, name, &nid) == 0 && nid == child.nid);
  }
  for (const char* name : {"", "!", "name-", "name-3000", "zzz", "name-1x", "."}) {
    const int expected = std::string(name) == "." ? 0 : ENOENT;
    CHECK(image.index->Lookup(36, name, &nid) == expected);
  }
}

void ListsFromEveryPosition() {
  TestNode root = Directory();
  for (int i = 0; i < 1000; ++i) root.children["a-rather-long-name-" + std::to_string(i)];
  const Image image(std::move(root));
  const std::vector<std::string> all = List(*image.index, 36);
  CHECK(all.size() == 1002);
  CHECK(std::is_sorted(all.begin(), all.end()));
  uint64_t position = 0;
  for (const std::string& name : all) {
    DirectoryCursor cursor(*image.index, 36, position);
    DirectoryEntry entry;
    CHECK(cursor.Next(&entry) == 0 && entry.name == name);
    position = entry.next;
  }
  DirectoryEntry entry;
  CHECK(DirectoryCursor(*image.index, 36, position).Next(&entry) == ENOENT);
  CHECK(DirectoryCursor(*image.index, 36, UINT64_MAX).Next(&entry) == ENOENT);
}

void ReadsLinks() {
  TestNode root = Directory();
  root.children["link"] = Link("to/somewhere");
  root.children["file"];
  const Image image(std::move(root));
  std::string_view target;
  CHECK(image.index->ReadLink(image.root.children.at("link").nid, &target) == 0);
  CHECK(target == "to/somewhere");
  CHECK(image.index->ReadLink(image.root.children.at("file").nid, &target) == EINVAL);
}

void HidesOverlayXattrs() {
  TestNode root = Directory();
  root.children["file"].xattrs = {{1, "overlay.opaque", "y"},
                                  {1, "shown", "1"},
                                  {2, "", "acl"},
                                  {4, "overlay.redirect", "/x"},
                                  {4, "overlay.overlay.a", ""},
                                  {6, "capability", "cap"}};
  const Image image(std::move(root));
  const uint64_t nid = image.root.children.at("file").nid;
  XattrCursor cursor(*image.index, nid);
  XattrView xattr;
  std::vector<std::string> names;
  int error = 0;
  while ((error = cursor.Next(&xattr)) == 0) {
    names.push_back(std::string(xattr.prefix) + std::string(xattr.name));
  }
  CHECK(error == ENODATA);
  CHECK((names ==
         std::vector<std::string>{"user.shown", "system.posix_acl_access", "security.capability"}));
  ByteSpan value;
  CHECK(image.index->GetXattr(nid, "security.capability", &value) == 0 && value.size() == 3);
  CHECK(image.index->GetXattr(nid, "trusted.overlay.redirect", &value) == ENODATA);
  CHECK(image.index->GetXattr(nid, "user.overlay.opaque", &value) == ENODATA);
  CHECK(image.index->GetXattr(nid, "user.show", &value) == ENODATA);
  CHECK(image.index->GetXattr(36, "user.shown", &value) == ENODATA);
}

void FindsContents() {
  TestNode root = Directory();
  root.children["a"] = File(9, 3 * 4096 - 1, "dhl");
  root.children["empty"];
  const Image image(std::move(root));
  Attributes attributes;
  std::optional<ContentRecord> record;
  CHECK(image.index->GetAttributes(image.root.children.at("a").nid, &attributes) == 0);
  CHECK(image.index->ContentOf(attributes, &record) == 0 && record);
  CHECK(record->digest[0] == 9 && record->block_count == 3 && record->row == 0);
  CHECK(image.index->KindOf(*record, 0) == BlockKind::kData);
  CHECK(image.index->KindOf(*record, 1) == BlockKind::kHole);
  CHECK(image.index->KindOf(*record, 2) == BlockKind::kLost);
  CHECK(image.index->GetAttributes(image.root.children.at("empty").nid, &attributes) == 0);
  CHECK(image.index->ContentOf(attributes, &record) == 0 && !record);
}

void RefusesForeignHeaders() {
  Image image(Directory());
  const auto refused = [&image](test::Bytes& bytes, size_t offset, uint8_t value) {
    const uint8_t before = bytes[offset];
    bytes[offset] = value;
    image.Open();
    bytes[offset] = before;
    return !image.status.ok();
  };
  CHECK(image.status.ok());
  CHECK(refused(image.builder.tree, 1024, 0));            // magic
  CHECK(refused(image.builder.tree, 1024 + 12, 9));       // block size
  CHECK(refused(image.builder.tree, 1024 + 14, 40));      // root nid
  CHECK(refused(image.builder.tree, 1024 + 80, 5));       // incompatible features
  CHECK(refused(image.builder.tree, 36 * 32 + 5, 0x80));  // root is a file
  CHECK(refused(image.builder.contents, 0, 'x'));
  CHECK(refused(image.builder.contents, 8, 2));
  CHECK(refused(image.builder.contents, 19, 0xff));  // inode count
  CHECK(refused(image.builder.contents, 31, 0xff));  // content count
  CHECK(refused(image.builder.contents, 47, 0xff));  // table offset
  image.builder.contents[8] = 2;
  image.Open();
  CHECK(image.status.code() == Code::ERR_FLIST_VERSION);
}

// Looks at everything that the image says it has; sanitizers watch for reads outside it.
void Visit(const MountIndex& index, uint64_t nid, int depth) {
  Attributes attributes;
  if (index.GetAttributes(nid, &attributes) != 0) return;
  std::optional<ContentRecord> record;
  if (index.ContentOf(attributes, &record) == 0 && record) {
    (void)index.KindOf(*record, record->block_count - 1);
  }
  std::string_view target;
  (void)index.ReadLink(nid, &target);
  XattrCursor xattrs(index, nid);
  XattrView xattr;
  while (xattrs.Next(&xattr) == 0) {
  }
  uint64_t found = 0;
  (void)index.Lookup(nid, "file", &found);
  DirectoryCursor cursor(index, nid, 0);
  DirectoryEntry entry;
  for (int i = 0; depth > 0 && i < 50 && cursor.Next(&entry) == 0; ++i) {
    if (entry.name != "." && entry.name != "..") Visit(index, entry.nid, depth - 1);
  }
}

void SurvivesEveryFlippedByte() {
  TestNode root = Directory();
  root.children["dir"] = Directory();
  root.children["dir"].children["file"] = File(3, 9000, "ddh");
  root.children["link"] = Link("target");
  root.children["xattrs"].xattrs = {{1, "a", "b"}, {6, "c", "d"}};
  Image image(std::move(root));
  for (test::Bytes* bytes : {&image.builder.tree, &image.builder.contents}) {
    for (size_t i = bytes == &image.builder.tree ? 1024 : 0; i < bytes->size(); ++i) {
      for (const uint8_t flip : {uint8_t{0x01}, uint8_t{0x80}, uint8_t{0xff}}) {
        (*bytes)[i] = static_cast<uint8_t>((*bytes)[i] ^ flip);
        image.Open();
        if (image.status.ok()) Visit(*image.index, 36, 3);
        (*bytes)[i] = static_cast<uint8_t>((*bytes)[i] ^ flip);
      }
    }
  }
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::ReadsAttributes();
  g8ufs::FindsNamesInManyBlocks();
  g8ufs::ListsFromEveryPosition();
  g8ufs::ReadsLinks();
  g8ufs::HidesOverlayXattrs();
  g8ufs::FindsContents();
  g8ufs::RefusesForeignHeaders();
  g8ufs::SurvivesEveryFlippedByte();
  return g8ufs::test::Failures();
}
