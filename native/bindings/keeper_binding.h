// JS side of the keeper: the KeeperBinding interface of src/native/addon.ts.
#ifndef G8UFS_NATIVE_BINDINGS_KEEPER_BINDING_H_
#define G8UFS_NATIVE_BINDINGS_KEEPER_BINDING_H_

#include <napi.h>

namespace g8ufs {

void RegisterKeeper(Napi::Env env, Napi::Object exports);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_KEEPER_BINDING_H_
