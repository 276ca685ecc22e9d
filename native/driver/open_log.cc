#include "driver/open_log.h"

#include <utility>

namespace g8ufs {

void OpenLog::Add(uint64_t nid, bool complete) {
  MutexLock lock(mutex_);
  if (seen_.size() >= kSeenMax) seen_.clear();
  if (!seen_.insert(nid).second || entries_.size() >= kEntriesMax) return;
  entries_.push_back({nid, complete, Clock::now()});
}

std::vector<OpenLog::Entry> OpenLog::Take(bool watch) {
  watched_.store(watch, std::memory_order_relaxed);
  MutexLock lock(mutex_);
  if (!watch) seen_ = {};
  return std::exchange(entries_, {});
}

}  // namespace g8ufs
