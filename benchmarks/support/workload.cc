// The workloads of the benchmarks, timed inside the process: what starting a program or a runtime
// costs must not hide what the file system costs. One workload, repeated; the times of all rounds
// go to stdout in nanoseconds, one a line, so that the first may be cold and the rest warm.
//
// Not part of g8ufs: the suites build it with the system's compiler (workload.ts). A
// failed system call ends the program, for a time over half the work means nothing.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kReadSize = 128 * 1024;  // as cat(1) reads
constexpr size_t kSequentialReadSize = 1 << 20;
constexpr size_t kPageSize = 4096;
constexpr uint64_t kRandomReads = 1 << 16;
constexpr int kFilesPerDirectory = 100;
// Results of reads end here, so that none can be left out.
volatile uint64_t sink = 0;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "workload: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

int Checked(int result, const std::string& what) {
  if (result < 0) Fail(what);
  return result;
}

// Calls `visit` with the descriptor of each directory and each entry in it, dots left out.
// `keep_order` reads names as they come; subdirectories follow after their parent.
using Visit = std::function<void(int directory, const dirent& entry)>;

void Walk(int parent, const char* name, const Visit& visit) {
  const int fd = Checked(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), name);
  DIR* stream = ::fdopendir(fd);
  if (stream == nullptr) Fail(name);
  std::vector<std::string> folders;
  while (const dirent* entry = ::readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    visit(fd, *entry);
    if (entry->d_type == DT_DIR) folders.emplace_back(entry->d_name);
  }
  for (const std::string& folder : folders) Walk(fd, folder.c_str(), visit);
  ::closedir(stream);
}

void StatWalk(const std::string& root) {
  uint64_t bytes = 0;
  Walk(AT_FDCWD, root.c_str(), [&](int directory, const dirent& entry) {
    struct stat attributes {};
    Checked(::fstatat(directory, entry.d_name, &attributes, AT_SYMLINK_NOFOLLOW), entry.d_name);
    bytes += static_cast<uint64_t>(attributes.st_size);
  });
  sink = sink + bytes;
}

void Readdir(const std::string& root) {
  uint64_t entries = 0;
  Walk(AT_FDCWD, root.c_str(), [&](int, const dirent&) { ++entries; });
  sink = sink + entries;
}

uint64_t ReadToEnd(int fd, std::vector<uint8_t>& buffer, const char* name) {
  uint64_t bytes = 0;
  while (true) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0) Fail(name);
    if (count == 0) return bytes;
    bytes += static_cast<uint64_t>(count);
  }
}

void ReadAll(const std::string& root) {
  std::vector<uint8_t> buffer(kReadSize);
  uint64_t bytes = 0;
  Walk(AT_FDCWD, root.c_str(), [&](int directory, const dirent& entry) {
    if (entry.d_type != DT_REG) return;
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
    const int fd = Checked(::openat(directory, entry.d_name, flags), entry.d_name);
    bytes += ReadToEnd(fd, buffer, entry.d_name);
    ::close(fd);
  });
  sink = sink + bytes;
}

void Sequential(const std::string& path) {
  std::vector<uint8_t> buffer(kSequentialReadSize);
  const int fd = Checked(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
  sink = sink + ReadToEnd(fd, buffer, path.c_str());
  ::close(fd);
}

// The same places in each round and for each queue length.
void ReadRandomPages(int fd, uint64_t pages, uint64_t seed, uint64_t count) {
  std::vector<uint8_t> buffer(kPageSize);
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (uint64_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const auto offset = static_cast<off_t>(state % pages * kPageSize);
    if (::pread(fd, buffer.data(), kPageSize, offset) != kPageSize) Fail("pread");
  }
}

void Random(const std::string& path, uint64_t queue) {
  const int fd = Checked(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
  const auto pages = static_cast<uint64_t>(::lseek(fd, 0, SEEK_END)) / kPageSize;
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < queue; ++i) {
    readers.emplace_back(ReadRandomPages, fd, pages, i + 1, kRandomReads / queue);
  }
  for (std::thread& reader : readers) reader.join();
  ::close(fd);
}

void TouchMapped(const std::string& path) {
  const int fd = Checked(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
  const auto size = static_cast<size_t>(::lseek(fd, 0, SEEK_END));
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) Fail(path);
  const auto* bytes = static_cast<const uint8_t*>(memory);
  uint64_t sum = 0;
  for (size_t i = 0; i < size; i += kPageSize) sum += bytes[i];
  sink = sink + sum;
  ::munmap(memory, size);
  ::close(fd);
}

// `count` files by name, without listing a folder: 00/00, 00/01, …
void OpenClose(const std::string& root, int count) {
  const int folder = Checked(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), root);
  for (int i = 0; i < count; ++i) {
    char name[32];
    std::snprintf(name, sizeof(name), "%02d/%02d", i / kFilesPerDirectory, i % kFilesPerDirectory);
    ::close(Checked(::openat(folder, name, O_RDONLY | O_CLOEXEC), name));
  }
  ::close(folder);
}

void RunInRoot(const std::string& root, char** program) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::chroot(root.c_str()) != 0 || ::chdir("/") != 0) Fail(root);
    const int null = ::open("/dev/null", O_WRONLY);
    if (null >= 0) ::dup2(null, STDOUT_FILENO);
    ::execv(program[0], program);
    Fail(program[0]);
  }
  int status = 0;
  if (Checked(child, "fork") != ::waitpid(child, &status, 0)) Fail("waitpid");
  if (status == 0) return;
  std::fprintf(stderr, "workload: %s ended with wait status %d\n", program[0], status);
  std::exit(1);
}

// Bytes of all pages that the page cache holds for the regular files below `root` itself.
void PrintCachedBytes(const std::string& root) {
  struct Range {
    uint64_t offset = 0;
    uint64_t length = 0;  // 0: to the end
  };
  struct {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } pages{};
  const Range whole;
  uint64_t total = 0;
  Walk(AT_FDCWD, root.c_str(), [&](int directory, const dirent& entry) {
    if (entry.d_type != DT_REG) return;
    const int fd = Checked(::openat(directory, entry.d_name, O_RDONLY | O_CLOEXEC), entry.d_name);
    constexpr long kCachestat = 451;
    if (::syscall(kCachestat, fd, &whole, &pages, 0U) != 0) Fail("cachestat");
    total += pages.cached * kPageSize;
    ::close(fd);
  });
  std::printf("%llu\n", static_cast<unsigned long long>(total));
}

[[noreturn]] void Usage() {
  std::fprintf(stderr,
               "usage: workload ROUNDS stat|readdir|readall DIR\n"
               "       workload ROUNDS sequential|mmap FILE\n"
               "       workload ROUNDS random FILE QUEUE\n"
               "       workload ROUNDS openclose DIR COUNT\n"
               "       workload ROUNDS exec ROOT PROGRAM [ARGUMENT...]\n"
               "       workload 1 cached DIR\n");
  std::exit(64);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) Usage();
  const int rounds = std::atoi(argv[1]);
  const std::string kind = argv[2];
  const std::string path = argv[3];
  const int number = argc > 4 ? std::atoi(argv[4]) : 0;
  std::function<void()> work;
  if (kind == "stat") work = [&] { StatWalk(path); };
  if (kind == "readdir") work = [&] { Readdir(path); };
  if (kind == "readall") work = [&] { ReadAll(path); };
  if (kind == "sequential") work = [&] { Sequential(path); };
  if (kind == "mmap") work = [&] { TouchMapped(path); };
  if (kind == "random" && number > 0) work = [&] { Random(path, static_cast<uint64_t>(number)); };
  if (kind == "openclose" && number > 0) work = [&] { OpenClose(path, number); };
  if (kind == "exec" && argc > 4) work = [&] { RunInRoot(path, argv + 4); };
  if (kind == "cached") {
    PrintCachedBytes(path);
    return 0;
  }
  if (!work || rounds <= 0) Usage();
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const auto time = std::chrono::steady_clock::now() - start;
    std::printf("%lld\n", static_cast<long long>(std::chrono::nanoseconds(time).count()));
  }
  return 0;
}
