#include "fuse/idle_wait.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace g8ufs::fuse {
namespace {

using std::chrono::microseconds;

// What it takes to wake the reader and to hear from it again, with room for a virtual machine.
constexpr microseconds kBudgetMax{100};
constexpr microseconds kBudgetStart{40};
constexpr microseconds kBudgetMin{10};
// A request that came within this would have come sooner if nobody had slept.
constexpr microseconds kSoonMax{200};
// A look takes well below one; whoever was away for so long has shared the core.
constexpr microseconds kAwayMin{200};
constexpr uint32_t kPauseWaits = 64;

std::atomic<int> taken_cores{0};

}  // namespace

int IdleWait::LookersMax() {
  static const int max = static_cast<int>(std::thread::hardware_concurrency()) / 2;
  return max;
}

// Looking takes a core from somebody: not all of them, and none where there is only one.
bool IdleWait::TakeCore() {
  if (taken_cores.fetch_add(1, std::memory_order_relaxed) < lookers_max_) return true;
  taken_cores.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool IdleWait::Look(const Device& device) {
  outcome_ = LookFor(device);
  return outcome_ == Outcome::kAtOnce;
}

IdleWait::Outcome IdleWait::LookFor(const Device& device) {
  if (device.WaitReadable(0)) return Outcome::kAtOnce;
  start_ = now_();
  if (pause_ > 0) {
    --pause_;
    return Outcome::kNotTried;
  }
  if (budget_.count() == 0 || !TakeCore()) return Outcome::kNotTried;
  Outcome outcome = Outcome::kFound;
  Clock::time_point last = start_;
  while (outcome == Outcome::kFound && !device.WaitReadable(0)) {
    const Clock::time_point now = now_();
    if (now - last > kAwayMin) pause_ = kPauseWaits;
    if (pause_ > 0 || now - start_ > budget_) outcome = Outcome::kMissed;
    last = now;
  }
  taken_cores.fetch_sub(1, std::memory_order_relaxed);
  return outcome;
}

void IdleWait::OnRequest() {
  switch (outcome_) {
    case Outcome::kAtOnce:
      return;
    case Outcome::kFound:
      budget_ = std::min<std::chrono::nanoseconds>(budget_ * 2, kBudgetMax);
      return;
    case Outcome::kMissed:
      budget_ = budget_ < kBudgetMin ? std::chrono::nanoseconds{0} : budget_ / 2;
      return;
    case Outcome::kNotTried:
      if (budget_.count() == 0 && now_() - start_ <= kSoonMax) budget_ = kBudgetStart;
      return;
  }
}

}  // namespace g8ufs::fuse
