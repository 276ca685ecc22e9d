// SystemBinding: system calls that Node has no function for.
#include "bindings/system_binding.h"

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

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

}  // namespace

void RegisterSystem(Napi::Env env, Napi::Object exports) {
  exports.Set("peerUser", Napi::Function::New(env, PeerUser, "peerUser"));
  exports.Set("seekEnd", Napi::Function::New(env, SeekEnd, "seekEnd"));
  SetAsyncFunction<TrimWorker>(exports, "trimMemory");
}

}  // namespace g8ufs
