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

void Standby::Keep(const Launch& launch, size_t count, std::chrono::milliseconds delay,
                   Clock::time_point now) {
  for (; waiting_.size() > count; waiting_.pop_back()) kill_(waiting_.back().process);
  if (waiting_.size() == count || launch.arguments.empty()) return;
  if (!due_) {
    const int doublings = std::min(failures_ - 1, kDoublingsMax);
    const Clock::duration wait = failures_ == 0 ? delay : kRetryDelay * (1 << doublings);
    due_ = now + std::clamp<Clock::duration>(wait, delay, kDelayMax);
  }
  if (now < *due_) return;
  due_.reset();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    ++failures_;
    return;
  }
  const UniqueFd theirs(ends[0]);
  UniqueFd waker(ends[1]);
  Launch waits = launch;
  waits.arguments.emplace_back(kStandbyArgument);
  const int process = start_(waits, theirs.get());
  if (process <= 0) {
    ++failures_;
    return;
  }
  waiting_.push_back({process, std::move(waker), now});
}

void Standby::End() {
  due_.reset();
  failures_ = 0;
  for (const Waiting& one : std::exchange(waiting_, {})) kill_(one.process);
}

int Standby::Use() {
  due_.reset();
  if (waiting_.empty()) return 0;
  const Waiting used = std::move(waiting_.front());
  waiting_.pop_front();
  // One that has just died is reaped in a moment, as any successor.
  (void)::send(used.waker.get(), "g", 1, MSG_NOSIGNAL);
  failures_ = 0;
  return used.process;
}

bool Standby::OnEnded(int process, Clock::time_point now) {
  const auto ended = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& one) { return one.process == process; });
  if (process == 0 || ended == waiting_.end()) return false;
  failures_ = now - ended->started >= kDelayMax ? 0 : failures_ + 1;
  waiting_.erase(ended);
  due_.reset();
  return true;
}

}  // namespace g8ufs::keeper
