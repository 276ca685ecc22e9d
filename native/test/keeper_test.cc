// The keeper and its client over a real socket: what is held survives the daemon, what is malformed is
// refused, and the successor is started when it should be.
#include "keeper/keeper.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "keeper/client.h"
#include "test/check.h"
#include "test/temp_dir.h"

namespace g8ufs::keeper {
namespace {

using test::TempDir;

// A keeper in a thread of its own, with processes that are only counted.
class World {
 public:
  explicit World(Keeper::Delays delays = {}) : path_(dir_ / "keeper.sock") {
    UniqueFd listener;
    CHECK(Listen(path_, &listener) == 0);
    Keeper::Processes processes;
    processes.start = [this](const Launch& launch, int wait_fd) {
      if (wait_fd >= 0) {
        CHECK(launch.arguments.back() == kStandbyArgument);
        ::close(waits.exchange(::fcntl(wait_fd, F_DUPFD_CLOEXEC, 0)));
        return 5000 + ++standbys;
      }
      program = launch.arguments[0];
      return 1000 + ++starts;
    };
    processes.kill = [this](int process) { ended = process; };
    processes.reap = [this] {
      std::vector<Keeper::Ended> gone;
      if (const int process = reaped.exchange(0); process != 0) gone.push_back({process, killed});
      return gone;
    };
    processes.is_dying = [this](int process) { return process == dying; };
    keeper_ = std::make_unique<Keeper>(std::move(listener), std::move(processes), delays);
    thread_ = std::thread([this] {
      while (!stop_ && keeper_->Step(std::chrono::milliseconds(5))) {
      }
      is_over = true;
    });
  }
  ~World() {
    stop_ = true;
    thread_.join();
    keeper_.reset();
    ::close(waits);
  }

  // What the last one that stands by has heard: a byte, nothing more ever (0), or nothing yet (-1).
  ssize_t Heard() const {
    char byte = 0;
    return ::recv(waits, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  }
  const std::string& path() const { return path_; }
  // Waits until it is so.
  template <class Condition>
  static bool Until(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return condition();
  }

  std::atomic<int> starts{0};
  std::atomic<int> standbys{0};
  std::atomic<int> waits{-1};  // the end of the last one that stands by
  std::atomic<int> ended{0};   // by the keeper
  std::atomic<int> reaped{0};
  std::atomic<int> dying{0};
  std::atomic<bool> killed{false};  // what is reaped was
  std::atomic<bool> is_over{false};
  std::string program;

 private:
  const TempDir dir_;
  const std::string path_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<Keeper> keeper_;
  std::thread thread_;
};

struct Pair {
  Pair() {
    int fds[2];
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    ours.Reset(fds[0]);
    theirs.Reset(fds[1]);
  }
  UniqueFd ours;    // the kernel's end
  UniqueFd theirs;  // what is held
};

std::unique_ptr<KeeperClient> Client(const World& world, std::vector<KeeperClient::Held>* held) {
  auto client = std::make_unique<KeeperClient>();
  bool connected = false;
  CHECK(client->Connect(world.path(), &connected, held).ok());
  CHECK(connected);
  return client;
}

const Launch kLaunch{{"/bin/daemon", "--cache", "/cache"}, {"NAME=value"}};

void HoldsWhatADaemonLeaves() {
  World world;
  const Pair device;
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(held.empty());
  UniqueFd table;
  CHECK(MakeMemoryFile("table", {}, &table) == 0);
  CHECK(daemon->Successor(kLaunch).ok());
  CHECK(daemon->Hold(7, device.theirs.get(), table.get(), "state of 7").ok());
  CHECK(daemon->Hold(8, -1, -1, "state of 8").ok());
  CHECK(daemon->Hold(8, -1, -1, "new state of 8").ok());
  CHECK(daemon->Ready().ok());
  daemon.reset();
  CHECK(World::Until([&] { return world.starts == 1; }));
  CHECK(world.program == "/bin/daemon");

  daemon = Client(world, &held);
  CHECK(held.size() == 2);
  CHECK(held[0].id == 7 && held[0].has_device && held[0].state == "state of 7");
  CHECK(held[1].id == 8 && !held[1].has_device && held[1].state == "new state of 8");
  UniqueFd taken;
  UniqueFd taken_table;
  CHECK(daemon->TakeDevice(7, &taken, &taken_table) && taken_table.ok());
  CHECK(::send(device.ours.get(), "x", 1, 0) == 1);
  char byte = 0;
  CHECK(::recv(taken.get(), &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x');
  CHECK(!daemon->TakeDevice(7, &taken, &taken_table));
  CHECK(!daemon->TakeDevice(8, &taken, &taken_table));
  CHECK(daemon->Drop(7).ok() && daemon->Drop(8).ok() && daemon->Drop(9).ok());
  daemon.reset();
  CHECK(World::Until([&] { return world.is_over.load(); }));
  CHECK(world.starts == 1);
}

void LetsGoOfWhatWasUnmounted() {
  World world;
  Pair device;
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok());
  CHECK(daemon->Hold(1, device.theirs.get(), -1, "state").ok());
  device.theirs.Reset();
  device.ours.Reset();  // the kernel ends the connection
  CHECK(daemon->Ready().ok());
  daemon.reset();
  CHECK(World::Until([&] { return world.is_over.load(); }));
  CHECK(world.starts == 0);
}

void CountsAttemptsOncePerDaemon() {
  World world;
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  for (uint32_t attempts = 0; attempts < 3; ++attempts) {
    daemon.reset();
    CHECK(World::Until([&] { return world.starts > static_cast<int>(attempts); }));
    held.clear();
    daemon = Client(world, &held);
    CHECK(held.size() == 1 && held[0].attempts == attempts);
    CHECK(daemon->Restoring(1).ok() && daemon->Restoring(1).ok());
  }
  CHECK(daemon->Restored(1).ok() && daemon->Ready().ok());
  CHECK(daemon->Restoring(99).error() == ENOENT);
  // It has ended in between.
  CHECK(daemon->Restored(99).ok());
  const int before = world.starts;
  daemon.reset();
  CHECK(World::Until([&] { return world.starts > before; }));
  held.clear();
  daemon = Client(world, &held);
  CHECK(held[0].attempts == 0);
}

// Whoever is killed while it restores has not failed, and neither has the mount.
void ForgivesKills() {
  World world;
  world.killed = true;
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  for (int i = 1; i <= 12; ++i) {
    CHECK(daemon->Restoring(1).ok());
    daemon.reset();
    // All connections of this test come from one process.
    world.reaped = ::getpid();
    CHECK(World::Until([&] { return world.starts >= i; }));
    held.clear();
    daemon = Client(world, &held);
    CHECK(held.size() == 1 && held[0].attempts == 0);
  }
}

void GivesUpAfterManyFailures() {
  World world({.first = std::chrono::milliseconds(1)});
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  CHECK(daemon->Ready().ok());
  daemon.reset();
  // Each of its successors ends at once.
  for (int i = 1; i <= Keeper::kFailuresMax; ++i) {
    CHECK(World::Until([&] { return world.starts == i; }));
    CHECK(!world.is_over);
    world.reaped = 1000 + i;
  }
  CHECK(World::Until([&] { return world.is_over.load(); }));
  CHECK(world.starts == Keeper::kFailuresMax);
}

const Keeper::Delays kSoon{.standby = std::chrono::milliseconds(1),
                           .first_standby = std::chrono::milliseconds(1)};

// Waits until one stands by, and says which.
int StandsBy(KeeperClient& daemon) {
  int process = 0;
  CHECK(World::Until([&] { return daemon.Ready(1, &process).ok() && process != 0; }));
  return process;
}

void LetsAStandbyGoOn() {
  World world(kSoon);
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok());
  int process = -1;
  CHECK(daemon->Ready(1, &process).ok() && process == 0);
  CHECK(daemon->Hold(1, -1, -1, "state").ok());
  CHECK(StandsBy(*daemon) == 5001 && world.Heard() == -1);
  // One that ends is followed by another.
  world.reaped = 5001;
  CHECK(World::Until([&] { return world.standbys == 2; }));
  CHECK(StandsBy(*daemon) == 5002);
  daemon.reset();
  CHECK(World::Until([&] { return world.Heard() == 1; }));
  CHECK(world.starts == 0);
  held.clear();
  daemon = Client(world, &held);
  CHECK(held.size() == 1);
  // Not before the new daemon works, and not while there is nothing to take.
  CHECK(world.standbys == 2);
  CHECK(StandsBy(*daemon) == 5003 && world.ended == 0);
  CHECK(daemon->Drop(1).ok());
  CHECK(World::Until([&] { return world.ended == 5003; }));
  CHECK(daemon->Ready(1, &process).ok() && process == 0);
}

// Two that die one after the other, the second one before it works: a reserve is there for it.
void LetsOneAfterTheOtherGoOn() {
  World world(kSoon);
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  int process = 0;
  CHECK(daemon->Ready(2, &process).ok());
  CHECK(World::Until([&] { return world.standbys == 2; }));
  CHECK(daemon->Ready(2, &process).ok() && process == 5001);
  daemon.reset();
  daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok());
  CHECK(world.ended == 0 && world.Heard() == -1);
  daemon.reset();
  // By now the second one has heard a byte, too.
  CHECK(World::Until([&] { return world.Heard() == 1; }));
  daemon = Client(world, &held);
  CHECK(world.starts == 0 && world.standbys == 2);
  CHECK(daemon->Ready(99).ok());
  CHECK(World::Until([&] { return world.standbys == 2 + static_cast<int>(kStandbysMax); }));
  CHECK(daemon->Ready(1, &process).ok() && process == 5003);
  CHECK(World::Until([&] { return world.ended == 5004; }));
  CHECK(world.standbys == 2 + static_cast<int>(kStandbysMax));
}

// Whatever becomes of it, a successor comes, and nothing of that counts.
void DoesWithoutAStandbyThatDoesNotCome() {
  World world(kSoon);
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  for (int i = 1; i <= Keeper::kFailuresMax + 1; ++i) {
    const int process = StandsBy(*daemon);
    daemon.reset();
    CHECK(World::Until([&] { return world.Heard() == 1; }));
    world.reaped = process;
    CHECK(World::Until([&] { return world.starts == i; }));
    held.clear();
    daemon = Client(world, &held);
    CHECK(held.size() == 1 && held[0].attempts == 0);
  }
}

void EndsAStandbyThatMayNotFit() {
  World world(kSoon);
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  // Of a daemon that is started in another way now, or that wants none.
  const Launch other{kLaunch.arguments, {"NAME=other"}};
  CHECK(StandsBy(*daemon) == 5001 && daemon->Successor(kLaunch).ok() && world.ended == 0);
  CHECK(daemon->Successor(other).ok() && world.ended == 5001);
  CHECK(StandsBy(*daemon) == 5002 && daemon->Ready(0).ok());
  CHECK(World::Until([&] { return world.ended == 5002; }));
  // Of one that another version is going to replace.
  CHECK(StandsBy(*daemon) == 5003 && daemon->Goodbye(true).ok() && world.ended == 5003);
  CHECK(world.Heard() == 0);
  daemon.reset();
  daemon = Client(world, &held);
  CHECK(world.starts == 0 && world.standbys == 3);
  CHECK(StandsBy(*daemon) == 5004 && daemon->Goodbye(false).ok() && world.ended == 5004);
  daemon.reset();
  CHECK(World::Until([&] { return world.is_over.load(); }));
}

void HasOneDaemonAtATime() {
  World world;
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  KeeperClient other;
  bool connected = true;
  CHECK(other.Connect(world.path(), &connected, &held).code() == Code::ERR_CACHE_LOCKED);
  CHECK(!connected);
  CHECK(daemon->Ready().ok());
  KeeperClient nobody;
  CHECK(nobody.Connect(world.path() + "x", &connected, &held).ok() && !connected);
  CHECK(!nobody.Ready().ok());
}

// As long as a disk does not answer, a thread that waits for it keeps what its process has open.
void DoesNotWaitForADyingDaemon() {
  Keeper::Delays delays;
  delays.silence = std::chrono::milliseconds(50);
  World world(delays);
  const Pair device;
  std::vector<KeeperClient::Held> held;
  const auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok());
  CHECK(daemon->Hold(7, device.theirs.get(), -1, "state of 7").ok());
  CHECK(daemon->Ready().ok());
  // One that is only silent is left alone.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(world.starts == 0);
  world.dying = ::getpid();
  CHECK(World::Until([&] { return world.starts == 1; }));
  world.dying = 0;
  const auto successor = Client(world, &held);
  CHECK(held.size() == 1 && held[0].id == 7);
  CHECK(!daemon->Drop(7).ok());
}

void WaitsForADaemonThatComes() {
  World world;
  std::vector<KeeperClient::Held> held;
  auto daemon = Client(world, &held);
  CHECK(daemon->Successor(kLaunch).ok() && daemon->Hold(1, -1, -1, "state").ok());
  CHECK(daemon->Ready().ok() && daemon->Goodbye(true).ok());
  daemon.reset();
  daemon = Client(world, &held);
  CHECK(held.size() == 1 && world.starts == 0);
  CHECK(daemon->HoldStateOnly(1, "quarantined").ok());
  CHECK(daemon->Goodbye(false).ok());
  daemon.reset();
  CHECK(World::Until([&] { return world.is_over.load(); }));
}

void RefusesWhatIsMalformed() {
  const auto attempt = [](const std::string& bytes, const std::vector<int>& fds) {
    // It ends with the connection: it holds nothing.
    const World world;
    UniqueFd socket;
    CHECK(Connect(world.path(), &socket) == 0);
    Message hello;
    hello.operation = static_cast<uint32_t>(Operation::kHello);
    Message reply;
    std::vector<UniqueFd> none;
    CHECK(SendMessage(socket.get(), hello) == 0);
    CHECK(ReceiveMessage(socket.get(), &reply, &none) == 0);
    Message message;
    std::memcpy(&message, bytes.data(), std::min(bytes.size(), sizeof(message)));
    if (bytes.size() == sizeof(message)) {
      CHECK(SendMessage(socket.get(), message, fds) == 0);
    } else {
      CHECK(::send(socket.get(), bytes.data(), bytes.size(), 0) >= 0);
    }
    const int error = ReceiveMessage(socket.get(), &reply, &none);
    return error != 0 ? error : reply.error;
  };
  const auto bytes = [](Operation operation, uint32_t flags, uint32_t magic = kMagic) {
    Message message;
    message.magic = magic;
    message.operation = static_cast<uint32_t>(operation);
    message.flags = flags;
    return std::string(reinterpret_cast<const char*>(&message), sizeof(message));
  };
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const int fd = null.get();
  CHECK(attempt("short", {}) == EPIPE);
  CHECK(attempt(std::string(100, 'x'), {}) == EPIPE);
  CHECK(attempt(bytes(Operation::kReady, 0, 1), {}) == EPIPE);
  CHECK(attempt(bytes(static_cast<Operation>(77), 0), {}) == EPROTO);
  CHECK(attempt(bytes(Operation::kHold, kState), {}) == EPROTO);
  CHECK(attempt(bytes(Operation::kHold, kDevice), {fd}) == EPROTO);
  CHECK(attempt(bytes(Operation::kHold, 1U << 31), {}) == EPROTO);
  CHECK(attempt(bytes(Operation::kHold, kState), {fd, fd}) == EPROTO);
  CHECK(attempt(bytes(Operation::kReady, 0), {fd}) == EPROTO);
  CHECK(attempt(bytes(Operation::kSuccessor, 0), {}) == EPROTO);
  CHECK(attempt(bytes(Operation::kSuccessor, 0), {fd}) == EPROTO);
  CHECK(attempt(bytes(Operation::kTake, 0), {}) == ENOENT);
}

void DecodesOnlyWholeLaunches() {
  const std::string encoded = EncodeLaunch(kLaunch);
  const auto decode = [](const std::string& text) {
    Launch launch;
    return DecodeLaunch({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, &launch);
  };
  CHECK(decode(encoded));
  for (size_t size = 0; size < encoded.size(); ++size) CHECK(!decode(encoded.substr(0, size)));
  CHECK(!decode(encoded + "x"));
  CHECK(!decode(EncodeLaunch({{"daemon"}, {}})));
  CHECK(!decode(EncodeLaunch({{}, {"NAME=value"}})));
  CHECK(!decode(std::string(8, '\xff')));
}

}  // namespace
}  // namespace g8ufs::keeper

int main() {
  using namespace g8ufs::keeper;
  HoldsWhatADaemonLeaves();
  LetsGoOfWhatWasUnmounted();
  CountsAttemptsOncePerDaemon();
  ForgivesKills();
  GivesUpAfterManyFailures();
  LetsAStandbyGoOn();
  LetsOneAfterTheOtherGoOn();
  DoesWithoutAStandbyThatDoesNotCome();
  EndsAStandbyThatMayNotFit();
  HasOneDaemonAtATime();
  DoesNotWaitForADyingDaemon();
  WaitsForADaemonThatComes();
  RefusesWhatIsMalformed();
  DecodesOnlyWholeLaunches();
  return g8ufs::test::Failures();
}
