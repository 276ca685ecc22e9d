#include "keeper/standby.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace g8ufs::keeper {
namespace {

// Doubled so often, every delay is longer than the longest.
constexpr int kDoublingsMax = 20;

}  // namespace

Standby::Standby(Start start, Kill kill) : start_(std::move(start)), kill_(std::move(kill)) {}

Standby::~Standby() { End(); }

void Standby::Keep(const Launch& launch, std::chrono::milliseconds delay, Clock::time_point now) {
  if (process_ != 0 || launch.arguments.empty()) return;
  if (!due_) {
    const int doublings = std::min(failures_ - 1, kDoublingsMax);
    const Clock::duration wait = failures_ == 0 ? delay : kRetryDelay * (1 << doublings);
    due_ = now + std::clamp<Clock::duration>(wait, delay, kDelayMax);
  }
  if (now < *due_) return;
  due_.reset();
  // Counted before: one that lives for long takes it back.
  ++failures_;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  const UniqueFd waiting(ends[0]);
  UniqueFd waker(ends[1]);
  Launch waits = launch;
  waits.arguments.emplace_back(kStandbyArgument);
  const int process = start_(waits, waiting.get());
  if (process <= 0) return;
  process_ = process;
  waker_ = std::move(waker);
  started_ = now;
}

void Standby::End() {
  due_.reset();
  failures_ = 0;
  waker_.Reset();
  if (const int process = std::exchange(process_, 0); process != 0) kill_(process);
}

int Standby::Use() {
  due_.reset();
  if (process_ == 0) return 0;
  // One that has just died is reaped in a moment, as any successor.
  (void)::send(waker_.get(), "g", 1, MSG_NOSIGNAL);
  waker_.Reset();
  failures_ = 0;
  return std::exchange(process_, 0);
}

bool Standby::OnEnded(int process, Clock::time_point now) {
  if (process_ == 0 || process != process_) return false;
  process_ = 0;
  waker_.Reset();
  if (now - started_ >= kDelayMax) failures_ = 0;
  return true;
}

}  // namespace g8ufs::keeper
