#include "bindings/codec_binding.h"

#include "bindings/convert.h"
#include "chunk/digest.h"

namespace g8ufs {
namespace {

Napi::Value Blake2bCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ByteSpan data = ToBytes(env, info[0], "data");
  const auto size = static_cast<size_t>(ToInteger(env, info[1], "length", 1, kBlake2bSizeMax));
  Napi::Uint8Array digest = Napi::Uint8Array::New(env, size);
  Blake2b(data, {digest.Data(), size});
  return digest;
}

}  // namespace

void RegisterCodec(Napi::Env env, Napi::Object exports) {
  exports.Set("blake2b", Napi::Function::New(env, Blake2bCall, "blake2b"));
}

}  // namespace g8ufs
