// A served connection: the handshake, then one thread per device that reads requests and hands them
// to a Handler until the connection ends or the session is stopped.
//
// One worker listens, the others are in reserve: two that wait in the kernel would be woken in
// turn, each on another core, and the kernel wakes one even when another is just looking. The
// listener gives its turn away before anything that takes long (BeforeWait, a large READ) or when
// requests pile up; it then takes what is there and goes into reserve when nothing is.
//
// Teardown rules:
//  * The kernel ends a connection when its last mount goes away, or when it is aborted. Every
//  worker
//    then leaves; the last one calls `on_end`, on its own thread, exactly once.
//  * Stop() makes the workers leave while the connection lives. Their descriptors close with the
//    Session, which aborts the connection: whoever still waits in the kernel gets ECONNABORTED.
//  * Join() may be called by any thread but a worker. The destructor stops and joins.
//  * A mount that nobody serves hangs its users: detach the mount before Stop().
#ifndef G8UFS_NATIVE_FUSE_SESSION_H_
#define G8UFS_NATIVE_FUSE_SESSION_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "fuse/device.h"
#include "fuse/idle_wait.h"
#include "fuse/protocol.h"

namespace g8ufs::fuse {

struct HandshakeOptions {
  uint64_t flags = 0;  // those the kernel does not offer are left out
  uint32_t max_readahead_bytes = 0;
  uint32_t max_stack_depth = 0;
  int timeout_ms = 10'000;
};

struct Negotiated {
  uint32_t minor = 0;
  uint64_t flags = 0;
  size_t max_read_bytes = 0;

  bool has(uint64_t flag) const { return (flags & flag) == flag; }
};

// Largest READ, READDIR and so on that is negotiated: 256 pages of 4 KiB. More gains nothing
// measurable and costs a buffer of that size per worker.
inline constexpr size_t kMaxReadBytes = 1 << 20;

// Answers INIT and nothing else. ERR_NO_FUSE when the kernel's protocol is too old, ERR_MOUNT when
// no INIT comes.
Status Handshake(const Device& device, const HandshakeOptions& options, Negotiated* negotiated);

// One thread's belongings.
struct Worker {
  Device device;
  size_t index = 0;
  // Scratch of kMaxReadBytes for the reply; untouched pages cost nothing.
  MutableByteSpan reply_buffer;
};

// To be called by a handler before it waits for a disk: another worker listens meanwhile. Does
// nothing on threads that do not listen.
void BeforeWait();

// Serves requests. Called by all workers at the same time; must answer each request that wants a
// reply exactly once, now or later.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void Handle(const Request& request, const Worker& worker) = 0;
};

class Session {
 public:
  // `devices` has one entry per worker, all of one connection. `handler` outlives the session.
  Session(std::vector<Device> devices, Handler& handler, std::function<void()> on_end);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ERR_INTERNAL when not even one thread can be had.
  Status Start();
  // Asks the workers to leave and waits until they have.
  void Stop();
  // Waits until the connection has ended.
  void Join();
  // Waits for the end at most until `deadline`; true when all workers have left.
  bool JoinUntil(std::chrono::steady_clock::time_point deadline);

  // Any device of the connection, for ioctls.
  const Device& device() const { return workers_.front()->device; }

 private:
  friend void BeforeWait();

  void Run(Worker& worker);
  // Waits until nobody listens; false when it is time to leave.
  bool TakeTurn() EXCLUDES_LOCK(mutex_);
  void GiveTurn() EXCLUDES_LOCK(mutex_);
  void Leave();
  void JoinThreads();

  Handler& handler_;
  std::function<void()> on_end_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<uint8_t, void (*)(uint8_t*)>> buffers_;
  std::vector<std::thread> threads_;

  Mutex mutex_;
  CondVar left_changed_;
  CondVar turn_changed_;
  bool listening_ GUARDED_BY(mutex_) = false;
  IdleWait idle_;  // the listener's
  size_t running_ GUARDED_BY(mutex_) = 0;
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_SESSION_H_
