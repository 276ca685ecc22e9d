// g8ufs-keeper SOCKET: holds the mounts of one cache while their daemon is away. Started by the daemon; says
// `ready` on descriptor 3 when it listens. Its output is the daemon's log.
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "keeper/keeper.h"

namespace {

constexpr int kReadyFd = 3;
// Nothing happens without being told; this only bounds the sleep.
constexpr auto kSleep = std::chrono::hours(1);

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In a session of its own, with our output.
int Start(const g8ufs::keeper::Launch& launch, int wait_fd) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // This takes close-on-exec away, also where both are the same.
  if (wait_fd >= 0) posix_spawn_file_actions_adddup2(&actions, wait_fd, g8ufs::keeper::kWaitFd);
  pid_t process = -1;
  const int error = ::posix_spawn(&process, launch.arguments[0].c_str(), &actions, &attributes,
                                  Pointers(launch.arguments).data(),
                                  Pointers(launch.environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) std::fprintf(stderr, "g8ufs-keeper: daemon: %s\n", std::strerror(error));
  return error == 0 ? process : -1;
}

std::vector<g8ufs::keeper::Keeper::Ended> Reap() {
  std::vector<g8ufs::keeper::Keeper::Ended> ended;
  int status = 0;
  for (pid_t process = 0; (process = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    ended.push_back({process, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL});
  }
  return ended;
}

// By the state of its first thread, which hardly ever waits for a disk: that one has ended.
bool IsDying(int process) {
  const std::string path = "/proc/" + std::to_string(process) + "/stat";
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (file == nullptr) return false;
  char text[512];
  const size_t size = std::fread(text, 1, sizeof(text), file.get());
  // Its name is in brackets, and may have some itself.
  const size_t end = std::string_view(text, size).rfind(") ");
  return end != std::string_view::npos && end + 2 < size && (text[end + 2] == 'Z' || text[end + 2] == 'X');
}

// A descriptor that is readable when a child has ended. Whoever ends us means it: SIGTERM is not kept.
int ChildSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  // The terminal of whoever mounted is none of ours.
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: g8ufs-keeper SOCKET\n");
    return 64;
  }
  const int signals = ChildSignals();
  // Credentials of stores pass through here: nobody shall look, and none go to a core file.
  ::prctl(PR_SET_DUMPABLE, 0);
  g8ufs::UniqueFd listener;
  if (const int error = g8ufs::keeper::Listen(argv[1], &listener); error != 0) {
    std::fprintf(stderr, "g8ufs-keeper: %s: %s\n", argv[1], std::strerror(error));
    return 74;
  }
  (void)!::write(kReadyFd, "ready\n", 6);
  ::close(kReadyFd);
  g8ufs::keeper::Keeper keeper(std::move(listener),
                               {Start, [](int process) { ::kill(process, SIGKILL); }, Reap, IsDying},
                               {});
  signalfd_siginfo info;
  while (keeper.Step(std::chrono::duration_cast<std::chrono::milliseconds>(kSleep), signals)) {
    while (::read(signals, &info, sizeof(info)) > 0) {
    }
  }
  ::unlink(argv[1]);
  return 0;
}
