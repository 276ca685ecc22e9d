// What stands by: when it is started, what it hears, and how long the next one is waited for.
#include "keeper/standby.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "test/check.h"

namespace g8ufs::keeper {
namespace {

using std::chrono::milliseconds;

const Launch kLaunch{{"/bin/daemon"}, {}};

// Processes that are only counted.
struct World {
  Standby standby{[this](const Launch& launch, int wait_fd) {
                    CHECK(launch.arguments.size() == 2 && wait_fd >= 0);
                    waits.Reset(::fcntl(wait_fd, F_DUPFD_CLOEXEC, 0));
                    return next == 0 ? -1 : next++;
                  },
                  [this](int process) { killed.push_back(process); }};
  UniqueFd waits;
  std::vector<int> killed;
  int next = 1;

  ssize_t Heard() const {
    char byte = 0;
    return ::recv(waits.get(), &byte, 1, MSG_DONTWAIT);
  }
  // How long Keep waits until the next start.
  milliseconds Wait(milliseconds delay) {
    standby.Keep(kLaunch, delay);
    CHECK(standby.due().has_value());
    return std::chrono::round<milliseconds>(*standby.due() - Standby::Clock::now());
  }
};

void StartsWhenItIsTime() {
  World world;
  world.standby.Keep(kLaunch, milliseconds(2));
  CHECK(world.standby.process() == 0 && world.standby.Use() == 0);
  world.standby.Keep({}, milliseconds(0));
  CHECK(!world.standby.due());
  world.standby.Keep(kLaunch, milliseconds(2));
  std::this_thread::sleep_until(*world.standby.due());
  world.standby.Keep(kLaunch, milliseconds(2));
  world.standby.Keep(kLaunch, milliseconds(2));
  CHECK(world.standby.process() == 1 && world.next == 2 && !world.standby.due());
  CHECK(world.Heard() == -1);
  CHECK(world.standby.Use() == 1);
  CHECK(world.Heard() == 1 && world.Heard() == 0);
  // It is somebody else's now.
  CHECK(world.standby.process() == 0 && !world.standby.OnEnded(1));
  world.standby.End();
  CHECK(world.killed.empty());
}

void EndsWithItsOwner() {
  UniqueFd waits;
  std::vector<int> killed;
  {
    World world;
    world.standby.Keep(kLaunch, milliseconds(0));
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

void WaitsLongerForEachThatEnds() {
  World world;
  milliseconds last{0};
  for (int process = 1; process <= 40; ++process) {
    world.standby.Keep(kLaunch, milliseconds(0));
    CHECK(world.standby.process() == process);
    CHECK(!world.standby.OnEnded(process + 1) && world.standby.OnEnded(process));
    const milliseconds wait = world.Wait(milliseconds(100));
    CHECK(wait <= Standby::kDelayMax);
    CHECK(wait >= last - milliseconds(50) && (process > 8 || wait > last));
    last = wait;
    // As one that was of use would.
    if (process == 20) {
      world.standby.End();
      CHECK(world.Wait(milliseconds(100)) <= milliseconds(100));
      last = milliseconds(0);
    }
    CHECK(world.standby.Use() == 0);
  }
  CHECK(last > milliseconds(100));
}

void WaitsLongerForOneThatCannotBeStarted() {
  World world;
  world.next = 0;
  world.standby.Keep(kLaunch, milliseconds(0));
  CHECK(world.standby.process() == 0);
  CHECK(world.Wait(milliseconds(1000)) > milliseconds(1000));
}

}  // namespace
}  // namespace g8ufs::keeper

int main() {
  using namespace g8ufs::keeper;
  StartsWhenItIsTime();
  EndsWithItsOwner();
  WaitsLongerForEachThatEnds();
  WaitsLongerForOneThatCannotBeStarted();
  return g8ufs::test::Failures();
}
