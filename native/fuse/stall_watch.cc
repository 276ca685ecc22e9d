#include "fuse/stall_watch.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <system_error>
#include <thread>

namespace g8ufs::fuse {
namespace {

// A disk that spins up, or has a long queue, takes as long as this and is well.
constexpr int kStuckLooksMax = 3;

}  // namespace

StallLimits::StallLimits(std::chrono::milliseconds deadline) {
  const auto looks = static_cast<int>(
      std::min<int64_t>(deadline / StallWatch::kPeriod, int64_t{1} << 30));
  // Time is left for another way to the bytes.
  stuck = std::clamp(looks / 3, 1, kStuckLooksMax);
  given_up = std::max(looks - 1, 2);
}

// Never destroyed: its thread may be at it when the process ends.
StallWatch& StallWatch::Instance() {
  static auto* watch = new StallWatch();
  return *watch;
}

void StallWatch::Add(Watched& watched) {
  MutexLock lock(mutex_);
  watched_.push_back(&watched);
  changed_.NotifyAll();
  if (has_thread_) return;
  try {
    std::thread([this] { Run(); }).detach();
    has_thread_ = true;
  } catch (const std::system_error&) {
    // Nobody is looked at; the next one tries again.
  }
}

void StallWatch::Remove(Watched& watched) {
  MutexLock lock(mutex_);
  std::erase(watched_, &watched);
}

void StallWatch::Run() {
  pthread_setname_np(pthread_self(), "g8ufs-watch");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  MutexLock lock(mutex_);
  auto next = std::chrono::steady_clock::now() + kPeriod;
  while (true) {
    if (watched_.empty()) {
      changed_.Wait(mutex_);
      next = std::chrono::steady_clock::now() + kPeriod;
      continue;
    }
    changed_.WaitUntil(mutex_, next);
    const auto now = std::chrono::steady_clock::now();
    if (now < next) continue;
    // After a pause of the process the looks that were missed are not made up for.
    next = now + kPeriod;
    for (Watched* watched : watched_) watched->Look();
  }
}

}  // namespace g8ufs::fuse
