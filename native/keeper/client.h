// KeeperClient: the daemon's side of a keeper. Every call is one message and its reply, microseconds
// away; none waits longer than kReplyTime.
//
// Thread rule: any thread; calls exclude each other.
#ifndef G8UFS_NATIVE_KEEPER_CLIENT_H_
#define G8UFS_NATIVE_KEEPER_CLIENT_H_

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "keeper/protocol.h"

namespace g8ufs::keeper {

class KeeperClient {
 public:
  static constexpr auto kReplyTime = std::chrono::seconds(5);

  // What a predecessor has left. Its device and table wait here for TakeDevice.
  struct Held {
    uint64_t id = 0;
    uint32_t attempts = 0;
    bool has_device = false;
    std::string state;
  };

  // Connects, greets, and takes all that is held. `connected` is false when no keeper listens there.
  // ERR_CACHE_LOCKED when another daemon is connected.
  Status Connect(const std::string& path, bool* connected, std::vector<Held>* held)
      EXCLUDES_LOCK(mutex_);

  // Holds a mount: `device` and `table` may both be -1. Known ids keep what is not given.
  Status Hold(uint64_t id, int device, int table, const std::string& state) EXCLUDES_LOCK(mutex_);
  // Lets the kernel's connection of a mount go and keeps what is known of it.
  Status HoldStateOnly(uint64_t id, const std::string& state) EXCLUDES_LOCK(mutex_);
  Status Drop(uint64_t id) EXCLUDES_LOCK(mutex_);
  Status Restoring(uint64_t id) EXCLUDES_LOCK(mutex_);
  Status Restored(uint64_t id) EXCLUDES_LOCK(mutex_);
  Status Successor(const Launch& launch) EXCLUDES_LOCK(mutex_);
  // All is restored. `standbys`: successors that shall stand by. `standby`, if it is asked for: the process
  // of the one that goes on first, or 0.
  Status Ready(uint32_t standbys = 0, int* standby = nullptr) EXCLUDES_LOCK(mutex_);
  Status Goodbye(bool handover) EXCLUDES_LOCK(mutex_);

  // The descriptors of a mount that was held; false when there are none, or no longer.
  bool TakeDevice(uint64_t id, UniqueFd* device, UniqueFd* table) EXCLUDES_LOCK(mutex_);

 private:
  struct Descriptors {
    UniqueFd device;
    UniqueFd table;
  };

  Status Call(const Message& request, const std::vector<int>& fds = {}) EXCLUDES_LOCK(mutex_);
  Status CallLocked(const Message& request, const std::vector<int>& fds, Message* reply,
                    std::vector<UniqueFd>* reply_fds) REQUIRES_LOCK(mutex_);
  Status TakeAll(uint32_t count, std::vector<Held>* held) REQUIRES_LOCK(mutex_);

  Mutex mutex_;
  UniqueFd socket_ GUARDED_BY(mutex_);
  std::map<uint64_t, Descriptors> taken_ GUARDED_BY(mutex_);
};

}  // namespace g8ufs::keeper

#endif  // G8UFS_NATIVE_KEEPER_CLIENT_H_
