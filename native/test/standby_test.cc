// What stands by: when it is started, what it hears, and how long the next one is waited for.
#include "keeper/standby.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "test/check.h"

namespace g8ufs::keeper {
namespace {

using std::chrono::milliseconds;

const Launch kLaunch{{"/bin/daemon"}, {}};
constexpr milliseconds kDelay{2};

// Processes that are only counted.
struct World {
  UniqueFd waits;
  std::vector<int> killed;
  int next = 1;
  Standby::Clock::time_point now = Standby::Clock::now();
  // Behind what it uses, also when it ends.
  Standby standby{[this](const Launch& launch, int wait_fd) {
                    CHECK(launch.arguments.size() == 2 && wait_fd >= 0);
                    waits.Reset(::fcntl(wait_fd, F_DUPFD_CLOEXEC, 0));
                    return next == 0 ? -1 : next++;
                  },
                  [this](int process) { killed.push_back(process); }};

  ssize_t Heard() const {
    char byte = 0;
    return ::recv(waits.get(), &byte, 1, MSG_DONTWAIT);
  }
  void Keep(milliseconds delay, size_t count = 1) { standby.Keep(kLaunch, count, delay, now); }
  // Lets the time pass after which one is started.
  Standby::Clock::duration WaitForNext() {
    Keep(kDelay);
    const Standby::Clock::time_point before = now;
    CHECK(standby.process() == 0 && standby.due() && *standby.due() > now);
    now = standby.due().value_or(now);
    Keep(kDelay);
    return now - before;
  }
};

void StartsWhenItIsTime() {
  World world;
  world.Keep(kDelay);
  CHECK(world.standby.process() == 0 && world.standby.Use() == 0);
  world.standby.Keep({}, 1, milliseconds(0), world.now);
  CHECK(!world.standby.due());
  CHECK(world.WaitForNext() == kDelay);
  world.Keep(kDelay);
  CHECK(world.standby.process() == 1 && world.next == 2 && !world.standby.due());
  CHECK(world.Heard() == -1);
  CHECK(world.standby.Use() == 1);
  CHECK(world.Heard() == 1 && world.Heard() == 0);
  // It is somebody else's now.
  CHECK(world.standby.process() == 0 && !world.standby.OnEnded(1, world.now));
  world.standby.End();
  CHECK(world.killed.empty());
  world.Keep(milliseconds(0));
  CHECK(world.standby.process() == 2);
}

void EndsWithItsOwner() {
  UniqueFd waits;
  std::vector<int> killed;
  {
    World world;
    world.Keep(milliseconds(0));
    CHECK(world.standby.process() == 1);
    waits = std::move(world.waits);
    world.standby.End();
    CHECK(world.standby.process() == 0);
    killed = world.killed;
  }
  char byte = 0;
  CHECK(::recv(waits.get(), &byte, 1, MSG_DONTWAIT) == 0);
  CHECK(killed == std::vector<int>{1});
}

void KeepsAsManyAsAreWanted() {
  World world;
  const auto keep = [&](size_t count) {
    for (int i = 0; i < 4; ++i) world.Keep(milliseconds(0), count);
    return world.standby.count();
  };
  CHECK(keep(3) == 3 && world.standby.process() == 1);
  // One after the other.
  CHECK(world.standby.OnEnded(2, world.now) && world.standby.count() == 2);
  world.Keep(kDelay, 3);
  CHECK(world.standby.count() == 2 && *world.standby.due() == world.now + Standby::kRetryDelay);
  // The oldest goes on, and what it was waited for is forgotten.
  CHECK(world.standby.Use() == 1 && world.standby.process() == 3);
  CHECK(keep(3) == 3 && world.standby.process() == 3);
  CHECK(keep(1) == 1 && world.standby.process() == 3);
  CHECK(world.killed == (std::vector<int>{5, 4}));
  world.standby.End();
  CHECK(world.killed == (std::vector<int>{5, 4, 3}));
}

void WaitsLongerForEachThatEnds() {
  World world;
  CHECK(world.WaitForNext() == kDelay);
  Standby::Clock::duration expected = Standby::kRetryDelay;
  for (int process = 1; process <= 40; ++process) {
    CHECK(world.standby.process() == process);
    CHECK(!world.standby.OnEnded(process + 1, world.now));
    CHECK(world.standby.OnEnded(process, world.now));
    CHECK(world.WaitForNext() == expected);
    expected = std::min<Standby::Clock::duration>(2 * expected, Standby::kDelayMax);
  }
  CHECK(expected == Standby::kDelayMax);
  // Not for one that has lived for long, nor for one that was of use.
  world.now += Standby::kDelayMax;
  CHECK(world.standby.OnEnded(world.standby.process(), world.now));
  CHECK(world.WaitForNext() == kDelay);
  CHECK(world.standby.OnEnded(world.standby.process(), world.now));
  CHECK(world.WaitForNext() == Standby::kRetryDelay);
  CHECK(world.standby.Use() != 0);
  CHECK(world.WaitForNext() == kDelay);
}

void WaitsLongerForOneThatCannotBeStarted() {
  World world;
  world.next = 0;
  CHECK(world.WaitForNext() == kDelay);
  CHECK(world.standby.process() == 0);
  CHECK(world.WaitForNext() == Standby::kRetryDelay);
}

}  // namespace
}  // namespace g8ufs::keeper

int main() {
  using namespace g8ufs::keeper;
  StartsWhenItIsTime();
  EndsWithItsOwner();
  KeepsAsManyAsAreWanted();
  WaitsLongerForEachThatEnds();
  WaitsLongerForOneThatCannotBeStarted();
  return g8ufs::test::Failures();
}
