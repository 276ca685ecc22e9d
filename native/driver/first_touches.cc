#include "driver/first_touches.h"

namespace g8ufs {

void FirstTouches::Add(uint32_t content, uint32_t block, uint32_t count) {
  MutexLock lock(mutex_);
  std::vector<uint64_t>& seen = seen_[content];
  const uint64_t end = uint64_t{block} + count;
  if (seen.size() * 64 < end) seen.resize((end + 63) / 64);
  for (uint64_t i = block; i < end; ++i) {
    const uint64_t bit = uint64_t{1} << (i & 63);
    if ((seen[i >> 6] & bit) != 0) continue;
    if (pairs_.size() / 2 == kCountMax) return;
    seen[i >> 6] |= bit;
    pairs_.push_back(content);
    pairs_.push_back(static_cast<uint32_t>(i));
  }
}

std::vector<uint32_t> FirstTouches::Pairs() {
  MutexLock lock(mutex_);
  return pairs_;
}

}  // namespace g8ufs
