#include "fuse/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

extern char** environ;

namespace g8ufs::fuse {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kHelper[] = "fusermount3";
// Mounting takes milliseconds; a helper that hangs must not hang us.
constexpr auto kTimeout = std::chrono::seconds(20);
constexpr size_t kMessageSizeMax = 1024;
// Descriptor numbers inside the helper.
constexpr int kHelperSocket = 3;

int MillisecondsUntil(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

bool WaitReadable(int fd, Clock::time_point deadline) {
  pollfd poll_fd{fd, POLLIN, 0};
  int result = 0;
  do {
    result = ::poll(&poll_fd, 1, MillisecondsUntil(deadline));
  } while (result < 0 && errno == EINTR);
  return result > 0;
}

// The descriptor that came over the socket; -1 when the helper closed it without sending one.
int ReceiveDescriptor(int socket, Clock::time_point deadline) {
  if (!WaitReadable(socket, deadline)) return -1;
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = 0;
  do {
    count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return -1;
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return fd;
}

// What the helper prints, up to a bound, until it closes the pipe.
std::string ReadMessage(int fd, Clock::time_point deadline) {
  std::string text;
  std::array<char, 256> chunk{};
  while (WaitReadable(fd, deadline)) {
    const ssize_t count = ::read(fd, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (text.size() < kMessageSizeMax) text.append(chunk.data(), static_cast<size_t>(count));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Exit status, or -1 when the helper was killed by a signal or by us.
int WaitForExit(pid_t pid, Clock::time_point deadline) {
  int status = 0;
  // Its end of the pipe is closed already: it is ending, or it will be ended.
  while (true) {
    const pid_t result = ::waitpid(pid, &status, WNOHANG);
    if (result == pid) break;
    if (result < 0 && errno != EINTR) return -1;
    if (Clock::now() >= deadline) {
      ::kill(pid, SIGKILL);
      while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      return -1;
    }
    ::poll(nullptr, 0, 1);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int Spawn(const std::vector<std::string>& arguments, int socket, int errors, pid_t* pid) {
  std::vector<char*> argv{const_cast<char*>(kHelper)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string communication = "_FUSE_COMMFD=" + std::to_string(kHelperSocket);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).substr(0, 13) != "_FUSE_COMMFD=") environment.push_back(*entry);
  }
  environment.push_back(const_cast<char*>(communication.c_str()));
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, errors, 1);
  posix_spawn_file_actions_adddup2(&actions, errors, 2);
  if (socket >= 0) posix_spawn_file_actions_adddup2(&actions, socket, kHelperSocket);
  // The parent's threads may have signals blocked; the helper starts with none.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error =
      ::posix_spawnp(pid, kHelper, &actions, &attributes, argv.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// At least kHelperSocket + 1, so that dup2 in the child never meets its own source (which would
// leave close-on-exec set) and never overwrites one it still needs.
bool MoveAbove(UniqueFd* fd) {
  fd->Reset(::fcntl(fd->get(), F_DUPFD_CLOEXEC, kHelperSocket + 1));
  return fd->ok();
}

}  // namespace

Status RunHelper(const std::vector<std::string>& arguments, UniqueFd* device) {
  const Clock::time_point deadline = Clock::now() + kTimeout;
  int pipe_fds[2] = {-1, -1};
  int socket_fds[2] = {-1, -1};
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return Status::FromErrno(Code::ERR_MOUNT, "Pipe to fusermount3 cannot be made", errno);
  }
  UniqueFd errors(pipe_fds[0]);
  UniqueFd errors_child(pipe_fds[1]);
  if (device != nullptr && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket_fds) != 0) {
    return Status::FromErrno(Code::ERR_MOUNT, "Socket to fusermount3 cannot be made", errno);
  }
  UniqueFd socket(socket_fds[0]);
  UniqueFd socket_child(socket_fds[1]);
  if (!MoveAbove(&errors_child) || (socket_child.ok() && !MoveAbove(&socket_child))) {
    return Status::FromErrno(Code::ERR_MOUNT, "Descriptor for fusermount3 cannot be made", errno);
  }

  pid_t pid = -1;
  if (const int error = Spawn(arguments, socket_child.get(), errors_child.get(), &pid)) {
    return Status::FromErrno(Code::ERR_NO_FUSE, "fusermount3 cannot be run", error);
  }
  errors_child.Reset();
  socket_child.Reset();
  if (device != nullptr) device->Reset(ReceiveDescriptor(socket.get(), deadline));
  const std::string message = ReadMessage(errors.get(), deadline);
  const int exit_status = WaitForExit(pid, deadline);
  if (exit_status != 0 || (device != nullptr && !device->ok())) {
    // Its words are all it gives; the device is the one cause that has a code of its own.
    const bool no_device = message.find("/dev/fuse") != std::string::npos;
    return Status(no_device ? Code::ERR_NO_FUSE : Code::ERR_MOUNT,
                  message.empty() ? "fusermount3 failed" : message);
  }
  return {};
}

std::string EscapeOption(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

}  // namespace g8ufs::fuse
