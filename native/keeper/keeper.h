// Keeper: holds what mounts need to live on when their daemon dies, and starts the daemon's successor.
// One for each cache. It never reads from or writes to what it holds: it only keeps it open.
//
// Life: a daemon connects, hands over its mounts and says how its successor is started. When that
// connection ends without a goodbye, mounts that were unmounted meanwhile are let go and the successor
// is started: at once, then after growing delays. One that does not get as far as kReady counts as
// failed; after kFailuresMax of those in a row nobody serves the mounts any more, and the keeper lets
// go of them so that their users get errors instead of waiting. One that was killed by somebody has
// failed at nothing, and neither have the mounts that it was restoring. The keeper ends when it holds
// nothing and no daemon is connected.
//
// While a daemon works that wants it so, successors stand by (keeper/standby.h). Each is used once; when
// it does not come, the next one goes on, or is started as if there had been none.
//
// A daemon says something every second. Of one that does not it is asked whether it was killed: a process of
// which a thread waits for a disk is not gone, and neither is its connection, before the disk answers.
//
// While a daemon is connected its devices are not looked at: poll(2) on one would be woken by every
// request of its mount.
//
// Thread rule: one thread.
#ifndef G8UFS_NATIVE_KEEPER_KEEPER_H_
#define G8UFS_NATIVE_KEEPER_KEEPER_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "base/unique_fd.h"
#include "keeper/message_socket.h"
#include "keeper/protocol.h"
#include "keeper/standby.h"

namespace g8ufs::keeper {

class Keeper {
 public:
  using Clock = std::chrono::steady_clock;

  struct Ended {
    int process = 0;
    bool was_killed = false;  // by SIGKILL, which no mistake of its own sends
  };

  // How processes are started, ended and waited for: the real ones, or a test's.
  struct Processes {
    Standby::Start start;  // `wait_fd` is -1 for one that does not wait
    Standby::Kill kill;
    std::function<std::vector<Ended>()> reap;
    // Whether a process runs nothing any more, though threads of it may have to be waited for.
    std::function<bool(int process)> is_dying;
  };

  static constexpr int kFailuresMax = 10;
  // Kills that are forgiven in a row: the kernel kills what takes too much memory, each time anew.
  static constexpr int kKillsMax = 50;
  static constexpr auto kFirstDelay = std::chrono::milliseconds(50);
  static constexpr auto kDelayMax = std::chrono::seconds(5);
  // Deaths of daemons that worked: so many in so long a time cost nothing, more wait.
  static constexpr size_t kFreeDeaths = 30;
  static constexpr auto kDeathsTime = std::chrono::seconds(10);
  static constexpr auto kDeathsDelay = std::chrono::seconds(1);
  // From its start to its hello; a machine that is busy takes seconds.
  static constexpr auto kHelloTime = std::chrono::seconds(30);
  // The same of one that stood by, which has little left to do.
  static constexpr auto kUseTime = std::chrono::seconds(10);
  // From a goodbye with kHandover, or from our own start, to the daemon's hello.
  static constexpr auto kComingTime = std::chrono::seconds(10);
  // How often connections that nobody serves are looked at.
  static constexpr auto kLookPeriod = std::chrono::milliseconds(250);

  // Waits before something is done. The first is doubled with each failure, up to kDelayMax.
  struct Delays {
    std::chrono::milliseconds first = kFirstDelay;
    // To load it takes as much of the processors as those want who have just waited.
    std::chrono::milliseconds standby{500};
    // Mounts of a daemon that has just been started are often gone in a moment.
    std::chrono::milliseconds first_standby = std::chrono::seconds(5);
    // Without a word of the daemon, until it is looked at.
    std::chrono::milliseconds silence = std::chrono::seconds(2);
  };

  Keeper(UniqueFd listener, Processes processes, const Delays& delays);

  // Handles what there is, waiting at most `wait`; `signals` may be a descriptor that wakes it, or -1.
  // False when it is over.
  bool Step(std::chrono::milliseconds wait, int signals = -1);

  size_t entry_count() const { return entries_.size(); }
  bool has_daemon() const { return daemon_ != nullptr; }
  // The process that stands by and would go on, or 0.
  int standby() const { return standby_.process(); }
  size_t standby_count() const { return standby_.count(); }

 private:
  struct Entry {
    uint64_t id = 0;
    UniqueFd device;
    UniqueFd table;
    UniqueFd state;
    uint32_t attempts = 0;
    bool is_restoring = false;  // by the daemon that is connected
  };
  struct Connection {
    UniqueFd socket;
  };

  std::chrono::milliseconds WaitTime(std::chrono::milliseconds wait) const;
  void Accept();
  // False when the connection is over.
  bool Serve(Connection& connection);
  Message Handle(Connection& connection, const Message& request, std::vector<UniqueFd>& fds,
                 std::vector<int>* reply_fds);
  int Hold(const Message& request, std::vector<UniqueFd>& fds);
  int Take(const Message& request, Message* reply, std::vector<int>* reply_fds) const;
  // It has been silent for long: whether it was killed.
  void LookAtDaemon();
  void OnDaemonGone();
  void DropEnded();
  void Reap();
  // The last daemon was killed before it worked: takes back what that was counted as.
  void Forgive();
  void Fail();
  // The successor that was started does not come.
  void OnChildLost();
  void StartSuccessor();
  void KeepStandby();
  Entry* Find(uint64_t id);

  const UniqueFd listener_;
  const Processes processes_;
  const Delays delays_;
  std::list<Connection> connections_;
  Connection* daemon_ = nullptr;
  bool is_ready_ = false;  // the daemon, or the last one, got as far as that
  bool takes_over_ = false;  // there was something for the daemon to take
  size_t standbys_ = 0;  // as many are wanted
  bool hands_over_ = false;
  bool is_over_ = false;
  std::vector<Entry> entries_;
  Launch launch_;
  Standby standby_;
  std::optional<int> child_;  // started, not heard of yet
  bool child_stood_by_ = false;
  int daemon_process_ = 0;  // of the daemon, or the last one
  Clock::time_point heard_;  // of the daemon
  bool daemon_killed_ = false;  // its end as a process was seen before that of its connection
  int failures_ = 0;
  int kills_ = 0;
  std::deque<Clock::time_point> deaths_;
  // When a successor is to be started, or the one that was started has had its time.
  std::optional<Clock::time_point> due_;
};

}  // namespace g8ufs::keeper

#endif  // G8UFS_NATIVE_KEEPER_KEEPER_H_
