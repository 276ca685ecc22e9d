// How sessions end, who waits then, and what is left; and many threads at once for the sanitizers.
#include <dirent.h>

#include <cerrno>
#include <random>
#include <thread>

#include "driver/miss_table.h"
#include "test/driver_fixture.h"

namespace g8ufs {
namespace {

using fuse::Opcode;
using test::Directory;
using test::DriverFixture;
using test::File;
using test::kBlock;
using test::TestNode;

size_t CountEntries(const char* path) {
  size_t count = 0;
  DIR* directory = ::opendir(path);
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

TestNode Files(uint8_t count, uint64_t blocks) {
  TestNode root = Directory();
  for (uint8_t i = 1; i <= count; ++i) {
    root.children["file" + std::to_string(i)] = File(i, blocks * kBlock, std::string(blocks, 'd'));
  }
  return root;
}

void TheKernelsEndEndsTheSession() {
  DriverFixture fixture(Files(1, 1));
  const uint64_t nid = fixture.Nid("file1");
  fixture.kernel.SendRead(nid, fixture.kernel.Open(nid).fh, 0, 10);
  fixture.WaitNeeds(1);
  fixture.kernel.End();
  CHECK(fixture.WaitEnd());
  fixture.session->Finish();
  fixture.session->Finish();
  CHECK(fixture.session->Close(false).ok());
  // The numbers stay; the waiting request and its content are gone.
  const SessionStats stats = fixture.session->Stats();
  CHECK(stats.requests[static_cast<size_t>(Opcode::READ)] == 1);
  CHECK(stats.misses.waiting == 0);
  CHECK(fixture.registry.ContentCount() == 0);
}

void ClosingLeavesNothingBehind() {
  const size_t fds = CountEntries("/proc/self/fd");
  const size_t threads = CountEntries("/proc/self/task");
  for (int round = 0; round < 10; ++round) {
    SessionOptions options;
    options.workers = 4;
    DriverFixture fixture(Files(2, 2), options);
    CHECK(CountEntries("/proc/self/task") == threads + 5);
    const uint64_t nid = fixture.Nid("file1");
    fixture.kernel.SendRead(nid, fixture.kernel.Open(nid).fh, 0, 10);
    fixture.WaitNeeds(1);
    CHECK(fixture.session->Close(true).ok());
    CHECK(fixture.WaitEnd());
  }
  CHECK(CountEntries("/proc/self/fd") == fds);
  CHECK(CountEntries("/proc/self/task") == threads);
}

void ABrokenHandshakeIsAnError() {
  test::FakeKernel kernel;
  fuse::Mounted connection = kernel.Connection();
  kernel.End();
  fuse::Negotiated negotiated;
  CHECK(!fuse::Handshake(connection.device, {}, &negotiated).ok());
}

// Readers of random blocks, a cache that fills them late or never, and an end in the middle.
void SurvivesLoad() {
  constexpr uint8_t kFiles = 8;
  constexpr uint32_t kBlocks = 16;
  SessionOptions options;
  options.workers = 4;
  options.deadline = std::chrono::milliseconds(50);
  DriverFixture fixture(Files(kFiles, kBlocks), options);
  std::atomic<bool> done{false};
  std::thread cache([&] {
    std::mt19937 random(1);
    size_t answered = 0;
    for (uint8_t i = 1; i <= kFiles; ++i) CHECK(fixture.Attach(i, kBlocks * kBlock).ok());
    while (!done.load()) {
      std::vector<Need> needs;
      {
        MutexLock lock(fixture.mutex);
        needs.assign(fixture.needs.begin() + static_cast<ptrdiff_t>(answered), fixture.needs.end());
        answered = fixture.needs.size();
      }
      for (const Need& need : needs) {
        const auto file = static_cast<uint8_t>(need.content + 1);
        const uint32_t choice = random() % 4;
        if (choice == 0) {
          (void)fixture.registry.Fail(DriverFixture::DigestOf(file), need.block, need.count, EIO);
        } else if (choice > 1) {
          fixture.Fill(file, need.block, need.count);
        }
      }
      (void)fixture.session->Stats();
      std::this_thread::yield();
    }
  });
  std::mt19937 random(2);
  std::vector<uint64_t> sent;
  std::vector<uint64_t> handles;
  for (uint8_t i = 1; i <= kFiles; ++i) {
    handles.push_back(fixture.kernel.Open(fixture.Nid("file" + std::to_string(i))).fh);
  }
  for (int i = 0; i < 600; ++i) {
    const uint8_t file = static_cast<uint8_t>(random() % kFiles);
    const uint64_t nid = fixture.Nid("file" + std::to_string(file + 1));
    const uint32_t block = random() % kBlocks;
    const uint64_t read =
        fixture.kernel.SendRead(nid, handles[file], uint64_t{block} * kBlock, 3 * kBlock);
    sent.push_back(read);
    if (random() % 5 == 0) {
      fixture.kernel.SendStruct(Opcode::INTERRUPT, 0, fuse::InterruptIn{read});
    }
    if (sent.size() < 20) continue;  // as many replies as the socket can hold
    for (const uint64_t unique : sent) {
      const auto reply = fixture.kernel.Wait(unique);
      CHECK(reply && (reply->error == 0 || reply->error == EIO || reply->error == EINTR));
      if (reply && reply->error == 0) CHECK(reply->data.size() % kBlock == 0);
    }
    sent.clear();
  }
  done.store(true);
  cache.join();
  for (uint32_t block = 0; block < 8; ++block) {
    fixture.kernel.SendRead(fixture.Nid("file1"), handles[0], block * kBlock, kBlock);
  }
  CHECK(fixture.session->Close(true).ok());
}

// A handler that notes what became of the waiters.
struct Notes : WaiterHandler {
  explicit Notes(ContentRegistry& content_registry) : registry(content_registry) {}
  void Resume(Waiter waiter) override { Note(waiter, 0); }
  void Fail(Waiter waiter, int error) override { Note(waiter, error); }
  void Note(const Waiter& waiter, int error) {
    registry.Release(waiter.content);
    MutexLock lock(mutex);
    last_error = error;
    partial = waiter.accept_partial;
    ++count;
    changed.NotifyAll();
  }
  void WaitFor(int expected) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    MutexLock lock(mutex);
    while (count < expected && std::chrono::steady_clock::now() < deadline) {
      changed.WaitUntil(mutex, deadline);
    }
    CHECK(count == expected);
  }

  ContentRegistry& registry;
  Mutex mutex;
  CondVar changed;
  int count = 0;
  int last_error = -1;
  bool partial = false;
};

void OpensWaitForTheCompleteFile() {
  ContentRegistry registry;
  Notes notes(registry);
  MissTable table(registry, {std::chrono::seconds(10), [](const Need&) { return true; }, nullptr});
  CHECK(table.Start(notes).ok());
  ContentRecord record;
  record.digest.fill(5);
  record.size = kBlock;
  record.block_size_bits = 12;
  record.block_count = 1;
  const auto park = [&](uint64_t unique) {
    Waiter waiter;
    waiter.kind = Waiter::Kind::kOpen;
    waiter.reply.unique = unique;
    waiter.content = registry.Acquire(record);
    waiter.block_count = 1;
    CHECK(table.Park(waiter) == 0);
  };
  park(1);
  registry.Complete(record.digest);
  notes.WaitFor(1);
  CHECK(notes.last_error == 0 && !notes.partial);
  // All blocks present, but nobody says complete: it does not wait for ever.
  test::TempDir directory;
  const std::string path = directory / "partial";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT, 0600));
  CHECK(::ftruncate(fd.get(), kBlock) == 0);
  park(2);
  CHECK(registry.Attach(record.digest, {kBlock, 12}, std::move(fd), {}).ok());
  CHECK(registry.Present(record.digest, 0, 1));
  notes.WaitFor(2);
  CHECK(notes.last_error == 0 && notes.partial);
  table.Stop();
}

void AFileInUseIsNotReplaced() {
  ContentRegistry registry;
  test::TempDir directory;
  const auto open = [&](const char* name) {
    UniqueFd fd(::open((directory / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    CHECK(::ftruncate(fd.get(), 2 * kBlock) == 0);
    return fd;
  };
  ContentRecord record;
  record.digest.fill(6);
  record.size = 2 * kBlock;
  record.block_size_bits = 12;
  record.block_count = 2;
  const ContentShape shape{2 * kBlock, 12};
  const std::vector<uint8_t> first = {1};
  CHECK(registry.Attach(record.digest, shape, open("a"), first).ok());
  const auto content = registry.Acquire(record);
  CHECK(content->HasBlock(0) && !content->HasBlock(1));
  CHECK(registry.Attach(record.digest, shape, open("a"), {}).ok());
  CHECK(!registry.Attach(record.digest, shape, open("b"), {}).ok());
  CHECK(!registry.Attach(record.digest, {kBlock, 12}, open("a"), {}).ok());
  CHECK(!registry.Drop(record.digest));
  registry.Release(content);
  // Unused: the new file starts with its own blocks.
  CHECK(registry.Attach(record.digest, shape, open("b"), {}).ok());
  const auto renewed = registry.Acquire(record);
  CHECK(renewed != content && !renewed->HasBlock(0));
  registry.Release(renewed);
  CHECK(!registry.Attach(record.digest, {3 * kBlock, 12}, open("b"), {}).ok());
  CHECK(registry.Drop(record.digest));
  CHECK(registry.Present(record.digest, 0, 1));
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::TheKernelsEndEndsTheSession();
  g8ufs::ClosingLeavesNothingBehind();
  g8ufs::ABrokenHandshakeIsAnError();
  g8ufs::SurvivesLoad();
  g8ufs::OpensWaitForTheCompleteFile();
  g8ufs::AFileInUseIsNotReplaced();
  return g8ufs::test::Failures();
}
