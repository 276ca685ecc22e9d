// Builds small mount indexes for tests, in memory: enough of docs/format.md, sections 4 and 5, to
// have every kind of inode. Directories are always plain, symlinks always inline; the real writer
// is tested against the real reader elsewhere.
#ifndef G8UFS_NATIVE_TEST_IMAGE_BUILDER_H_
#define G8UFS_NATIVE_TEST_IMAGE_BUILDER_H_

#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "tree/mount_index.h"

namespace g8ufs::test {

using Bytes = std::vector<uint8_t>;

inline void Store(Bytes& bytes, size_t offset, uint64_t value, size_t size) {
  if (bytes.size() < offset + size) bytes.resize(offset + size);
  for (size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<uint8_t>(value >> (8 * i));
}

inline void Append(Bytes& bytes, size_t offset, std::string_view data) {
  if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size());
  if (!data.empty()) std::memcpy(bytes.data() + offset, data.data(), data.size());
}

inline size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

struct TestXattr {
  uint8_t name_space;
  std::string name;
  std::string value;
};

struct TestContent {
  Digest digest{};
  uint64_t size = 0;
  uint32_t block_size_bits = 12;
  std::string blocks;  // one letter each: d data, h hole, l lost
};

struct TestNode {
  uint32_t mode = S_IFREG | 0644;
  uint32_t nlink = 1;
  uint32_t device = 0;
  std::string target;
  std::vector<TestXattr> xattrs;
  std::unique_ptr<TestContent> content;
  std::map<std::string, TestNode> children;

  // Set by the builder.
  uint64_t nid = 0;
  uint32_t number = 0;
};

inline TestNode Directory() {
  TestNode node;
  node.mode = S_IFDIR | 0755;
  return node;
}

inline TestNode File(uint8_t digest_byte, uint64_t size, const std::string& blocks,
                     uint32_t block_size_bits = 12) {
  TestNode node;
  node.content = std::make_unique<TestContent>();
  node.content->digest.fill(digest_byte);
  node.content->size = size;
  node.content->blocks = blocks;
  node.content->block_size_bits = block_size_bits;
  return node;
}

class ImageBuilder {
 public:
  explicit ImageBuilder(TestNode& root) {
    Place(root);
    block_ = RoundUp(next_, 4096) / 4096;
    WriteNode(root, root);
    WriteSuperblock();
    WriteContents();
    tree.resize(RoundUp(tree.size(), 4096));
  }

  void WriteTo(const std::string& directory) const {
    Write(directory + "/mount.erofs", tree);
    Write(directory + "/mount.contents", contents);
  }

  Bytes tree;
  Bytes contents;
  uint32_t flags = 3;

 private:
  static void Write(const std::string& path, const Bytes& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  static Bytes Xattrs(const TestNode& node) {
    if (node.xattrs.empty()) return {};
    Bytes bytes(12);
    for (const TestXattr& xattr : node.xattrs) {
      const size_t at = bytes.size();
      Store(bytes, at, xattr.name.size(), 1);
      Store(bytes, at + 1, xattr.name_space, 1);
      Store(bytes, at + 2, xattr.value.size(), 2);
      Append(bytes, at + 4, xattr.name + xattr.value);
      bytes.resize(RoundUp(bytes.size(), 4));
    }
    return bytes;
  }

  void Place(TestNode& node) {
    node.nid = next_ / 32;
    node.number = ++count_;
    next_ += RoundUp(64 + Xattrs(node).size() + node.target.size(), 32);
    for (auto& [name, child] : node.children) Place(child);
  }

  void WriteNode(const TestNode& node, const TestNode& parent) {
    const size_t at = node.nid * 32;
    const Bytes xattrs = Xattrs(node);
    uint32_t layout = 0;
    uint64_t size = 0;
    uint64_t start = node.device;
    if (S_ISLNK(node.mode)) {
      layout = 2;
      size = node.target.size();
    } else if (S_ISDIR(node.mode)) {
      start = block_;
      size = WriteDirectory(node, parent);
    } else if (node.content != nullptr) {
      layout = 4;
      size = node.content->size;
      rows_.emplace_back(node.number, node.content.get());
    }
    Store(tree, at, layout << 1 | 1, 2);
    Store(tree, at + 2, xattrs.empty() ? 0 : (xattrs.size() - 12) / 4 + 1, 2);
    Store(tree, at + 4, node.mode, 2);
    Store(tree, at + 8, size, 8);
    Store(tree, at + 16, start, 4);
    Store(tree, at + 20, node.number, 4);
    Store(tree, at + 24, 1000, 4);
    Store(tree, at + 28, 2000, 4);
    Store(tree, at + 32, static_cast<uint64_t>(int64_t{-5}), 8);
    Store(tree, at + 40, 6, 4);
    Store(tree, at + 44, node.nlink, 4);
    Append(tree, at + 64, {reinterpret_cast<const char*>(xattrs.data()), xattrs.size()});
    Append(tree, at + 64 + xattrs.size(), node.target);
    for (const auto& [name, child] : node.children) WriteNode(child, node);
  }

  uint64_t WriteDirectory(const TestNode& node, const TestNode& parent) {
    std::map<std::string, const TestNode*> entries{{".", &node}, {"..", &parent}};
    for (const auto& [name, child] : node.children) entries[name] = &child;
    uint64_t size = 0;
    auto next = entries.begin();
    while (next != entries.end()) {
      auto end = next;
      size_t used = 0;
      size_t count = 0;
      for (; end != entries.end() && used + 12 + end->first.size() <= 4096; ++end, ++count) {
        used += 12 + end->first.size();
      }
      size = size / 4096 * 4096 + (size % 4096 == 0 ? 0 : 4096) + used;
      size_t entry = block_ * 4096;
      size_t name = 12 * count;
      for (; next != end; ++next, entry += 12) {
        const uint32_t type = next->second->mode >> 12;
        Store(tree, entry, next->second->nid, 8);
        Store(tree, entry + 8, name, 2);
        Store(tree, entry + 10, type == 8 ? 1 : type == 4 ? 2 : type == 2 ? 3 : 7, 1);
        Append(tree, block_ * 4096 + name, next->first);
        name += next->first.size();
      }
      ++block_;
    }
    return size;
  }

  void WriteSuperblock() {
    Store(tree, 1024, 0xe0f5e1e2, 4);
    Store(tree, 1024 + 12, 12, 1);
    Store(tree, 1024 + 14, 36, 2);
    Store(tree, 1024 + 80, 4, 4);
  }

  void WriteContents() {
    const size_t inodes = 128;
    const size_t table = RoundUp(inodes + 4 * (size_t{count_} + 1), 8);
    const size_t chunks = table + 64 * rows_.size();
    size_t chunk = 0;
    uint64_t bytes = 0;
    contents.resize(chunks);
    for (size_t row = 0; row < rows_.size(); ++row) {
      const auto& [number, content] = rows_[row];
      Store(contents, inodes + 4 * size_t{number}, row + 1, 4);
      const size_t at = table + 64 * row;
      std::memcpy(contents.data() + at, content->digest.data(), 32);
      Store(contents, at + 32, content->size, 8);
      Store(contents, at + 40, chunk, 8);
      Store(contents, at + 48, content->blocks.size(), 4);
      Store(contents, at + 52, content->block_size_bits, 1);
      Store(contents, at + 53, 1, 1);
      Store(contents, at + 56, content->size, 8);
      bytes += content->size;
      for (const char kind : content->blocks) {
        contents.resize(chunks + 32 * (chunk + 1), kind == 'h'   ? 0
                                                   : kind == 'l' ? 0xff
                                                                 : uint8_t{7});
        ++chunk;
      }
    }
    Append(contents, 0, "G8UFSCON");
    Store(contents, 8, 1, 4);
    Store(contents, 12, 128, 4);
    Store(contents, 16, count_, 8);
    Store(contents, 24, rows_.size(), 8);
    Store(contents, 32, chunk, 8);
    Store(contents, 40, inodes, 8);
    Store(contents, 48, table, 8);
    Store(contents, 56, chunks, 8);
    Store(contents, 64, bytes, 8);
    Store(contents, 80, flags, 4);
  }

  size_t next_ = 36 * 32;
  size_t block_ = 0;
  uint32_t count_ = 0;
  std::vector<std::pair<uint32_t, const TestContent*>> rows_;
};

}  // namespace g8ufs::test

#endif  // G8UFS_NATIVE_TEST_IMAGE_BUILDER_H_
