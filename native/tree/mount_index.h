// MountIndex: a filesystem image's metadata, read in place from the mapped files `mount.erofs` and
// `mount.contents` (docs/format.md, sections 4 and 5). Opening checks headers only, so it costs the
// same for ten entries and for ten million; everything else is checked when it is used, because the
// files are hostile input.
//
// Thread rule: immutable; all methods may be called at the same time. Returned views live as long
// as the index. Functions return 0 or an errno; EIO means that the image is broken at this place.
#ifndef G8UFS_NATIVE_TREE_MOUNT_INDEX_H_
#define G8UFS_NATIVE_TREE_MOUNT_INDEX_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tree/erofs_layout.h"
#include "tree/mapped_file.h"

namespace g8ufs {

using Digest = std::array<uint8_t, 32>;

struct Attributes {
  uint64_t nid = 0;
  uint64_t size = 0;
  int64_t mtime_seconds = 0;
  uint32_t mtime_nanoseconds = 0;
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t device = 0;  // as the kernel encodes it in 32 bits
  uint32_t number = 0;  // i_ino: row of the inode table
};

// A row of the content table.
struct ContentRecord {
  uint32_t row = 0;
  Digest digest{};
  uint64_t size = 0;
  uint64_t first_chunk = 0;
  uint32_t block_count = 0;
  uint32_t block_size_bits = 0;
  uint64_t data_bytes = 0;  // outside holes
};

enum class BlockKind {
  kData,
  kHole,  // zeros, never stored
  kLost,  // its digest is unknown: can never be had
};

struct XattrView {
  std::string_view prefix;  // namespace with its dot
  std::string_view name;    // the rest
  ByteSpan value;
};

struct DirectoryEntry {
  std::string_view name;
  uint64_t nid = 0;
  uint32_t type = 0;  // as in dirent.d_type
  uint64_t next = 0;  // the position behind this entry
};

class MountIndex {
 public:
  // Maps the two files below `directory`. ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_FLIST_VERSION.
  static Status Open(const std::string& directory, std::unique_ptr<MountIndex>* index);
  // As Open, over bytes that outlive the index.
  static Status OpenBytes(ByteSpan tree, ByteSpan contents, std::unique_ptr<MountIndex>* index);

  int GetAttributes(uint64_t nid, Attributes* attributes) const;
  // ENOENT when the directory has no such name, ENOTDIR. Knows `.` and `..`.
  int Lookup(uint64_t directory, std::string_view name, uint64_t* nid) const;
  int ReadLink(uint64_t nid, std::string_view* target) const;
  // Hidden names (see IsHiddenXattr) are absent. ENODATA.
  int GetXattr(uint64_t nid, std::string_view name, ByteSpan* value) const;

  // Content of a regular file; nothing in `content` for an empty one.
  int ContentOf(const Attributes& attributes, std::optional<ContentRecord>* content) const;
  // The content with this digest; nothing in `content` when there is none.
  int FindContent(const Digest& digest, std::optional<ContentRecord>* content) const;
  // The content with the smallest digest that is not below this one; nothing when there is none.
  int FindContentFrom(const Digest& digest, std::optional<ContentRecord>* content) const;
  // REQUIRES: block < content.block_count, a record of this index.
  BlockKind KindOf(const ContentRecord& content, uint32_t block) const;

  bool has_visible_xattrs() const { return has_visible_xattrs_; }
  bool has_acls() const { return has_acls_; }
  uint64_t inode_count() const { return inode_count_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // An open file beside the content files, for probes.
  int probe_fd() const { return contents_file_.fd(); }

 private:
  friend class DirectoryCursor;
  friend class XattrCursor;

  // Position and parsed core of an inode.
  struct Inode {
    uint64_t offset = 0;
    uint32_t layout = 0;
    uint32_t mode = 0;
    uint64_t size = 0;
    uint32_t first_block = 0;
    size_t xattr_size = 0;
  };

  Status CheckSuperblock() const;
  Status ReadContentsHeader();
  Status CheckRoot() const;
  bool FindInode(uint64_t nid, Inode* inode) const;
  // REQUIRES: number < content_count_.
  int ReadContent(uint32_t number, ContentRecord* record) const;
  // Block of a directory's or symlink's data; empty when it lies outside the file.
  ByteSpan DataBlock(const Inode& inode, uint64_t block) const;

  MappedFile tree_file_;
  MappedFile contents_file_;
  ByteSpan tree_;
  ByteSpan contents_;
  uint64_t inode_count_ = 0;
  uint64_t content_count_ = 0;
  uint64_t chunk_count_ = 0;
  uint64_t file_bytes_ = 0;
  bool has_visible_xattrs_ = true;
  bool has_acls_ = true;
  const uint8_t* inode_table_ = nullptr;
  const uint8_t* content_table_ = nullptr;
  const uint8_t* chunk_table_ = nullptr;
};

// `trusted.overlay.*` and `user.overlay.*`: overlayfs on top of the mount would obey them.
bool IsHiddenXattr(const XattrView& xattr);

// Walks a directory from a position, which is an entry's offset in the directory's data.
class DirectoryCursor {
 public:
  DirectoryCursor(const MountIndex& index, uint64_t nid, uint64_t position);

  // 0 with an entry, ENOENT at the end, ENOTDIR, EIO.
  int Next(DirectoryEntry* entry);

 private:
  const MountIndex& index_;
  MountIndex::Inode inode_;
  int error_ = 0;
  uint64_t block_ = 0;
  uint32_t index_in_block_ = 0;
};

// Walks the visible xattrs of an inode.
class XattrCursor {
 public:
  XattrCursor(const MountIndex& index, uint64_t nid);

  // 0 with an xattr, ENODATA at the end, EIO.
  int Next(XattrView* xattr);

 private:
  ByteSpan left_;
  int error_ = 0;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_TREE_MOUNT_INDEX_H_
