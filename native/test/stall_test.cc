// What becomes of requests whose worker waits for a disk that does not answer, and of such workers.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "fuse/session.h"
#include "test/check.h"
#include "test/fake_kernel.h"

namespace g8ufs::fuse {
namespace {

using test::FakeKernel;
using namespace std::chrono_literals;

size_t Threads() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    (void)entry;
    ++count;
  }
  return count;
}

// Waits until there are so many threads; false when that takes too long.
bool WaitThreads(size_t count) {
  for (int i = 0; i < 1000 && Threads() != count; ++i) std::this_thread::sleep_for(10ms);
  return Threads() == count;
}

// A disk: READs and READLINKs wait for it while it hangs, unless the handler knows that it does.
class DiskHandler : public Handler {
 public:
  void Handle(const Request& request, const Worker& worker) override {
    const Opcode opcode = request.opcode();
    if ((opcode == Opcode::READ || opcode == Opcode::READLINK) && !is_known) {
      BeforeWait();
      std::unique_lock lock(mutex_);
      answers_.wait(lock, [this] { return !hangs_; });
    }
    ++handled;
    worker.device->ReplyError(request.header.unique, is_known ? ENODATA : ENOSYS);
  }
  void Hang(bool hangs) {
    const std::lock_guard lock(mutex_);
    hangs_ = hangs;
    answers_.notify_all();
  }

  std::atomic<bool> is_known{false};
  std::atomic<int> handled{0};

 private:
  std::mutex mutex_;
  std::condition_variable answers_;
  bool hangs_ = false;
};

std::unique_ptr<Session> Serve(FakeKernel& kernel, DiskHandler& handler,
                               std::chrono::milliseconds deadline, bool finds_out = true) {
  std::vector<Device> devices(2);
  devices[0] = kernel.Connection().device;
  Negotiated negotiated;
  CHECK(Handshake(devices[0], {}, &negotiated).ok());
  CHECK(devices[0].Clone(&devices[1]).ok());
  StallOptions stalls;
  stalls.deadline = deadline;
  stalls.on_stall = [&handler, finds_out] { handler.is_known = finds_out; };
  auto session = std::make_unique<Session>(std::move(devices), handler, nullptr, std::move(stalls));
  CHECK(session->Start().ok());
  return session;
}

void StuckReadsAreHandledByOthers() {
  FakeKernel kernel;
  DiskHandler handler;
  const auto session = Serve(kernel, handler, 1500ms);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
  const size_t threads = Threads();
  handler.Hang(true);
  const uint64_t first = kernel.Send(Opcode::READ, 1);
  const uint64_t second = kernel.Send(Opcode::READ, 1);
  // Both workers are stuck: nobody listens until that is noticed.
  CHECK(kernel.Wait(first)->error == ENODATA);
  CHECK(kernel.Wait(second)->error == ENODATA);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENODATA);
  CHECK(Threads() == threads + 2);
  handler.Hang(false);
  CHECK(WaitThreads(threads));
  // Two were handled twice.
  CHECK(handler.handled == 6);
  CHECK(kernel.Call(Opcode::READ, 1).error == ENODATA);
}

void WhatCannotBeHandledAgainFailsAtTheDeadline() {
  FakeKernel kernel;
  DiskHandler handler;
  const auto session = Serve(kernel, handler, 1500ms);
  handler.Hang(true);
  CHECK(kernel.Wait(kernel.Send(Opcode::READLINK, 1))->error == EIO);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENODATA);
  handler.Hang(false);
}

void StuckOnesAreReplacedUpToABound() {
  FakeKernel kernel;
  DiskHandler handler;
  const auto session = Serve(kernel, handler, 1000ms, false);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
  const size_t threads = Threads();
  handler.Hang(true);
  std::vector<uint64_t> sent;
  for (size_t i = 0; i < 2 + kSparesMax; ++i) sent.push_back(kernel.Send(Opcode::READLINK, 1));
  for (const uint64_t unique : sent) CHECK(kernel.Wait(unique)->error == EIO);
  CHECK(Threads() <= threads + kSparesMax);
  handler.Hang(false);
  CHECK(WaitThreads(threads));
  CHECK(kernel.Call(Opcode::READLINK, 1).error == ENOSYS);
}

}  // namespace
}  // namespace g8ufs::fuse

int main() {
  g8ufs::fuse::StuckReadsAreHandledByOthers();
  g8ufs::fuse::WhatCannotBeHandledAgainFailsAtTheDeadline();
  g8ufs::fuse::StuckOnesAreReplacedUpToABound();
  return g8ufs::test::Failures();
}
