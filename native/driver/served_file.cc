#include "driver/served_file.h"

#include <cerrno>

namespace g8ufs {

OpenTable::~OpenTable() {
  for (std::atomic<Chunk*>& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

int OpenTable::Open(uint64_t nid, const Choose& choose, Opened* opened) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.slots.find(nid);
  Slot* slot = found == shard.slots.end() ? nullptr : found->second;
  if (slot == nullptr) {
    std::unique_ptr<ServedFile> file;
    if (const int error = choose(&file); error != 0) return error;
    slot = TakeSlot();
    if (slot == nullptr) return ENFILE;
    slot->file = std::move(file);
    slot->opens = 0;
    slot->nid.store(nid, std::memory_order_release);
    shard.slots.emplace(nid, slot);
  }
  // Noted before it is answered, so that a successor never counts too few.
  slot->file->hold.SetOpens(static_cast<uint32_t>(++slot->opens));
  open_count_.fetch_add(1, std::memory_order_relaxed);
  *opened = {slot->handle, slot->file.get()};
  return 0;
}

bool OpenTable::Restore(uint64_t nid, uint64_t opens, std::unique_ptr<ServedFile> file) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  if (shard.slots.contains(nid)) return false;
  Slot* slot = TakeSlot();
  if (slot == nullptr) return false;
  slot->file = std::move(file);
  slot->opens = opens;
  slot->nid.store(nid, std::memory_order_release);
  shard.slots.emplace(nid, slot);
  open_count_.fetch_add(opens, std::memory_order_relaxed);
  return true;
}

const ServedFile* OpenTable::FindOpen(uint64_t nid) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.slots.find(nid);
  return found == shard.slots.end() ? nullptr : found->second->file.get();
}

std::unique_ptr<ServedFile> OpenTable::Close(uint64_t nid) {
  Shard& shard = ShardOf(nid);
  MutexLock lock(shard.mutex);
  const auto found = shard.slots.find(nid);
  if (found == shard.slots.end()) return nullptr;
  open_count_.fetch_sub(1, std::memory_order_relaxed);
  Slot* slot = found->second;
  slot->file->hold.SetOpens(static_cast<uint32_t>(--slot->opens));
  if (slot->opens > 0) return nullptr;
  slot->nid.store(0, std::memory_order_release);
  std::unique_ptr<ServedFile> file = std::move(slot->file);
  shard.slots.erase(found);
  MutexLock free_lock(free_mutex_);
  free_.push_back(slot);
  return file;
}

const ServedFile* OpenTable::Find(uint64_t handle, uint64_t nid) const {
  if (handle == kNoHandle || handle > kSlotsPerChunk * kChunkCountMax) return nullptr;
  const Chunk* chunk = chunks_[(handle - 1) / kSlotsPerChunk].load(std::memory_order_acquire);
  if (chunk == nullptr) return nullptr;
  const Slot& slot = (*chunk)[(handle - 1) % kSlotsPerChunk];
  return slot.nid.load(std::memory_order_acquire) == nid ? slot.file.get() : nullptr;
}

OpenTable::Slot* OpenTable::TakeSlot() {
  MutexLock lock(free_mutex_);
  if (free_.empty()) {
    if (chunk_count_ == kChunkCountMax) return nullptr;
    auto* chunk = new Chunk();
    for (size_t i = kSlotsPerChunk; i > 0; --i) {
      (*chunk)[i - 1].handle = chunk_count_ * kSlotsPerChunk + i;
      free_.push_back(&(*chunk)[i - 1]);
    }
    chunks_[chunk_count_++].store(chunk, std::memory_order_release);
  }
  Slot* slot = free_.back();
  free_.pop_back();
  return slot;
}

}  // namespace g8ufs
