// A served connection: the handshake, then one thread per device that reads requests and hands them
// to a Handler until the connection ends or the session is stopped.
//
// One worker listens, the others are in reserve: two that wait in the kernel would be woken in
// turn, each on another core, and the kernel wakes one even when another is just looking. The
// listener gives its turn away before anything that takes long (BeforeWait, a large READ) or when
// requests pile up; it then takes what is there and goes into reserve when nothing is.
//
// A worker that is at one request for too long waits for a disk that does not answer (StallWatch). Another
// one takes its place, and handles the request once more if it is one for bytes: by then the handler has
// been told, and goes another way. Whoever answers first is heard; the kernel drops what comes later. What
// nobody can answer fails at the deadline. The stuck worker leaves when it is let go.
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
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "fuse/device.h"
#include "fuse/protocol.h"
#include "fuse/stall_watch.h"

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
  // Where answers go to what it has read. Outlives the worker.
  const Device* device = nullptr;
  size_t index = 0;
  // Scratch of kMaxReadBytes for the reply; untouched pages cost nothing.
  MutableByteSpan reply_buffer;
};

// To be called by a handler before it waits for a disk: another worker listens meanwhile. Does
// nothing on threads that do not listen.
void BeforeWait();
// The same for what hardly ever waits: nobody else listens, but the request can be handled by another
// worker if it does.
void BeforeDisk();

// Workers that may take the place of stuck ones at the same time.
inline constexpr size_t kSparesMax = 8;

struct StallOptions {
  // A request that a worker is stuck at is answered with EIO by then.
  std::chrono::milliseconds deadline{30'000};
  // A worker is stuck. On the watch's thread; must return soon.
  std::function<void()> on_stall;
};

// Serves requests. Called by all workers at the same time; must answer each request that wants a
// reply exactly once, now or later.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void Handle(const Request& request, const Worker& worker) = 0;
};

class Session : private StallWatch::Watched {
 public:
  // `devices` has one entry per worker, all of one connection. `handler` outlives the session, and knows
  // workers up to index devices.size() + kSparesMax.
  Session(std::vector<Device> devices, Handler& handler, std::function<void()> on_end,
          StallOptions stalls = {});
  ~Session() override;
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
  const Device& device() const { return devices_.front(); }

 private:
  friend void BeforeWait();
  friend void BeforeDisk();

  struct Here;
  static thread_local Here here;

  // A worker, its thread, and what others have to know of it.
  struct Serving {
    Worker worker;
    // Of the request it is at; 0: of none.
    std::atomic<uint64_t> unique{0};
    // Another one has its place: it leaves.
    std::atomic<bool> replaced{false};
    StallCount stall;  // the watch's

    Mutex mutex;
    // The request it is at, once it has said that it goes to the disk.
    std::vector<uint8_t> request GUARDED_BY(mutex);
    uint64_t request_unique GUARDED_BY(mutex) = 0;

    // These are guarded by the session's mutex.
    bool running = false;
    std::thread thread;
  };

  // Starts its thread, at once with a request of a stuck one if there is one.
  bool StartThread(Serving& serving, std::vector<uint8_t> first) REQUIRES_LOCK(mutex_);
  void Run(Serving& serving, const std::vector<uint8_t>& first);
  void Serve(Serving& serving, ByteSpan message);
  void Look() override;
  void Replace(Serving& stuck, uint64_t unique) EXCLUDES_LOCK(mutex_);
  // Waits until nobody listens; false when it is time to leave.
  bool TakeTurn(Serving& serving) EXCLUDES_LOCK(mutex_);
  void GiveTurn(const Serving& serving) EXCLUDES_LOCK(mutex_);
  void Leave(Serving& serving);
  void JoinThreads();
  bool HasBegun() const REQUIRES_LOCK(mutex_);

  Handler& handler_;
  std::function<void()> on_end_;
  std::atomic<bool> stopping_{false};
  const StallOptions stalls_;
  const StallLimits stall_limits_;
  const std::vector<Device> devices_;
  // One per device, and the spare ones.
  std::vector<std::unique_ptr<Serving>> workers_;
  std::vector<std::unique_ptr<uint8_t, void (*)(uint8_t*)>> buffers_;

  Mutex mutex_;
  CondVar left_changed_;
  CondVar turn_changed_;
  const Serving* listener_ GUARDED_BY(mutex_) = nullptr;
  size_t running_ GUARDED_BY(mutex_) = 0;
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace g8ufs::fuse

#endif  // G8UFS_NATIVE_FUSE_SESSION_H_
