#include "driver/served_file.h"

#include <cerrno>
#include <utility>

namespace g8ufs {

int OpenTable::Open(uint64_t nid, const Choose& choose, std::shared_ptr<const ServedFile>* file) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  auto found = shard.entries.find(nid);
  if (found == shard.entries.end()) {
    std::shared_ptr<ServedFile> chosen;
    if (const int error = choose(&chosen); error != 0) return error;
    if (!TakeRoom()) return ENFILE;
    found = shard.entries.emplace(nid, Entry{0, std::move(chosen)}).first;
  }
  Entry& entry = found->second;
  // Noted before it is answered, so that a successor never counts too few.
  entry.file->hold.SetOpens(static_cast<uint32_t>(++entry.opens));
  open_count_.fetch_add(1, std::memory_order_relaxed);
  *file = entry.file;
  return 0;
}

bool OpenTable::Restore(uint64_t nid, uint64_t opens, std::shared_ptr<ServedFile> file) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  if (shard.entries.contains(nid) || !TakeRoom()) return false;
  shard.entries.emplace(nid, Entry{opens, std::move(file)});
  open_count_.fetch_add(opens, std::memory_order_relaxed);
  return true;
}

std::shared_ptr<const ServedFile> OpenTable::Find(uint64_t nid) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.entries.find(nid);
  return found == shard.entries.end() ? nullptr : found->second.file;
}

std::shared_ptr<ServedFile> OpenTable::Close(uint64_t nid) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.entries.find(nid);
  if (found == shard.entries.end()) return nullptr;
  open_count_.fetch_sub(1, std::memory_order_relaxed);
  Entry& entry = found->second;
  entry.file->hold.SetOpens(static_cast<uint32_t>(--entry.opens));
  if (entry.opens > 0) return nullptr;
  std::shared_ptr<ServedFile> file = std::move(entry.file);
  shard.entries.erase(found);
  inode_count_.fetch_sub(1, std::memory_order_relaxed);
  return file;
}

bool OpenTable::TakeRoom() {
  if (inode_count_.fetch_add(1, std::memory_order_relaxed) < kInodesMax) return true;
  inode_count_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace g8ufs
