// Numbers of the EROFS on-disk format as far as a mount index uses them (docs/format.md, section
// 4). Offsets in bytes, little endian.
#ifndef G8UFS_NATIVE_TREE_EROFS_LAYOUT_H_
#define G8UFS_NATIVE_TREE_EROFS_LAYOUT_H_

#include <cstddef>
#include <cstdint>

namespace g8ufs::erofs {

inline constexpr size_t kBlockBits = 12;
inline constexpr size_t kBlockSize = size_t{1} << kBlockBits;

inline constexpr size_t kSuperblockOffset = 1024;
inline constexpr size_t kSuperblockSize = 128;
inline constexpr uint32_t kMagic = 0xe0f5e1e2;
namespace superblock {
inline constexpr size_t kMagicAt = 0;
inline constexpr size_t kBlockBitsAt = 12;
inline constexpr size_t kRootNidAt = 14;       // u16
inline constexpr size_t kMetaBlockAt = 40;     // u32
inline constexpr size_t kIncompatibleAt = 80;  // u32
}  // namespace superblock
inline constexpr uint32_t kIncompatibleChunkedFile = 4;

// nid * kSlotSize is the position of the inode.
inline constexpr size_t kSlotSize = 32;
inline constexpr uint64_t kRootNid = 36;

inline constexpr size_t kInodeSize = 64;
namespace inode {
inline constexpr size_t kFormatAt = 0;      // u16: bit 0 extended, then the layout
inline constexpr size_t kXattrCountAt = 2;  // u16
inline constexpr size_t kModeAt = 4;        // u16
inline constexpr size_t kSizeAt = 8;        // u64
inline constexpr size_t kUnionAt = 16;      // u32: first block, or device number
inline constexpr size_t kNumberAt = 20;     // u32
inline constexpr size_t kUidAt = 24;
inline constexpr size_t kGidAt = 28;
inline constexpr size_t kMtimeAt = 32;             // u64
inline constexpr size_t kMtimeNanosecondsAt = 40;  // u32
inline constexpr size_t kNlinkAt = 44;             // u32
}  // namespace inode

enum Layout : uint32_t { kPlain = 0, kInline = 2, kChunked = 4 };

// An inode's xattrs: a header, then entries of name length, namespace, value size (u16), name,
// value, each padded to 4 bytes. A count of n means 12 + 4 * (n - 1) bytes.
inline constexpr size_t kXattrHeaderSize = 12;
inline constexpr size_t kXattrSharedCountAt = 4;
inline constexpr size_t kXattrEntrySize = 4;

// Directory entry: nid (u64), offset of the name in the block (u16), type (u8), reserved (u8). The
// first name's offset tells how many entries the block has.
inline constexpr size_t kDirentSize = 12;
inline constexpr size_t kDirentNameAt = 8;
inline constexpr size_t kDirentTypeAt = 10;
inline constexpr size_t kDirentsPerBlockMax = kBlockSize / kDirentSize;

}  // namespace g8ufs::erofs

#endif  // G8UFS_NATIVE_TREE_EROFS_LAYOUT_H_
