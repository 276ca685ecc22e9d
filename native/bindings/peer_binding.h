// Registers the PeerBinding of src/native/addon.ts.
#ifndef G8UFS_NATIVE_BINDINGS_PEER_BINDING_H_
#define G8UFS_NATIVE_BINDINGS_PEER_BINDING_H_

#include <napi.h>

namespace g8ufs {

void RegisterPeer(Napi::Env env, Napi::Object exports);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_PEER_BINDING_H_
