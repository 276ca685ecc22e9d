// How the workers of a connection share its requests.
#include "fuse/session.h"

#include <cerrno>
#include <condition_variable>
#include <mutex>

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
    worker.device.ReplyError(request.header.unique, ENOSYS);
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
  return g8ufs::test::Failures();
}
