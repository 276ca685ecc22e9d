// Standby: a successor that is loaded as far as the place where it takes the mounts, and waits there. It
// has nothing but memory: whatever happens to it, the next one is started after a while that grows.
//
// It waits for a byte on a socket of which only this process has the other end: whatever ends the keeper
// ends it, too.
//
// Thread rule: one thread.
#ifndef G8UFS_NATIVE_KEEPER_STANDBY_H_
#define G8UFS_NATIVE_KEEPER_STANDBY_H_

#include <chrono>
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

  // Called again and again while one is wanted: starts it when none has been there for `delay`, or longer
  // after one that has ended by itself. REQUIRES: delay <= kDelayMax.
  void Keep(const Launch& launch, std::chrono::milliseconds delay, Clock::time_point now);
  // None is wanted any more.
  void End();
  // Lets it go on, as a process of the caller's from now on: its id, or 0 when there is none.
  int Use();
  // A process has ended: whether it was this one.
  bool OnEnded(int process, Clock::time_point now);

  // 0 when there is none.
  int process() const { return process_; }
  // When Keep is to be called again.
  const std::optional<Clock::time_point>& due() const { return due_; }

 private:
  const Start start_;
  const Kill kill_;
  int process_ = 0;
  UniqueFd waker_;
  Clock::time_point started_;
  std::optional<Clock::time_point> due_;
  int failures_ = 0;  // of those since one was of use, or lived for long
};

}  // namespace g8ufs::keeper

#endif  // G8UFS_NATIVE_KEEPER_STANDBY_H_
