// Standby: successors that are loaded as far as the place where they take the mounts, and wait there. They
// have nothing but memory: whatever happens to one, the next is started after a while that grows.
//
// Each waits for a byte on a socket of which only this process has the other end: whatever ends the keeper
// ends it, too.
//
// Thread rule: one thread.
#ifndef G8UFS_NATIVE_KEEPER_STANDBY_H_
#define G8UFS_NATIVE_KEEPER_STANDBY_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>

#include "base/unique_fd.h"
#include "keeper/protocol.h"

namespace g8ufs::keeper {

class Standby {
 public:
  using Clock = std::chrono::steady_clock;

  // How a process is started that has `wait_fd` as its descriptor kWaitFd: its id, or -1.
  using Start = std::function<int(const Launch&, int wait_fd)>;
  using Kill = std::function<void(int)>;

  // Until the next one when one has ended by itself; doubled for each that follows.
  static constexpr auto kRetryDelay = std::chrono::seconds(1);
  // The longest while until the next one, and the life after which one counts as good.
  static constexpr auto kDelayMax = std::chrono::minutes(5);

  Standby(Start start, Kill kill);
  ~Standby();
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;

  // Called again and again while any is wanted: starts one, `delay` after it was found missing or the one
  // before it was started, and longer after one that has ended by itself. Ends those above `count`.
  // REQUIRES: count > 0, delay <= kDelayMax.
  void Keep(const Launch& launch, size_t count, std::chrono::milliseconds delay,
            Clock::time_point now);
  // None is wanted any more.
  void End();
  // Lets the oldest go on, as a process of the caller's from now on: its id, or 0 when there is none.
  int Use();
  // A process has ended: whether it was one of these.
  bool OnEnded(int process, Clock::time_point now);

  // The one that Use would take, or 0.
  int process() const { return waiting_.empty() ? 0 : waiting_.front().process; }
  size_t count() const { return waiting_.size(); }
  // When Keep is to be called again.
  const std::optional<Clock::time_point>& due() const { return due_; }

 private:
  struct Waiting {
    int process = 0;
    UniqueFd waker;
    Clock::time_point started;
  };

  const Start start_;
  const Kill kill_;
  std::deque<Waiting> waiting_;  // the oldest first: it is loaded before others
  std::optional<Clock::time_point> due_;
  int failures_ = 0;  // of those since one was of use, or lived for long
};

}  // namespace g8ufs::keeper

#endif  // G8UFS_NATIVE_KEEPER_STANDBY_H_
