#include "tree/mount_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tree/directory_block.h"

namespace g8ufs {
namespace {

constexpr char kContentsMagic[] = "G8UFSCON";
constexpr uint32_t kContentsVersion = 1;
constexpr size_t kContentsHeaderSize = 128;
constexpr size_t kInodeRowSize = 4;
constexpr size_t kContentRowSize = 64;
constexpr size_t kChunkRowSize = 32;
constexpr uint32_t kBlockBitsMin = 12;
constexpr uint32_t kBlockBitsMax = 22;
// Flags of the header of mount.contents.
constexpr uint32_t kFlagVisibleXattrs = 1;
constexpr uint32_t kFlagAcls = 2;
// The kernel accepts no longer target (PATH_MAX with its NUL).
constexpr size_t kTargetSizeMax = 4095;

uint32_t LoadLe16(const uint8_t* data) {
  return static_cast<uint32_t>(data[0]) | static_cast<uint32_t>(data[1]) << 8;
}

bool AllBytesAre(const uint8_t* data, size_t size, uint8_t value) {
  return data[0] == value && std::memcmp(data, data + 1, size - 1) == 0;
}

// Whether `count` rows of `row_size` at `offset` lie inside `size` bytes.
bool TableFits(uint64_t offset, uint64_t count, size_t row_size, size_t size) {
  return offset <= size && count <= (size - offset) / row_size;
}

Status FormatError(const char* message) { return Status(Code::ERR_FLIST_FORMAT, message); }

}  // namespace

Status MountIndex::Open(const std::string& directory, std::unique_ptr<MountIndex>* index) {
  auto opened = std::make_unique<MountIndex>();
  Status status = opened->tree_file_.Open(directory + "/mount.erofs");
  if (status.ok()) status = opened->contents_file_.Open(directory + "/mount.contents");
  if (!status.ok()) return status;
  opened->tree_ = opened->tree_file_.bytes();
  opened->contents_ = opened->contents_file_.bytes();
  status = opened->CheckSuperblock();
  if (status.ok()) status = opened->ReadContentsHeader();
  if (status.ok()) status = opened->CheckRoot();
  if (status.ok()) *index = std::move(opened);
  return status;
}

Status MountIndex::OpenBytes(ByteSpan tree, ByteSpan contents, std::unique_ptr<MountIndex>* index) {
  auto opened = std::make_unique<MountIndex>();
  opened->tree_ = tree;
  opened->contents_ = contents;
  Status status = opened->CheckSuperblock();
  if (status.ok()) status = opened->ReadContentsHeader();
  if (status.ok()) status = opened->CheckRoot();
  if (status.ok()) *index = std::move(opened);
  return status;
}

Status MountIndex::CheckRoot() const {
  Attributes root;
  if (GetAttributes(erofs::kRootNid, &root) != 0 || !S_ISDIR(root.mode)) {
    return FormatError("Mount index has no root directory");
  }
  return {};
}

Status MountIndex::CheckSuperblock() const {
  namespace sb = erofs::superblock;
  const ByteSpan bytes = tree_;
  if (bytes.size() < erofs::kSuperblockOffset + erofs::kSuperblockSize) {
    return FormatError("Mount index mount.erofs is too short");
  }
  const uint8_t* superblock = bytes.data() + erofs::kSuperblockOffset;
  if (LoadLe32(superblock + sb::kMagicAt) != erofs::kMagic) {
    return FormatError("Mount index mount.erofs is no EROFS image");
  }
  if (superblock[sb::kBlockBitsAt] != erofs::kBlockBits ||
      LoadLe32(superblock + sb::kMetaBlockAt) != 0 ||
      LoadLe16(superblock + sb::kRootNidAt) != erofs::kRootNid ||
      LoadLe32(superblock + sb::kIncompatibleAt) != erofs::kIncompatibleChunkedFile) {
    return FormatError("Mount index mount.erofs is an EROFS image of another kind");
  }
  return {};
}

Status MountIndex::ReadContentsHeader() {
  const ByteSpan bytes = contents_;
  if (bytes.size() < kContentsHeaderSize) {
    return FormatError("Mount index mount.contents is too short");
  }
  const uint8_t* header = bytes.data();
  if (std::memcmp(header, kContentsMagic, 8) != 0) {
    return FormatError("Mount index mount.contents has another magic");
  }
  if (LoadLe32(header + 8) != kContentsVersion) {
    return Status(Code::ERR_FLIST_VERSION,
                  "Mount index mount.contents has version " + std::to_string(LoadLe32(header + 8)));
  }
  inode_count_ = LoadLe64(header + 16);
  content_count_ = LoadLe64(header + 24);
  chunk_count_ = LoadLe64(header + 32);
  const uint64_t inode_table = LoadLe64(header + 40);
  const uint64_t content_table = LoadLe64(header + 48);
  const uint64_t chunk_table = LoadLe64(header + 56);
  file_bytes_ = LoadLe64(header + 64);
  const uint32_t flags = LoadLe32(header + 80);
  if (LoadLe32(header + 12) != kContentsHeaderSize || inode_count_ >= UINT32_MAX ||
      content_count_ >= UINT32_MAX ||
      !TableFits(inode_table, inode_count_ + 1, kInodeRowSize, bytes.size()) ||
      !TableFits(content_table, content_count_, kContentRowSize, bytes.size()) ||
      !TableFits(chunk_table, chunk_count_, kChunkRowSize, bytes.size())) {
    return FormatError("Mount index mount.contents has a broken header");
  }
  has_visible_xattrs_ = (flags & kFlagVisibleXattrs) != 0;
  has_acls_ = (flags & kFlagAcls) != 0;
  inode_table_ = header + inode_table;
  content_table_ = header + content_table;
  chunk_table_ = header + chunk_table;
  return {};
}

bool MountIndex::FindInode(uint64_t nid, Inode* inode) const {
  const ByteSpan bytes = tree_;
  if (nid < erofs::kRootNid || nid > (bytes.size() - erofs::kInodeSize) / erofs::kSlotSize) {
    return false;
  }
  ResidencyLimit::Instance().CountVisit();
  inode->offset = nid * erofs::kSlotSize;
  const uint8_t* core = bytes.data() + inode->offset;
  const uint32_t format = LoadLe16(core + erofs::inode::kFormatAt);
  const uint32_t xattr_count = LoadLe16(core + erofs::inode::kXattrCountAt);
  if ((format & 1) == 0) return false;  // compact inodes are not written
  inode->layout = format >> 1;
  if (inode->layout != erofs::kPlain && inode->layout != erofs::kInline &&
      inode->layout != erofs::kChunked) {
    return false;
  }
  inode->xattr_size =
      xattr_count == 0 ? 0 : erofs::kXattrHeaderSize + size_t{4} * (xattr_count - 1);
  if (inode->xattr_size > bytes.size() - inode->offset - erofs::kInodeSize) return false;
  inode->mode = LoadLe16(core + erofs::inode::kModeAt);
  inode->size = LoadLe64(core + erofs::inode::kSizeAt);
  inode->first_block = LoadLe32(core + erofs::inode::kUnionAt);
  return inode->size <= INT64_MAX;
}

ByteSpan MountIndex::DataBlock(const Inode& inode, uint64_t block) const {
  const ByteSpan bytes = tree_;
  if (inode.layout == erofs::kChunked || block >= (inode.size + erofs::kBlockSize - 1) >> 12) {
    return {};
  }
  const uint64_t size = std::min<uint64_t>(erofs::kBlockSize, inode.size - (block << 12));
  uint64_t offset = (uint64_t{inode.first_block} + block) << 12;
  if (inode.layout == erofs::kInline && block == inode.size >> 12) {
    offset = inode.offset + erofs::kInodeSize + inode.xattr_size;
  }
  if (offset > bytes.size() || size > bytes.size() - offset) return {};
  return bytes.subspan(offset, size);
}

int MountIndex::GetAttributes(uint64_t nid, Attributes* attributes) const {
  Inode inode;
  if (!FindInode(nid, &inode)) return EIO;
  const uint8_t* core = tree_.data() + inode.offset;
  attributes->nid = nid;
  attributes->size = inode.size;
  attributes->mtime_seconds = static_cast<int64_t>(LoadLe64(core + erofs::inode::kMtimeAt));
  attributes->mtime_nanoseconds = LoadLe32(core + erofs::inode::kMtimeNanosecondsAt);
  attributes->mode = inode.mode;
  attributes->nlink = LoadLe32(core + erofs::inode::kNlinkAt);
  attributes->uid = LoadLe32(core + erofs::inode::kUidAt);
  attributes->gid = LoadLe32(core + erofs::inode::kGidAt);
  const bool is_device = S_ISCHR(inode.mode) || S_ISBLK(inode.mode);
  attributes->device = is_device ? inode.first_block : 0;
  attributes->number = LoadLe32(core + erofs::inode::kNumberAt);
  return attributes->mtime_nanoseconds < 1'000'000'000 ? 0 : EIO;
}

int MountIndex::Lookup(uint64_t directory, std::string_view name, uint64_t* nid) const {
  Inode inode;
  if (!FindInode(directory, &inode)) return EIO;
  if (!S_ISDIR(inode.mode)) return ENOTDIR;
  // Names ascend over all blocks: the last block whose first name is not above `name`.
  uint64_t low = 0;
  uint64_t high = (inode.size + erofs::kBlockSize - 1) >> 12;
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    const DirectoryBlock block(DataBlock(inode, middle));
    std::string_view first;
    if (!block.ok() || !block.NameAt(0, &first)) return EIO;
    (first <= name ? low : high) = middle;
  }
  if (high == 0) return ENOENT;
  const DirectoryBlock block(DataBlock(inode, low));
  if (!block.ok()) return EIO;
  uint32_t left = 0;
  uint32_t right = block.count();
  while (left < right) {
    const uint32_t middle = left + (right - left) / 2;
    std::string_view found;
    if (!block.NameAt(middle, &found)) return EIO;
    const int order = found.compare(name);
    if (order == 0) {
      *nid = block.NidAt(middle);
      return 0;
    }
    if (order < 0) {
      left = middle + 1;
    } else {
      right = middle;
    }
  }
  return ENOENT;
}

int MountIndex::ReadLink(uint64_t nid, std::string_view* target) const {
  Inode inode;
  if (!FindInode(nid, &inode)) return EIO;
  if (!S_ISLNK(inode.mode)) return EINVAL;
  if (inode.size == 0 || inode.size > kTargetSizeMax) return EIO;
  const ByteSpan data = DataBlock(inode, 0);
  if (data.size() != inode.size) return EIO;
  *target = {reinterpret_cast<const char*>(data.data()), data.size()};
  // The kernel takes the target up to its first NUL; the rest would be invisible.
  return target->find('\0') == std::string_view::npos ? 0 : EIO;
}

int MountIndex::GetXattr(uint64_t nid, std::string_view name, ByteSpan* value) const {
  XattrCursor cursor(*this, nid);
  XattrView xattr;
  int error = 0;
  while ((error = cursor.Next(&xattr)) == 0) {
    const size_t prefix_size = xattr.prefix.size();
    if (name.size() == prefix_size + xattr.name.size() &&
        name.substr(0, prefix_size) == xattr.prefix && name.substr(prefix_size) == xattr.name) {
      *value = xattr.value;
      return 0;
    }
  }
  return error;
}

int MountIndex::ContentOf(const Attributes& attributes,
                          std::optional<ContentRecord>* content) const {
  content->reset();
  if (!S_ISREG(attributes.mode)) return EINVAL;
  if (attributes.number > inode_count_) return EIO;
  const uint32_t entry = LoadLe32(inode_table_ + size_t{attributes.number} * kInodeRowSize);
  if (entry == 0) return attributes.size == 0 ? 0 : EIO;
  if (entry > content_count_) return EIO;
  ContentRecord record;
  if (const int error = ReadContent(entry - 1, &record); error != 0) return error;
  if (record.size != attributes.size) return EIO;
  *content = record;
  return 0;
}

int MountIndex::FindContent(const Digest& digest, std::optional<ContentRecord>* content) const {
  const int error = FindContentFrom(digest, content);
  if (*content && (*content)->digest != digest) content->reset();
  return error;
}

int MountIndex::FindContentFrom(const Digest& digest, std::optional<ContentRecord>* content) const {
  content->reset();
  uint64_t low = 0;
  uint64_t high = content_count_;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const uint8_t* row = content_table_ + middle * kContentRowSize;
    if (std::memcmp(row, digest.data(), digest.size()) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == content_count_) return 0;
  ContentRecord record;
  if (const int error = ReadContent(static_cast<uint32_t>(low), &record); error != 0) return error;
  *content = record;
  return 0;
}

int MountIndex::ReadContent(uint32_t number, ContentRecord* record) const {
  const uint8_t* row = content_table_ + size_t{number} * kContentRowSize;
  record->row = number;
  std::memcpy(record->digest.data(), row, record->digest.size());
  record->size = LoadLe64(row + 32);
  record->first_chunk = LoadLe64(row + 40);
  record->block_count = LoadLe32(row + 48);
  record->block_size_bits = row[52];
  record->data_bytes = LoadLe64(row + 56);
  const bool is_sound =
      record->size > 0 && record->block_size_bits >= kBlockBitsMin &&
      record->block_size_bits <= kBlockBitsMax && record->first_chunk <= chunk_count_ &&
      record->block_count <= chunk_count_ - record->first_chunk &&
      ((record->size - 1) >> record->block_size_bits) + 1 == record->block_count;
  return is_sound ? 0 : EIO;
}

BlockKind MountIndex::KindOf(const ContentRecord& content, uint32_t block) const {
  const uint8_t* row = chunk_table_ + (content.first_chunk + block) * kChunkRowSize;
  if (AllBytesAre(row, kChunkRowSize, 0)) return BlockKind::kHole;
  if (AllBytesAre(row, kChunkRowSize, 0xff)) return BlockKind::kLost;
  return BlockKind::kData;
}

DirectoryCursor::DirectoryCursor(const MountIndex& index, uint64_t nid, uint64_t position)
    : index_(index),
      block_(position / erofs::kBlockSize),
      index_in_block_(static_cast<uint32_t>(position % erofs::kBlockSize / erofs::kDirentSize)) {
  if (!index.FindInode(nid, &inode_)) {
    error_ = EIO;
  } else if (!S_ISDIR(inode_.mode)) {
    error_ = ENOTDIR;
  }
}

int DirectoryCursor::Next(DirectoryEntry* entry) {
  while (error_ == 0) {
    if (block_ >= (inode_.size + erofs::kBlockSize - 1) >> 12) return ENOENT;
    const DirectoryBlock block(index_.DataBlock(inode_, block_));
    if (!block.ok()) return error_ = EIO;
    if (index_in_block_ >= block.count()) {
      ++block_;
      index_in_block_ = 0;
      continue;
    }
    if (!block.NameAt(index_in_block_, &entry->name)) return error_ = EIO;
    entry->nid = block.NidAt(index_in_block_);
    entry->type = block.TypeAt(index_in_block_);
    ++index_in_block_;
    entry->next = block_ * erofs::kBlockSize + index_in_block_ * erofs::kDirentSize;
    return 0;
  }
  return error_;
}

}  // namespace g8ufs
