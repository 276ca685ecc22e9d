#include "driver/object_images.h"

#include <cerrno>
#include <utility>

namespace g8ufs {

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
