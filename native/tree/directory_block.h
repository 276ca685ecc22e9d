// DirectoryBlock: a checked view of one EROFS directory block. No locks, no ownership.
#ifndef G8UFS_NATIVE_TREE_DIRECTORY_BLOCK_H_
#define G8UFS_NATIVE_TREE_DIRECTORY_BLOCK_H_

#include <string_view>

#include "base/bytes.h"

namespace g8ufs {

class DirectoryBlock {
 public:
  explicit DirectoryBlock(ByteSpan bytes);

  bool ok() const { return count_ > 0; }
  uint32_t count() const { return count_; }
  // False when the name lies outside the block or is no file name.
  // REQUIRES for all three: ok() and index < count().
  bool NameAt(uint32_t index, std::string_view* name) const;
  uint64_t NidAt(uint32_t index) const;
  // As in dirent.d_type; DT_UNKNOWN for a type that EROFS does not have.
  uint32_t TypeAt(uint32_t index) const;

 private:
  ByteSpan bytes_;
  uint32_t count_ = 0;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_TREE_DIRECTORY_BLOCK_H_
