// Registers the SystemBinding of src/native/addon.ts.
#ifndef G8UFS_NATIVE_BINDINGS_SYSTEM_BINDING_H_
#define G8UFS_NATIVE_BINDINGS_SYSTEM_BINDING_H_

#include <napi.h>

namespace g8ufs {

void RegisterSystem(Napi::Env env, Napi::Object exports);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_SYSTEM_BINDING_H_
