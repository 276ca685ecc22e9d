#include "driver/magic_xattrs.h"

#include <algorithm>
#include <memory>

#include "base/bytes.h"

namespace g8ufs {
namespace {

uint64_t PresentBytes(const MountIndex& index, const ContentRecord& record,
                      const Content& content) {
  uint64_t bytes = 0;
  for (uint32_t block = 0; block < record.block_count; ++block) {
    if (!content.HasBlock(block) || index.KindOf(record, block) != BlockKind::kData) continue;
    const uint64_t offset = uint64_t{block} << record.block_size_bits;
    bytes += std::min(uint64_t{1} << record.block_size_bits, record.size - offset);
  }
  return bytes;
}

}  // namespace

uint64_t LocalBytes(const MagicXattrSource& source) {
  if (!source.record) return 0;
  const ContentRecord& record = *source.record;
  ContentFiles::Found found{};
  UniqueFd file;
  const int error = source.files.Find(record.digest, record.size, &found, &file);
  if (error == 0 && found == ContentFiles::Found::kComplete) return record.data_bytes;
  const std::shared_ptr<const Content> content = source.registry.Find(record.digest);
  if (content != nullptr && content->shape().block_count() == record.block_count) {
    if (content->complete()) return record.data_bytes;
    if (content->fd() >= 0) {
      return std::min(PresentBytes(source.index, record, *content), record.data_bytes);
    }
  }
  return std::min(source.files.PartialBytes(record.digest), record.data_bytes);
}

std::optional<std::string> MagicXattr(const MagicXattrSource& source, std::string_view name) {
  name.remove_prefix(kMagicXattrPrefix.size());
  const std::optional<ContentRecord>& record = source.record;
  const uint64_t data = record ? record->data_bytes : 0;
  if (name == "local") return std::to_string(LocalBytes(source));
  if (name == "remaining") return std::to_string(data - LocalBytes(source));
  if (name == "data") return std::to_string(data);
  if (name == "chunks") return std::to_string(record ? record->block_count : 0);
  if (!record) return {};
  if (name == "digest") return ToHex(record->digest);
  if (name == "chunk_size") return std::to_string(uint64_t{1} << record->block_size_bits);
  return {};
}

}  // namespace g8ufs
