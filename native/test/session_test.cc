// How the workers of a connection share its requests.
#include "fuse/session.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "fuse/short_slice.h"
#include "test/check.h"
#include "test/fake_kernel.h"

namespace g8ufs::fuse {
namespace {

using test::FakeKernel;

// Holds each READLINK until a STATFS has come; answers everything else at once.
class HoldingHandler : public Handler {
 public:
  explicit HoldingHandler(bool tells) : tells_(tells) {}

  void Handle(const Request& request, const Worker& worker) override {
    if (request.opcode() == Opcode::READLINK) {
      if (tells_) BeforeWait();
      std::unique_lock lock(mutex_);
      came_.wait(lock, [this] { return is_here_; });
    } else if (request.opcode() == Opcode::STATFS) {
      const std::lock_guard lock(mutex_);
      is_here_ = true;
      came_.notify_all();
    }
    worker.device->ReplyError(request.header.unique, ENOSYS);
  }

 private:
  const bool tells_;
  std::mutex mutex_;
  std::condition_variable came_;
  bool is_here_ = false;
};

std::unique_ptr<Session> Serve(FakeKernel& kernel, Handler& handler, size_t workers) {
  std::vector<Device> devices;
  devices.push_back(kernel.Connection().device);
  Negotiated negotiated;
  CHECK(Handshake(devices.front(), {}, &negotiated).ok());
  while (devices.size() < workers) {
    Device clone;
    CHECK(devices.front().Clone(&clone).ok());
    devices.push_back(std::move(clone));
  }
  auto session = std::make_unique<Session>(std::move(devices), handler, nullptr);
  CHECK(session->Start().ok());
  return session;
}

void AnotherListensWhileOneWaits() {
  for (const size_t workers : {size_t{2}, size_t{4}}) {
    FakeKernel kernel;
    HoldingHandler handler(true);
    const auto session = Serve(kernel, handler, workers);
    const uint64_t held = kernel.Send(Opcode::READLINK, 1);
    CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
    CHECK(kernel.Wait(held)->error == ENOSYS);
  }
}

void EverybodyWaitsAndIsAnswered() {
  FakeKernel kernel;
  HoldingHandler handler(true);
  const auto session = Serve(kernel, handler, 3);
  const uint64_t first = kernel.Send(Opcode::READLINK, 1);
  const uint64_t second = kernel.Send(Opcode::READLINK, 1);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
  CHECK(kernel.Wait(first)->error == ENOSYS);
  CHECK(kernel.Wait(second)->error == ENOSYS);
  // Whoever has waited goes on serving.
  for (int i = 0; i < 100; ++i) CHECK(kernel.Call(Opcode::READLINK, 1).error == ENOSYS);
}

void ManyAtOnceAreAnswered() {
  for (const size_t workers : {size_t{1}, size_t{2}, size_t{8}}) {
    FakeKernel kernel;
    HoldingHandler handler(false);
    const auto session = Serve(kernel, handler, workers);
    for (int round = 0; round < 20; ++round) {
      std::vector<uint64_t> sent;
      for (int i = 0; i < 50; ++i) sent.push_back(kernel.Send(Opcode::STATFS, 1));
      for (const uint64_t unique : sent) CHECK(kernel.Wait(unique)->error == ENOSYS);
    }
  }
}

SchedulingAttributes MyScheduling() {
  SchedulingAttributes attributes;
  CHECK(::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0);
  return attributes;
}

// Notes how its worker is scheduled.
class SchedulingHandler : public Handler {
 public:
  void Handle(const Request& request, const Worker& worker) override {
    seen = MyScheduling();
    nice = ::getpriority(PRIO_PROCESS, 0);
    worker.device->ReplyError(request.header.unique, ENOSYS);
  }
  SchedulingAttributes seen;
  int nice = -1;
};

void WorkersHaveShortSlices() {
  CHECK(::setpriority(PRIO_PROCESS, 0, 3) == 0);
  FakeKernel kernel;
  SchedulingHandler handler;
  const auto session = Serve(kernel, handler, 1);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
  session->Stop();
  session->Join();
  const SchedulingAttributes mine = MyScheduling();
  CHECK(handler.nice == 3);
  CHECK(handler.seen.policy == mine.policy);
  // Linux before 6.12 has no slices to tell.
  if (mine.runtime_ns == 0) return;
  CHECK(handler.seen.runtime_ns == static_cast<uint64_t>(kShortSlice.count()));
}

void StopsListenersAndReserve() {
  for (const size_t workers : {size_t{1}, size_t{2}, size_t{8}}) {
    FakeKernel kernel;
    HoldingHandler handler(false);
    const auto session = Serve(kernel, handler, workers);
    CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
    session->Stop();
    session->Join();
  }
}

void TheEndReachesAll() {
  FakeKernel kernel;
  HoldingHandler handler(false);
  const auto session = Serve(kernel, handler, 4);
  CHECK(kernel.Call(Opcode::STATFS, 1).error == ENOSYS);
  kernel.End();
  session->Join();
}

}  // namespace
}  // namespace g8ufs::fuse

int main() {
  g8ufs::fuse::AnotherListensWhileOneWaits();
  g8ufs::fuse::EverybodyWaitsAndIsAnswered();
  g8ufs::fuse::ManyAtOnceAreAnswered();
  g8ufs::fuse::StopsListenersAndReserve();
  g8ufs::fuse::TheEndReachesAll();
  g8ufs::fuse::WorkersHaveShortSlices();
  return g8ufs::test::Failures();
}
