#include "driver/object_images.h"

#include <cerrno>
#include <utility>

namespace g8ufs {

namespace {

// The smallest digest that has this node id.
Digest FirstDigest(uint64_t node) {
  Digest digest{};
  const uint64_t bits = node << 2;
  for (size_t i = 0; i < 8; ++i) digest[i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  return digest;
}

// The digest behind this one; the last one is its own.
Digest Next(Digest digest) {
  for (size_t i = digest.size(); i > 0; --i) {
    if (++digest[i - 1] != 0) return digest;
  }
  digest.fill(0xff);
  return digest;
}

}  // namespace

uint64_t NodeOfDigest(const Digest& digest) {
  uint64_t bits = 0;
  for (size_t i = 0; i < 8; ++i) bits = bits << 8 | digest[i];
  return kObjectNodes | bits >> 2;
}

int ObjectImages::FindNode(uint64_t node, ObjectRecord* record) const {
  std::optional<Digest> found;
  {
    MutexLock lock(mutex_);
    for (const auto& [number, index] : images_) {
      std::optional<ContentRecord> content;
      Digest from = FirstDigest(node);
      for (int i = 0; i < 2; ++i) {
        if (index->FindContentFrom(from, &content) != 0 || !content) break;
        if (NodeOfDigest(content->digest) != node) break;
        if (found && *found != content->digest) return EIO;
        found = content->digest;
        from = Next(content->digest);
      }
    }
  }
  return found ? Find(*found, record) : ENOENT;
}

Status ObjectImages::Add(const std::string& directory, uint32_t* number) {
  std::unique_ptr<MountIndex> index;
  Status status = MountIndex::Open(directory, &index);
  if (!status.ok()) return status;
  MutexLock lock(mutex_);
  *number = next_number_++;
  images_.emplace(*number, std::move(index));
  return {};
}

void ObjectImages::Remove(uint32_t number) {
  std::shared_ptr<const MountIndex> removed;  // unmapped behind the lock
  MutexLock lock(mutex_);
  const auto found = images_.find(number);
  if (found == images_.end()) return;
  removed = std::move(found->second);
  images_.erase(found);
}

int ObjectImages::Find(const Digest& digest, ObjectRecord* record) const {
  MutexLock lock(mutex_);
  int result = ENOENT;
  for (const auto& [number, index] : images_) {
    std::optional<ContentRecord> content;
    // A table that is broken here says nothing about those of other images.
    if (index->FindContent(digest, &content) != 0 || !content) continue;
    if (result == 0 && content->size != record->content.size) return EIO;
    if (result == 0) continue;
    *record = {number, index, *content};
    result = 0;
  }
  return result;
}

}  // namespace g8ufs
