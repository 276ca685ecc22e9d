#include "driver/idle_files.h"

#include <atomic>
#include <utility>

namespace g8ufs {
namespace {

// Of all mounts.
std::atomic<size_t> file_count{0};

}  // namespace

IdleFiles::~IdleFiles() {
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    file_count.fetch_sub(shard.recent.size(), std::memory_order_relaxed);
  }
}

void IdleFiles::Keep(uint64_t nid, std::shared_ptr<ServedFile> file) {
  file->idle_since = std::chrono::steady_clock::now();
  std::list<Entry> replaced;
  Shard& shard = ShardOf(file->record.digest);
  MutexLock lock(shard.mutex);
  const auto found = shard.by_nid.find(nid);
  if (found != shard.by_nid.end()) {
    replaced.splice(replaced.begin(), shard.recent, found->second);
    shard.by_nid.erase(found);
  } else if (shard.recent.size() == kFilesPerShardMax ||
             file_count.load(std::memory_order_relaxed) >= kFilesMax) {
    if (shard.recent.empty()) {
      replaced.push_back({nid, std::move(file)});
      return;
    }
    replaced.splice(replaced.begin(), shard.recent, std::prev(shard.recent.end()));
    shard.by_nid.erase(replaced.front().nid);
  } else {
    file_count.fetch_add(1, std::memory_order_relaxed);
  }
  shard.recent.push_front({nid, std::move(file)});
  shard.by_nid.emplace(nid, shard.recent.begin());
}

std::shared_ptr<ServedFile> IdleFiles::Take(uint64_t nid, const Digest& digest) {
  Shard& shard = ShardOf(digest);
  MutexLock lock(shard.mutex);
  const auto found = shard.by_nid.find(nid);
  if (found == shard.by_nid.end()) return nullptr;
  std::shared_ptr<ServedFile> file = std::move(found->second->file);
  shard.recent.erase(found->second);
  shard.by_nid.erase(found);
  file_count.fetch_sub(1, std::memory_order_relaxed);
  return file;
}

void IdleFiles::EraseContent(const Digest& digest) {
  std::list<Entry> erased;
  Shard& shard = ShardOf(digest);
  MutexLock lock(shard.mutex);
  for (auto entry = shard.recent.begin(); entry != shard.recent.end();) {
    const auto next = std::next(entry);
    if (entry->file->record.digest == digest) {
      shard.by_nid.erase(entry->nid);
      erased.splice(erased.begin(), shard.recent, entry);
      file_count.fetch_sub(1, std::memory_order_relaxed);
    }
    entry = next;
  }
}

}  // namespace g8ufs
