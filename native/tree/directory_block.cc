#include "tree/directory_block.h"

#include <dirent.h>

#include <algorithm>

#include "tree/erofs_layout.h"

namespace g8ufs {
namespace {

constexpr size_t kNameSizeMax = 255;

size_t LoadLe16(const uint8_t* data) { return size_t{data[0]} | size_t{data[1]} << 8; }

}  // namespace

DirectoryBlock::DirectoryBlock(ByteSpan bytes) : bytes_(bytes) {
  if (bytes.size() < erofs::kDirentSize) return;
  const size_t names = LoadLe16(bytes.data() + erofs::kDirentNameAt);
  if (names % erofs::kDirentSize != 0 || names > bytes.size()) return;
  count_ = static_cast<uint32_t>(names / erofs::kDirentSize);
}

bool DirectoryBlock::NameAt(uint32_t index, std::string_view* name) const {
  const uint8_t* entry = bytes_.data() + index * erofs::kDirentSize;
  const size_t start = LoadLe16(entry + erofs::kDirentNameAt);
  const bool is_last = index + 1 == count_;
  const size_t end =
      is_last ? bytes_.size() : LoadLe16(entry + erofs::kDirentSize + erofs::kDirentNameAt);
  if (start < count_ * erofs::kDirentSize || start >= end || end > bytes_.size()) return false;
  *name = {reinterpret_cast<const char*>(bytes_.data()) + start, end - start};
  // Behind the last name the block is padded with NULs.
  if (is_last) *name = name->substr(0, name->find('\0'));
  return !name->empty() && name->size() <= kNameSizeMax &&
         std::none_of(name->begin(), name->end(), [](char c) { return c == '/' || c == '\0'; });
}

uint64_t DirectoryBlock::NidAt(uint32_t index) const {
  return LoadLe64(bytes_.data() + index * erofs::kDirentSize);
}

uint32_t DirectoryBlock::TypeAt(uint32_t index) const {
  static constexpr uint8_t kTypes[] = {DT_UNKNOWN, DT_REG,  DT_DIR,  DT_CHR,
                                       DT_BLK,     DT_FIFO, DT_SOCK, DT_LNK};
  const uint8_t type = bytes_[index * erofs::kDirentSize + erofs::kDirentTypeAt];
  return type < std::size(kTypes) ? kTypes[type] : uint32_t{DT_UNKNOWN};
}

}  // namespace g8ufs
