// Entry point of the addon: registers the bindings in each environment that loads it.
#include "bindings/codec_binding.h"
#include "bindings/convert.h"
#include "bindings/keeper_binding.h"
#include "bindings/layers_binding.h"
#include "bindings/pack_binding.h"
#include "bindings/system_binding.h"
#include "bindings/restore_binding.h"
#include "bindings/scan_binding.h"
#include "bindings/session_binding.h"
#include "bindings/stream_binding.h"

namespace g8ufs {
namespace {

Napi::Array ErrorCodes(Napi::Env env) {
  static constexpr Code kCodes[] = {
#define G8UFS_CODE(name) Code::name,
      G8UFS_CODES(G8UFS_CODE)
#undef G8UFS_CODE
  };
  Napi::Array codes = Napi::Array::New(env);
  uint32_t index = 0;
  for (const Code code : kCodes) codes.Set(index++, CodeName(code));
  return codes;
}

void Initialize(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "errorClass must be a class");
  info.Env().GetInstanceData<AddonData>()->error_class =
      Napi::Persistent(info[0].As<Napi::Function>());
}

Napi::Object RegisterAll(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData());  // the environment deletes it
  exports.Set("errorCodes", ErrorCodes(env));
  exports.Set("initialize", Napi::Function::New(env, Initialize, "initialize"));
  RegisterCodec(env, exports);
  RegisterScan(env, exports);
  RegisterPack(env, exports);
  RegisterRestore(env, exports);
  RegisterSession(env, exports);
  RegisterKeeper(env, exports);
  RegisterLayers(env, exports);
  RegisterStream(env, exports);
  RegisterSystem(env, exports);
  return exports;
}

}  // namespace
}  // namespace g8ufs

static Napi::Object InitializeModule(Napi::Env env, Napi::Object exports) {
  return g8ufs::RegisterAll(env, exports);
}

NODE_API_MODULE(g8ufs, InitializeModule)
