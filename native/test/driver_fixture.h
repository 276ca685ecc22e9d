// A served image for driver tests: index files on disk, a fake kernel in front, partial files and
// the needs that come.
#ifndef G8UFS_NATIVE_TEST_DRIVER_FIXTURE_H_
#define G8UFS_NATIVE_TEST_DRIVER_FIXTURE_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "driver/mount_session.h"
#include "test/check.h"
#include "test/fake_kernel.h"
#include "test/image_builder.h"
#include "test/temp_dir.h"

namespace g8ufs::test {

constexpr uint32_t kBlock = 4096;

// The image itself, or the contents of it as one of all images.
enum class Serves { kImage, kObjects };

class DriverFixture {
 public:
  explicit DriverFixture(TestNode root_node, const SessionOptions& changes = {},
                         uint64_t offered = ~uint64_t{0} & ~fuse::kPassthrough,
                         Serves serves = Serves::kImage)
      : root(std::move(root_node)), kernel(offered) {
    ImageBuilder(root).WriteTo(directory.path());
    std::filesystem::create_directory(directory / "files");
    options = changes;
    if (serves == Serves::kImage) options.index_dir = directory.path();
    options.files_dir = directory / "files";
    MountSession::Callbacks callbacks;
    callbacks.send_need = [this](const Need& need) { return OnNeed(need); };
    callbacks.on_end = [this] {
      MutexLock lock(mutex);
      ++ends;
      changed.NotifyAll();
    };
    const Status status =
        MountSession::Serve(options, registry, std::move(callbacks), kernel.Connection(), &session);
    CHECK(status.ok());
    if (!status.ok()) std::abort();
    init = kernel.InitReply();
    if (serves == Serves::kObjects) CHECK(session->AddImage(directory.path(), &image).ok());
  }

  // Another process takes the connection over, as a keeper has held it: what the first one has not answered
  // it never will. `device` is a duplicate, so that the connection does not end with the first one.
  void Replace(UniqueFd device, UniqueFd table, bool paused = false) {
    table = CopyOf(table);
    session.reset();
    SessionOptions again = options;
    again.paused = paused;
    MountSession::Callbacks callbacks;
    callbacks.send_need = [this](const Need& need) { return OnNeed(need); };
    callbacks.on_end = [] {};
    const auto take = [&](HeldMount* held) {
      *held = {std::move(device), std::move(table)};
      return true;
    };
    const Status status =
        MountSession::Adopt(again, registry, std::move(callbacks), take, &session);
    CHECK(status.ok());
    if (!status.ok()) std::abort();
  }

  // The table as a kill leaves it: a session that ends in good order takes its records along.
  static UniqueFd CopyOf(const UniqueFd& table) {
    struct stat attributes {};
    CHECK(::fstat(table.get(), &attributes) == 0);
    std::vector<char> beginning(64 * 1024);
    CHECK(::pread(table.get(), beginning.data(), beginning.size(), 0) > 0);
    UniqueFd copy(::memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK(::ftruncate(copy.get(), attributes.st_size) == 0);
    CHECK(::pwrite(copy.get(), beginning.data(), beginning.size(), 0) > 0);
    CHECK(::fcntl(copy.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return copy;
  }

  bool OnNeed(const Need& need) {
    MutexLock lock(mutex);
    if (refuse_needs > 0) {
      --refuse_needs;
      return false;
    }
    needs.push_back(need);
    changed.NotifyAll();
    return true;
  }

  // Waits until so many needs have come.
  std::vector<Need> WaitNeeds(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    MutexLock lock(mutex);
    while (needs.size() < count && std::chrono::steady_clock::now() < deadline) {
      changed.WaitUntil(mutex, deadline);
    }
    CHECK(needs.size() >= count);
    return needs;
  }
  bool WaitEnd() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    MutexLock lock(mutex);
    while (ends == 0 && std::chrono::steady_clock::now() < deadline) {
      changed.WaitUntil(mutex, deadline);
    }
    return ends == 1;
  }

  static std::string BlockBytes(uint32_t block) {
    return std::string(kBlock, static_cast<char>('a' + block % 26));
  }
  static Digest DigestOf(uint8_t byte) {
    Digest digest;
    digest.fill(byte);
    return digest;
  }

  // Attaches an empty partial file.
  Status Attach(uint8_t digest, uint64_t size, std::vector<uint8_t> present = {}) {
    const std::string path = directory / ("partial-" + std::to_string(digest));
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    CHECK(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
    return registry.Attach(DigestOf(digest), {size, 12}, std::move(fd), present);
  }
  // Writes blocks into the partial file and announces them.
  void Fill(uint8_t digest, uint32_t block, uint32_t count) {
    const std::string path = directory / ("partial-" + std::to_string(digest));
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    for (uint32_t i = block; i < block + count; ++i) {
      const std::string bytes = BlockBytes(i);
      CHECK(::pwrite(fd.get(), bytes.data(), bytes.size(), off_t{i} * kBlock) == kBlock);
    }
    CHECK(registry.Present(DigestOf(digest), block, count));
  }
  // Puts a complete file in place.
  void WriteComplete(uint8_t digest, const std::string& bytes, bool sealed = true) {
    const std::string hex = ToHex(DigestOf(digest));
    const std::string folder = directory / "files/" + hex.substr(0, 2) + "/" + hex.substr(2, 2);
    std::filesystem::create_directories(folder);
    const std::string path = folder + "/" + hex;
    std::ofstream(path, std::ios::binary) << bytes;
    const timespec times[2] = {{1, 0}, {1, 0}};
    if (sealed) CHECK(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }

  uint64_t Nid(const std::string& name) const { return root.children.at(name).nid; }

  TempDir directory;
  SessionOptions options;
  TestNode root;
  ContentRegistry registry;
  FakeKernel kernel;
  fuse::InitOut init{};
  uint32_t image = 0;  // of Serves::kObjects

  Mutex mutex;
  CondVar changed;
  std::vector<Need> needs GUARDED_BY(mutex);
  int refuse_needs GUARDED_BY(mutex) = 0;
  int ends GUARDED_BY(mutex) = 0;

  // Last: its threads use everything above.
  std::unique_ptr<MountSession> session;
};

}  // namespace g8ufs::test

#endif  // G8UFS_NATIVE_TEST_DRIVER_FIXTURE_H_
