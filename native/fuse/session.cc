#include "fuse/session.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "fuse/idle_wait.h"
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

// For bytes, and the same however often it is handled: what another worker may do as well.
bool CanBeHandledAgain(const Request& request) {
  const Opcode opcode = request.opcode();
  return opcode == Opcode::READ || opcode == Opcode::OPEN || opcode == Opcode::LSEEK;
}

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

// What this thread is of its session.
struct Session::Here {
  Session* session = nullptr;
  Serving* serving = nullptr;
  bool listens = false;
  // The request it is at, if another worker may handle it as well and does not know it yet.
  ByteSpan request;
};
thread_local Session::Here Session::here;

Session::Session(std::vector<Device> devices, Handler& handler, std::function<void()> on_end,
                 StallOptions stalls)
    : handler_(handler),
      on_end_(std::move(on_end)),
      stalls_(std::move(stalls)),
      stall_limits_(stalls_.deadline),
      devices_(std::move(devices)) {
  for (size_t i = 0; i < devices_.size() + kSparesMax; ++i) {
    auto serving = std::make_unique<Serving>();
    if (i < devices_.size()) serving->worker.device = &devices_[i];
    serving->worker.index = i;
    workers_.push_back(std::move(serving));
  }
}

Session::~Session() {
  Stop();
  StallWatch::Instance().Remove(*this);
  JoinThreads();
}

Status Session::Start() {
  InstallStopHandler();
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < devices_.size(); ++i) {
      if (StartThread(*workers_[i], {})) continue;
      if (running_ == 0) return Status(Code::ERR_INTERNAL, "FUSE worker cannot be started");
      break;  // no more threads: serve with fewer
    }
  }
  StallWatch::Instance().Add(*this);
  return {};
}

bool Session::StartThread(Serving& serving, std::vector<uint8_t> first) {
  if (serving.worker.reply_buffer.empty()) {
    void* memory =
        ::mmap(nullptr, kMaxReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // Without its buffer the worker answers with EIO what needs one.
    if (memory != MAP_FAILED) {
      auto* bytes = static_cast<uint8_t*>(memory);
      buffers_.emplace_back(bytes, UnmapBuffer);
      serving.worker.reply_buffer = {bytes, kMaxReadBytes};
    }
  }
  // One that has left has nothing more to do.
  if (serving.thread.joinable()) serving.thread.join();
  serving.replaced.store(false, std::memory_order_relaxed);
  try {
    serving.thread = std::thread(
        [this, &serving, request = std::move(first)] { Run(serving, request); });
  } catch (const std::system_error&) {
    return false;
  }
  serving.running = true;
  ++running_;
  return true;
}

void Session::Run(Serving& serving, const std::vector<uint8_t>& first) {
  const Worker& worker = serving.worker;
  const std::string name = "g8ufs-fuse-" + std::to_string(worker.index);
  pthread_setname_np(pthread_self(), name.c_str());
  BlockOtherSignals();
  AskForShortSlices();
  here = {this, &serving, false, {}};
  if (!first.empty()) Serve(serving, first);
  Buffer buffer;
  buffer.Resize(kRequestBufferSize);
  // Its own: one that was stuck may believe for a moment that it listens still.
  IdleWait idle;
  int ready_in_a_row = 0;
  while (!stopping_.load(std::memory_order_acquire) &&
         !serving.replaced.load(std::memory_order_acquire)) {
    if (!here.listens && !worker.device->WaitReadable(0) && !TakeTurn(serving)) break;
    const bool was_ready = here.listens && idle.Look(*worker.device);
    size_t size = 0;
    const Device::Outcome outcome = worker.device->Read(buffer.span(), &size);
    if (outcome == Device::Outcome::kInterrupted) continue;
    if (outcome == Device::Outcome::kEnd) break;
    if (here.listens) idle.OnRequest();
    ready_in_a_row = was_ready ? ready_in_a_row + 1 : 0;
    if (ready_in_a_row >= kBacklogRequests) GiveTurn(serving);
    Serve(serving, buffer.span().first(size));
  }
  GiveTurn(serving);
  Leave(serving);
}

void Session::Serve(Serving& serving, ByteSpan message) {
  // The kernel sends whole messages; anything else cannot even be answered.
  const auto request = DecodeRequest(message);
  if (!request) return;
  if (TakesLong(*request)) GiveTurn(serving);
  if (CanBeHandledAgain(*request)) here.request = message;
  serving.unique.store(request->header.unique, std::memory_order_relaxed);
  handler_.Handle(*request, serving.worker);
  serving.unique.store(0, std::memory_order_relaxed);
  here.request = {};
}

void BeforeWait() {
  BeforeDisk();
  if (Session::here.session != nullptr) Session::here.session->GiveTurn(*Session::here.serving);
}

void BeforeDisk() {
  Session::Here& here = Session::here;
  if (here.request.empty()) return;
  Session::Serving& serving = *here.serving;
  MutexLock lock(serving.mutex);
  serving.request.assign(here.request.begin(), here.request.end());
  serving.request_unique = serving.unique.load(std::memory_order_relaxed);
  here.request = {};
}

bool Session::TakeTurn(Serving& serving) {
  MutexLock lock(mutex_);
  while (listener_ != nullptr && !stopping_.load(std::memory_order_acquire)) {
    turn_changed_.Wait(mutex_);
  }
  if (stopping_.load(std::memory_order_acquire)) return false;
  listener_ = &serving;
  here.listens = true;
  return true;
}

void Session::GiveTurn(const Serving& serving) {
  if (!here.listens) return;
  here.listens = false;
  MutexLock lock(mutex_);
  // Taken away from one that was stuck.
  if (listener_ != &serving) return;
  listener_ = nullptr;
  turn_changed_.NotifyOne();
}

void Session::Look() {
  for (const auto& serving : workers_) {
    const uint64_t unique = serving->unique.load(std::memory_order_relaxed);
    const int looks = serving->stall.Look(unique);
    if (looks == stall_limits_.stuck) Replace(*serving, unique);
    // In vain when it has been answered meanwhile, or wants no answer.
    if (looks == stall_limits_.given_up) (void)serving->worker.device->ReplyError(unique, EIO);
  }
}

void Session::Replace(Serving& stuck, uint64_t unique) {
  if (stalls_.on_stall) stalls_.on_stall();
  std::vector<uint8_t> request;
  {
    MutexLock lock(stuck.mutex);
    if (stuck.request_unique == unique) request = stuck.request;
  }
  MutexLock lock(mutex_);
  if (stopping_.load(std::memory_order_acquire) || ended_ || running_ == 0) return;
  if (listener_ == &stuck) {
    listener_ = nullptr;
    turn_changed_.NotifyOne();
  }
  for (const auto& spare : workers_) {
    if (spare->running) continue;
    // Answers have to go where the request came from.
    spare->worker.device = stuck.worker.device;
    if (!StartThread(*spare, std::move(request))) return;
    stuck.replaced.store(true, std::memory_order_release);
    return;
  }
}

void Session::Leave(Serving& serving) {
  {
    MutexLock lock(mutex_);
    serving.running = false;
    if (--running_ > 0) return;
  }
  // Before the waiters are told: whoever has joined may destroy what `on_end` uses.
  if (on_end_) on_end_();
  MutexLock lock(mutex_);
  ended_ = true;
  left_changed_.NotifyAll();
}

void Session::Stop() {
  stopping_.store(true, std::memory_order_release);
  while (true) {
    {
      MutexLock lock(mutex_);
      turn_changed_.NotifyAll();
      for (const auto& serving : workers_) {
        if (serving->running) pthread_kill(serving->thread.native_handle(), StopSignal());
      }
    }
    if (JoinUntil(std::chrono::steady_clock::now() + kStopSignalPeriod)) return;
  }
}

bool Session::JoinUntil(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(mutex_);
  while (!ended_ && HasBegun()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    left_changed_.WaitUntil(mutex_, deadline);
  }
  return true;
}

void Session::Join() {
  MutexLock lock(mutex_);
  while (!ended_ && HasBegun()) left_changed_.Wait(mutex_);
}

void Session::JoinThreads() {
  for (const auto& serving : workers_) {
    if (serving->thread.joinable()) serving->thread.join();
  }
}

bool Session::HasBegun() const { return workers_.front()->thread.joinable(); }

}  // namespace g8ufs::fuse
