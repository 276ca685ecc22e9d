// SystemBinding: system calls that Node has no function for.
#include "bindings/system_binding.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "bindings/convert.h"

namespace g8ufs {
namespace {

Napi::Value PeerUser(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = static_cast<int>(ToInteger(env, info[0], "fd", 0, INT32_MAX));
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    throw StatusToError(env, Status::FromErrno(Code::ERR_IO, "Peer of a socket is not known", errno));
  }
  return Napi::Number::New(env, peer.uid);
}

Napi::Value SeekEnd(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = static_cast<int>(ToInteger(env, info[0], "fd", 0, INT32_MAX));
  if (::lseek(fd, 0, SEEK_END) < 0) {
    throw StatusToError(env, Status::FromErrno(Code::ERR_IO, "A file cannot be skipped", errno));
  }
  return env.Undefined();
}

// Does not return when it works: descriptors but those of standard streams, threads and handlers end with the program.
Napi::Value ReplaceProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::string program = ToText(env, info[0], "program");
  std::vector<std::string> args = ToTexts(env, info[1], "args");
  std::vector<char*> argv{program.data()};
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  // libuv has them closed at an execve().
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) (void)::fcntl(fd, F_SETFD, 0);
  ::execv(program.c_str(), argv.data());
  throw StatusToError(env, Status::FromErrno(Code::ERR_IO, program + " cannot be run", errno));
}

// Takes the locks of all arenas in turn, so not on the JS thread, which would wait for the whole of it.
class TrimWorker final : public PromiseWorker {
 public:
  explicit TrimWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {}

 private:
  Status Execute() override {
#ifdef __GLIBC__
    trimmed_ = ::malloc_trim(0) != 0;
#endif
    return {};
  }
  Napi::Value Result(Napi::Env env) override { return Napi::Boolean::New(env, trimmed_); }

  bool trimmed_ = false;
};

// Writes a small file onto the disk, and takes it away again.
class ProbeWorker final : public PromiseWorker {
 public:
  explicit ProbeWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), path_(ToText(info.Env(), info[0], "path")) {}

 private:
  Status Execute() override {
    static constexpr size_t kSize = 4096;
    const std::vector<uint8_t> bytes(kSize, 1);
    const UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.ok()) return Status::FromErrno("Disk does not take " + path_, errno);
    Status status;
    if (::write(file.get(), bytes.data(), kSize) != ssize_t{kSize} || ::fsync(file.get()) != 0) {
      status = Status::FromErrno("Disk does not take " + path_, errno);
    }
    (void)::unlink(path_.c_str());
    return status;
  }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const std::string path_;
};

}  // namespace

void RegisterSystem(Napi::Env env, Napi::Object exports) {
  exports.Set("peerUser", Napi::Function::New(env, PeerUser, "peerUser"));
  exports.Set("seekEnd", Napi::Function::New(env, SeekEnd, "seekEnd"));
  exports.Set("replaceProcess", Napi::Function::New(env, ReplaceProcess, "replaceProcess"));
  SetApartFunction<ProbeWorker>(exports, "probeDisk");
  SetAsyncFunction<TrimWorker>(exports, "trimMemory");
}

}  // namespace g8ufs
