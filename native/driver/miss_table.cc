#include "driver/miss_table.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace g8ufs {
namespace {

// Every waiter is a thread of somebody or a readahead of 1 MiB; a machine that really had so many
// would have run into max_background (512) or its limit of threads long before.
constexpr size_t kWaitersMax = 64 * 1024;
// JS's queue drains in microseconds unless its loop is busy, and then 10 ms more do not matter.
constexpr auto kNeedsRetryPeriod = std::chrono::milliseconds(10);
// From the last block to the file in its final place: a rename and the state's write. An open that
// does not wait for it loses passthrough, not correctness.
constexpr auto kCompleteGrace = std::chrono::milliseconds(250);
// Threads of a table over its life. Each that is stuck costs one, and by the first the disk is known.
constexpr size_t kThreadsMax = 16;

}  // namespace

MissTable::MissTable(ContentRegistry& registry, Options options)
    : registry_(registry), options_(std::move(options)), stall_limits_(options_.deadline) {}

MissTable::~MissTable() { Stop(); }

Status MissTable::Start(WaiterHandler& handler) {
  handler_ = &handler;
  try {
    MutexLock lock(mutex_);
    threads_.emplace_back([this] { Run(0); });
  } catch (const std::system_error& error) {
    return Status::FromErrno(Code::ERR_INTERNAL, "Thread for waiting requests cannot be started",
                             error.code().value());
  }
  registry_.Subscribe(this);
  fuse::StallWatch::Instance().Add(*this);
  return {};
}

void MissTable::Stop() {
  registry_.Unsubscribe(this);
  fuse::StallWatch::Instance().Remove(*this);
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::shared_ptr<Content>> contents;
  {
    MutexLock lock(mutex_);
    for (auto& [unique, waiter] : waiters_) contents.push_back(std::move(waiter.content));
    for (Waiter& waiter : ready_) contents.push_back(std::move(waiter.content));
    for (auto& [waiter, error] : failed_) contents.push_back(std::move(waiter.content));
    waiters_.clear();
    by_content_.clear();
    timers_.clear();
    ready_.clear();
    failed_.clear();
    needs_.clear();
  }
  for (const auto& content : contents) registry_.Release(content);
}

int MissTable::Park(Waiter& waiter) {
  {
    MutexLock lock(mutex_);
    const uint64_t unique = waiter.reply.unique;
    if (stopping_ || waiters_.size() >= kWaitersMax) return EIO;
    if (waiters_.contains(unique)) return EALREADY;
    if (waiter.deadline == Clock::time_point{}) {
      waiter.since = Clock::now();
      waits_.fetch_add(1, std::memory_order_relaxed);
      waiter.deadline = waiter.since + options_.deadline;
    }
    Waiter& parked = waiters_.emplace(unique, std::move(waiter)).first->second;
    Waits& waits = by_content_[parked.content.get()];
    waits.waiters.insert(unique);
    SetTimer(parked, parked.deadline);
    // Blocks may have arrived since the caller looked. Whoever announces blocks sets the bits first
    // and takes this lock afterwards, so one of the two sees the other.
    if (IsReady(parked)) {
      ready_.push_back(Remove(unique));
      changed_.NotifyAll();
    } else {
      QueueNeeds(parked, waits);
      if (timers_.begin()->second == unique) changed_.NotifyAll();
    }
  }
  SendNeeds();
  return 0;
}

void MissTable::Ask(const Need& need) {
  MutexLock lock(mutex_);
  if (stopping_ || needs_.size() >= kWaitersMax) return;
  needs_.push_back(need);
  changed_.NotifyAll();
}

std::set<std::pair<uint32_t, uint32_t>> MissTable::WaitedContents() {
  std::set<std::pair<uint32_t, uint32_t>> contents;
  MutexLock lock(mutex_);
  for (const auto& [unique, waiter] : waiters_) contents.emplace(waiter.image, waiter.content_row);
  return contents;
}

bool MissTable::Interrupt(uint64_t unique, Waiter* waiter) {
  MutexLock lock(mutex_);
  if (!waiters_.contains(unique)) return false;
  *waiter = Remove(unique);
  return true;
}

MissStats MissTable::Stats() {
  MutexLock lock(mutex_);
  MissStats stats;
  stats.waits = waits_.load(std::memory_order_relaxed);
  stats.deadlines_missed = deadlines_missed_.load(std::memory_order_relaxed);
  stats.waiting = waiters_.size() + ready_.size() + failed_.size();
  const Clock::time_point now = Clock::now();
  Clock::time_point oldest = now;
  for (const auto& [unique, waiter] : waiters_) oldest = std::min(oldest, waiter.since);
  stats.oldest_wait_ms = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now - oldest).count());
  return stats;
}

void MissTable::OnContentChanged(const Content& content) {
  MutexLock lock(mutex_);
  const auto found = by_content_.find(&content);
  if (found == by_content_.end()) return;
  Waits& waits = found->second;
  if (content.broken() && !waits.broken) {
    // What was asked for before would come into the file.
    waits.broken = true;
    waits.asked.clear();
  }
  std::erase_if(waits.asked, [&](uint32_t block) { return content.CanServe(block, 1); });
  const std::vector<uint64_t> uniques(waits.waiters.begin(), waits.waiters.end());
  for (const uint64_t unique : uniques) {
    Waiter& waiter = waiters_.at(unique);
    // A lent block may have gone before the others came.
    if (!IsReady(waiter)) {
      QueueNeeds(waiter, waits);
    } else {
      ready_.push_back(Remove(unique));
    }
  }
  changed_.NotifyAll();
}

void MissTable::OnContentFailed(const Content& content, uint32_t block, uint32_t count, int error) {
  MutexLock lock(mutex_);
  const auto found = by_content_.find(&content);
  if (found == by_content_.end()) return;
  const uint64_t end = count == 0 ? UINT64_MAX : uint64_t{block} + count;
  std::erase_if(found->second.asked, [&](uint32_t b) { return b >= block && b < end; });
  const std::vector<uint64_t> uniques(found->second.waiters.begin(), found->second.waiters.end());
  for (const uint64_t unique : uniques) {
    const Waiter& waiter = waiters_.at(unique);
    if (waiter.block < end && block < uint64_t{waiter.block} + waiter.block_count) {
      failed_.emplace_back(Remove(unique), error);
    }
  }
  changed_.NotifyAll();
}

void MissTable::OnContentUnwanted(const Digest& digest) {
  if (on_unwanted) on_unwanted(digest);
}

void MissTable::Run(size_t number) {
  pthread_setname_np(pthread_self(), "g8ufs-wait");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  Batch batch;
  while (NextBatch(number, &batch)) {
    // What waits for no disk goes first.
    for (auto& [waiter, error] : batch.failed) handler_->Fail(std::move(waiter), error);
    if (batch.send_needs) SendNeeds();
    if (batch.ready) handler_->Resume(std::move(*batch.ready));
    batch = Batch{};
  }
}

void MissTable::Look() {
  uint64_t unique = 0;
  {
    MutexLock lock(mutex_);
    if (resuming_) unique = resuming_->reply.unique;
  }
  if (stall_.Look(unique) == stall_limits_.stuck) Replace(unique);
}

void MissTable::Replace(uint64_t unique) {
  if (options_.on_stall) options_.on_stall();
  MutexLock lock(mutex_);
  if (stopping_ || !resuming_ || resuming_->reply.unique != unique) return;
  if (threads_.size() >= kThreadsMax) return;
  try {
    threads_.emplace_back([this, number = threads_.size()] { Run(number); });
  } catch (const std::system_error&) {
    return;
  }
  // The stuck one keeps its user and gives it back; what it answers comes second, or is right.
  Waiter again = *std::exchange(resuming_, std::nullopt);
  if (waiters_.contains(unique) || !registry_.AddUser(*again.content)) return;
  Waiter& parked = waiters_.emplace(unique, std::move(again)).first->second;
  Waits& waits = by_content_[parked.content.get()];
  waits.waiters.insert(unique);
  SetTimer(parked, parked.deadline);
  QueueNeeds(parked, waits);
  changed_.NotifyAll();
}

bool MissTable::NextBatch(size_t number, Batch* batch) {
  MutexLock lock(mutex_);
  // Nothing is resumed any more: it is back, unless another one has its place.
  if (number + 1 == threads_.size()) resuming_.reset();
  while (!stopping_ && number + 1 == threads_.size()) {
    const Clock::time_point now = Clock::now();
    Expire(now, batch);
    batch->failed.insert(batch->failed.end(), std::make_move_iterator(failed_.begin()),
                         std::make_move_iterator(failed_.end()));
    failed_.clear();
    if (!ready_.empty()) {
      batch->ready = std::move(ready_.front());
      ready_.pop_front();
      resuming_ = batch->ready;
    }
    batch->send_needs = !needs_.empty() && now >= needs_not_before_;
    if (batch->ready || !batch->failed.empty() || batch->send_needs) return true;
    Clock::time_point next = timers_.empty() ? Clock::time_point::max() : timers_.begin()->first;
    if (!needs_.empty()) next = std::min(next, needs_not_before_);
    if (next == Clock::time_point::max()) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, next);
    }
  }
  return false;
}

void MissTable::Expire(Clock::time_point now, Batch* batch) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const uint64_t unique = timers_.begin()->second;
    Waiter& waiter = waiters_.at(unique);
    if (now < waiter.deadline) {
      waiter.accept_partial = true;
      ready_.push_back(Remove(unique));
      continue;
    }
    // Asked for again by the next reader: what was asked so long ago may be lost.
    Waits& waits = by_content_[waiter.content.get()];
    for (uint32_t i = 0; i < waiter.block_count; ++i) waits.asked.erase(waiter.block + i);
    deadlines_missed_.fetch_add(1, std::memory_order_relaxed);
    batch->failed.emplace_back(Remove(unique), EIO);
  }
}

void MissTable::SendNeeds() {
  while (true) {
    Need need;
    {
      MutexLock lock(mutex_);
      if (needs_.empty() || Clock::now() < needs_not_before_) return;
      need = needs_.front();
      needs_.pop_front();
    }
    if (options_.send_need(need)) continue;
    MutexLock lock(mutex_);
    if (stopping_) return;
    needs_.push_front(need);
    needs_not_before_ = Clock::now() + kNeedsRetryPeriod;
    changed_.NotifyAll();
    return;
  }
}

void MissTable::QueueNeeds(const Waiter& waiter, Waits& waits) {
  const Content& content = *waiter.content;
  const uint32_t end = waiter.block + waiter.block_count;
  uint32_t block = waiter.block;
  // Where several images are served, the inode is none of theirs.
  const uint64_t nid = waiter.image == 0 ? waiter.nid : 0;
  // JS takes nothing: the deadline ends the wait, and then the next reader asks.
  while (block < end && needs_.size() < kWaitersMax) {
    const uint32_t first = block;
    while (block < end && !content.CanServe(block, 1) && waits.asked.insert(block).second) ++block;
    if (block > first) {
      needs_.push_back({waiter.content_row, first, block - first, nid, waiter.offset,
                        waiter.size, waiter.since, waiter.image, content.broken(),
                        registry_.trust() == DiskTrust::kAway});
    }
    if (block < end) ++block;  // present, or asked for already
  }
}

Waiter MissTable::Remove(uint64_t unique) {
  const auto found = waiters_.find(unique);
  Waiter waiter = std::move(found->second);
  waiters_.erase(found);
  timers_.erase({waiter.timer, unique});
  const auto waits = by_content_.find(waiter.content.get());
  waits->second.waiters.erase(unique);
  if (waits->second.waiters.empty()) by_content_.erase(waits);
  return waiter;
}

void MissTable::SetTimer(Waiter& waiter, Clock::time_point time) {
  timers_.erase({waiter.timer, waiter.reply.unique});
  waiter.timer = time;
  timers_.emplace(time, waiter.reply.unique);
}

bool MissTable::IsReady(Waiter& waiter) {
  const Content& content = *waiter.content;
  if ((content.complete() || waiter.has_file) && !content.broken()) return true;
  if (!content.CanServe(waiter.block, waiter.block_count)) return false;
  if (waiter.kind == Waiter::Kind::kRead || waiter.accept_partial) return true;
  // Lent: there will be no file.
  if (content.broken() || !content.HasBlocks(waiter.block, waiter.block_count)) {
    waiter.accept_partial = true;
    return true;
  }
  const Clock::time_point grace = Clock::now() + kCompleteGrace;
  if (grace < waiter.timer) SetTimer(waiter, grace);
  return false;
}

}  // namespace g8ufs
