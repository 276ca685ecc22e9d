// IdleWait with a clock of its own: a microsecond passes with each look at it, and requests come by
// that clock.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "fuse/idle_wait.h"
#include "test/check.h"

namespace g8ufs {
namespace {

using fuse::IdleWait;
using std::chrono::microseconds;

// What the clock shows, how often it was asked and what happens then.
struct Time {
  IdleWait::Clock::time_point now;
  int asked = 0;
  std::function<void()> on_ask;
};

Time& TheTime() {
  static Time time;
  return time;
}

IdleWait::Clock::time_point Now() {
  Time& time = TheTime();
  ++time.asked;
  time.now += microseconds(1);
  if (time.on_ask) time.on_ask();
  return time.now;
}

class Connection {
 public:
  Connection() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    device = fuse::Device(UniqueFd(fds[0]));
    kernel_.Reset(fds[1]);
    TheTime() = {};
  }
  ~Connection() { TheTime() = {}; }

  void Send() { CHECK(::send(kernel_.get(), "r", 1, MSG_NOSIGNAL) == 1); }

  // One wait: looks while a request comes after `gap`, then reads it. How often the clock was
  // asked while looking.
  int Wait(IdleWait& idle, microseconds gap) {
    Time& time = TheTime();
    const auto due = time.now + gap;
    bool sent = false;
    time.asked = 0;
    time.on_ask = [&] {
      if (!sent && time.now >= due) {
        sent = true;
        Send();
      }
    };
    was_there = idle.Look(device);
    const int asked = time.asked;
    time.on_ask = nullptr;
    // Nobody looked any more: it comes while the thread sleeps.
    if (!sent) {
      time.now = due;
      Send();
    }
    uint8_t byte = 0;
    size_t size = 0;
    CHECK(device.Read({&byte, 1}, &size) == fuse::Device::Outcome::kRequest);
    idle.OnRequest();
    return asked;
  }

  fuse::Device device;
  bool was_there = false;

 private:
  UniqueFd kernel_;
};

constexpr microseconds kSoon{30};
constexpr microseconds kNever{100'000};

void TellsWhatIsThereAtOnce() {
  Connection connection;
  IdleWait idle(Now, 1);
  connection.Send();
  CHECK(idle.Look(connection.device));
  CHECK(TheTime().asked == 0);
}

void LooksOnlyWhenRequestsComeSoon() {
  Connection connection;
  IdleWait idle(Now, 1);
  CHECK(connection.Wait(idle, kNever) == 1);
  CHECK(connection.Wait(idle, kNever) == 1);
  // The first that comes soon is slept for, the next is found by looking.
  CHECK(connection.Wait(idle, kSoon) == 1);
  const int asked = connection.Wait(idle, kSoon);
  CHECK(asked >= 29 && asked <= 32);
  CHECK(!connection.was_there);
}

void LooksForAHundredMicrosecondsAtMost() {
  Connection connection;
  IdleWait idle(Now, 1);
  for (int i = 0; i < 10; ++i) connection.Wait(idle, kSoon);
  const int asked = connection.Wait(idle, kNever);
  CHECK(asked >= 100 && asked <= 103);
}

void StopsLookingWhenNothingComes() {
  Connection connection;
  IdleWait idle(Now, 1);
  for (int i = 0; i < 10; ++i) connection.Wait(idle, kSoon);
  int before = connection.Wait(idle, kNever);
  while (before > 1) {
    const int asked = connection.Wait(idle, kNever);
    CHECK(asked < before);
    if (asked >= before) return;
    before = asked;
  }
  CHECK(connection.Wait(idle, kNever) == 1);
}

void GivesWayToOthers() {
  Connection connection;
  IdleWait idle(Now, 1);
  for (int i = 0; i < 3; ++i) connection.Wait(idle, kSoon);
  // Away for longer than a look takes: somebody else had the core.
  TheTime().on_ask = [] { TheTime().now += microseconds(300); };
  CHECK(!idle.Look(connection.device));
  TheTime().on_ask = nullptr;
  for (int i = 0; i < 64; ++i) CHECK(connection.Wait(idle, kSoon) == 1);
  CHECK(connection.Wait(idle, kSoon) > 1);
}

void OnlySoManyLook() {
  Connection connection;
  IdleWait first(Now, 1);
  IdleWait second(Now, 1);
  for (int i = 0; i < 3; ++i) {
    connection.Wait(first, kSoon);
    connection.Wait(second, kSoon);
  }
  // While the first looks, the second does not. The first asks for the time before it looks.
  int asks = 0;
  int asked_by_second = 0;
  TheTime().on_ask = [&] {
    if (++asks != 2) return;
    const int before = TheTime().asked;
    (void)second.Look(connection.device);
    asked_by_second = TheTime().asked - before;
  };
  (void)first.Look(connection.device);
  CHECK(asked_by_second == 1);
  CHECK(connection.Wait(second, kSoon) > 1);
  IdleWait none(Now, 0);
  for (int i = 0; i < 3; ++i) CHECK(connection.Wait(none, kSoon) == 1);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::TellsWhatIsThereAtOnce();
  g8ufs::LooksOnlyWhenRequestsComeSoon();
  g8ufs::LooksForAHundredMicrosecondsAtMost();
  g8ufs::StopsLookingWhenNothingComes();
  g8ufs::GivesWayToOthers();
  g8ufs::OnlySoManyLook();
  return g8ufs::test::Failures();
}
