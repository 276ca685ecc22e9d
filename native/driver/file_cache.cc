#include "driver/file_cache.h"

#include <vector>

namespace g8ufs {

std::shared_ptr<const ServedFile> FileCache::Find(uint64_t nid) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.by_nid.find(nid);
  if (found == shard.by_nid.end()) return nullptr;
  shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
  return found->second->file;
}

void FileCache::Put(uint64_t nid, std::shared_ptr<const ServedFile> file) {
  std::shared_ptr<const ServedFile> evicted;  // closes its descriptor behind the lock
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.by_nid.find(nid);
  if (found != shard.by_nid.end()) {
    evicted = std::exchange(found->second->file, std::move(file));
    return;
  }
  shard.recent.push_front({nid, std::move(file)});
  shard.by_nid.emplace(nid, shard.recent.begin());
  if (shard.recent.size() <= kFilesPerShardMax) return;
  evicted = std::move(shard.recent.back().file);
  shard.by_nid.erase(shard.recent.back().nid);
  shard.recent.pop_back();
}

void FileCache::Erase(uint64_t nid) {
  std::shared_ptr<const ServedFile> erased;
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.by_nid.find(nid);
  if (found == shard.by_nid.end()) return;
  erased = std::move(found->second->file);
  shard.recent.erase(found->second);
  shard.by_nid.erase(found);
}

void FileCache::EraseContent(const Digest& digest) {
  for (Shard& shard : shards_) {
    std::vector<std::shared_ptr<const ServedFile>> erased;
    MutexLock lock(shard.mutex);
    for (auto entry = shard.recent.begin(); entry != shard.recent.end();) {
      if (entry->file->content->digest() != digest) {
        ++entry;
        continue;
      }
      erased.push_back(std::move(entry->file));
      shard.by_nid.erase(entry->nid);
      entry = shard.recent.erase(entry);
    }
  }
}

}  // namespace g8ufs
