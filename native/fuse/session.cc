#include "fuse/session.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "fuse/short_slice.h"

namespace g8ufs::fuse {
namespace {

// Requests are small (nothing is ever written through this connection): room for the longest name
// and for a batch of some four thousand FORGETs.
constexpr size_t kRequestBufferSize = 64 * 1024;
// The smallest the kernel accepts; it also sets the smallest read buffer.
constexpr uint32_t kMaxWriteBytes = 4096;
// Background requests (readahead, RELEASE) under way at once. The kernel's default of 12 would let
// a dozen misses stop the readahead of everybody else.
constexpr uint16_t kMaxBackground = 512;
constexpr uint16_t kCongestionThreshold = 384;
// INIT with a newer major version is answered with ours, then asked again: once is normal.
constexpr int kHandshakeRoundsMax = 4;
// Requests in a row that were there already: more than one reader keeps busy.
constexpr int kBacklogRequests = 8;
// Copying more than this takes longer than waking another worker.
constexpr uint32_t kLongReadBytes = 128 * 1024;
// How often Stop() repeats its signal: it may hit a worker just before that enters read(2).
constexpr auto kStopSignalPeriod = std::chrono::milliseconds(5);

// The signal that takes a worker out of read(2). Real-time signals are used by neither Node nor
// libuv; the handler does nothing, it only has to exist.
int StopSignal() { return SIGRTMAX - 3; }

void InstallStopHandler() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigemptyset(&action.sa_mask);
    ::sigaction(StopSignal(), &action, nullptr);  // no SA_RESTART: read(2) shall return
    return true;
  }();
  (void)installed;
}

// All other signals belong to the process's own threads.
void BlockOtherSignals() {
  sigset_t set;
  sigfillset(&set);
  sigdelset(&set, StopSignal());
  // Faults are delivered to the thread that caused them, blocked or not; unblocked they can be
  // reported.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
    sigdelset(&set, fault);
  }
  pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

void UnmapBuffer(uint8_t* buffer) { ::munmap(buffer, kMaxReadBytes); }

uint16_t MaxPages() {
  const auto page_size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return static_cast<uint16_t>(std::max<size_t>(kMaxReadBytes / page_size, 1));
}

bool TakesLong(const Request& request) {
  if (request.opcode() != Opcode::READ) return false;
  Cursor body = request.body;
  ReadIn in;
  return body.Take(&in) && in.size >= kLongReadBytes;
}

// The session whose listener this thread is.
thread_local Session* listens_for = nullptr;

InitOut AnswerInit(const InitIn& init, const HandshakeOptions& options, Negotiated* negotiated) {
  uint64_t offered = init.flags;
  if ((offered & kInitExt) != 0) offered |= uint64_t{init.flags2} << 32;
  const uint64_t flags = offered & (options.flags | kInitExt | kMaxPages);
  InitOut out{};
  out.major = kMajor;
  out.minor = std::min(init.minor, kMinor);
  out.max_readahead = std::min(init.max_readahead, options.max_readahead_bytes);
  out.flags = static_cast<uint32_t>(flags);
  out.flags2 = static_cast<uint32_t>(flags >> 32);
  out.max_background = kMaxBackground;
  out.congestion_threshold = kCongestionThreshold;
  out.max_write = kMaxWriteBytes;
  out.time_gran = 1;
  out.max_pages = (flags & kMaxPages) != 0 ? MaxPages() : uint16_t{0};
  out.max_stack_depth = (flags & kPassthrough) != 0 ? options.max_stack_depth : 0;
  negotiated->minor = out.minor;
  negotiated->flags = flags;
  // Without MAX_PAGES the kernel sends at most 32 pages.
  negotiated->max_read_bytes = (flags & kMaxPages) != 0 ? kMaxReadBytes : 128 * 1024;
  return out;
}

}  // namespace

Status Handshake(const Device& device, const HandshakeOptions& options, Negotiated* negotiated) {
  Buffer buffer;
  buffer.Resize(kRequestBufferSize);
  for (int round = 0; round < kHandshakeRoundsMax; ++round) {
    size_t size = 0;
    if (!device.WaitReadable(options.timeout_ms)) {
      return Status(Code::ERR_MOUNT, "Kernel sent no INIT request");
    }
    const Device::Outcome outcome = device.Read(buffer.span(), &size);
    if (outcome == Device::Outcome::kInterrupted) continue;
    if (outcome == Device::Outcome::kEnd) {
      return Status(Code::ERR_MOUNT, "FUSE connection ended before the handshake");
    }
    std::optional<Request> request = DecodeRequest(buffer.span().first(size));
    if (!request) return Status(Code::ERR_MOUNT, "Kernel sent a malformed request");
    const uint64_t unique = request->header.unique;
    InitIn init;
    if (request->opcode() != Opcode::INIT || !TakeInit(&request->body, &init)) {
      device.ReplyError(unique, EIO);
      return Status(Code::ERR_MOUNT, "Kernel's first request is not INIT");
    }
    if (init.major > kMajor) {
      // The kernel falls back to our major version and asks again.
      InitOut ours{};
      ours.major = kMajor;
      ours.minor = kMinor;
      device.Reply(unique, BytesOf(ours));
      continue;
    }
    if (init.major < kMajor || init.minor < kMinorMin) {
      device.ReplyError(unique, EPROTO);
      return Status(Code::ERR_NO_FUSE, "FUSE protocol " + std::to_string(init.major) + "." +
                                           std::to_string(init.minor) + " is too old");
    }
    const InitOut out = AnswerInit(init, options, negotiated);
    if (const int error = device.Reply(unique, BytesOf(out)); error != 0) {
      return Status::FromErrno(Code::ERR_MOUNT, "INIT cannot be answered", error);
    }
    return {};
  }
  return Status(Code::ERR_MOUNT, "FUSE handshake did not come to an end");
}

Session::Session(std::vector<Device> devices, Handler& handler, std::function<void()> on_end)
    : handler_(handler), on_end_(std::move(on_end)) {
  for (Device& device : devices) {
    auto worker = std::make_unique<Worker>();
    worker->device = std::move(device);
    worker->index = workers_.size();
    workers_.push_back(std::move(worker));
  }
}

Session::~Session() {
  Stop();
  JoinThreads();
}

Status Session::Start() {
  InstallStopHandler();
  for (auto& worker : workers_) {
    void* memory =
        ::mmap(nullptr, kMaxReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // Without its buffer the worker answers with EIO what needs one.
    if (memory == MAP_FAILED) continue;
    auto* bytes = static_cast<uint8_t*>(memory);
    buffers_.emplace_back(bytes, UnmapBuffer);
    worker->reply_buffer = {bytes, kMaxReadBytes};
  }
  MutexLock lock(mutex_);
  for (auto& worker : workers_) {
    try {
      threads_.emplace_back([this, &worker] { Run(*worker); });
      ++running_;
    } catch (const std::system_error& error) {  // no more threads: serve with fewer
      if (running_ == 0) {
        return Status::FromErrno(Code::ERR_INTERNAL, "FUSE worker cannot be started",
                                 error.code().value());
      }
      break;
    }
  }
  return {};
}

void Session::Run(Worker& worker) {
  const std::string name = "g8ufs-fuse-" + std::to_string(worker.index);
  pthread_setname_np(pthread_self(), name.c_str());
  BlockOtherSignals();
  AskForShortSlices();
  Buffer buffer;
  buffer.Resize(kRequestBufferSize);
  int ready_in_a_row = 0;
  while (!stopping_.load(std::memory_order_acquire)) {
    if (listens_for == nullptr && !worker.device.WaitReadable(0) && !TakeTurn()) break;
    const bool was_ready = listens_for != nullptr && idle_.Look(worker.device);
    size_t size = 0;
    const Device::Outcome outcome = worker.device.Read(buffer.span(), &size);
    if (outcome == Device::Outcome::kInterrupted) continue;
    if (outcome == Device::Outcome::kEnd) break;
    if (listens_for != nullptr) idle_.OnRequest();
    ready_in_a_row = was_ready ? ready_in_a_row + 1 : 0;
    // The kernel sends whole messages; anything else cannot even be answered.
    if (const auto request = DecodeRequest(buffer.span().first(size))) {
      if (ready_in_a_row >= kBacklogRequests || TakesLong(*request)) BeforeWait();
      handler_.Handle(*request, worker);
    }
  }
  BeforeWait();
  Leave();
}

void BeforeWait() {
  if (listens_for != nullptr) listens_for->GiveTurn();
}

bool Session::TakeTurn() {
  MutexLock lock(mutex_);
  while (listening_ && !stopping_.load(std::memory_order_acquire)) turn_changed_.Wait(mutex_);
  if (stopping_.load(std::memory_order_acquire)) return false;
  listening_ = true;
  listens_for = this;
  return true;
}

void Session::GiveTurn() {
  MutexLock lock(mutex_);
  listening_ = false;
  listens_for = nullptr;
  turn_changed_.NotifyOne();
}

void Session::Leave() {
  bool last = false;
  {
    MutexLock lock(mutex_);
    last = --running_ == 0;
    if (!last) return;
  }
  // Before the waiters are told: whoever has joined may destroy what `on_end` uses.
  if (on_end_) on_end_();
  MutexLock lock(mutex_);
  ended_ = true;
  left_changed_.NotifyAll();
}

void Session::Stop() {
  stopping_.store(true, std::memory_order_release);
  {
    MutexLock lock(mutex_);
    turn_changed_.NotifyAll();
  }
  while (true) {
    for (std::thread& thread : threads_) pthread_kill(thread.native_handle(), StopSignal());
    if (JoinUntil(std::chrono::steady_clock::now() + kStopSignalPeriod)) return;
  }
}

bool Session::JoinUntil(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(mutex_);
  while (!ended_ && !threads_.empty()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    left_changed_.WaitUntil(mutex_, deadline);
  }
  return true;
}

void Session::Join() {
  MutexLock lock(mutex_);
  while (!ended_ && !threads_.empty()) left_changed_.Wait(mutex_);
}

void Session::JoinThreads() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace g8ufs::fuse
