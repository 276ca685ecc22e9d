// PeerBinding: who is at the other end of a Unix socket. The kernel knows; Node does not ask it.
#include "bindings/peer_binding.h"

#include <sys/socket.h>

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

}  // namespace

void RegisterPeer(Napi::Env env, Napi::Object exports) {
  exports.Set("peerUser", Napi::Function::New(env, PeerUser, "peerUser"));
}

}  // namespace g8ufs
