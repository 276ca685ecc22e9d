// LayersBinding: arguments are checked and copied here, the work is in layers/.
#include "bindings/layers_binding.h"

#include <chrono>
#include <string>
#include <utility>

#include "bindings/convert.h"
#include "layers/kernel_mount.h"
#include "layers/replace_root.h"
#include "layers/settle_upper.h"

namespace g8ufs {
namespace {

OverlayOptions ToOverlayOptions(Napi::Env env, Napi::Value value) {
  const Napi::Object object = ToObject(env, value, "options");
  OverlayOptions options;
  options.metadata = ToText(env, object.Get("metadata"), "metadata");
  options.data = ToTexts(env, object.Get("data"), "data");
  if (const Napi::Value upper = object.Get("upper"); !upper.IsUndefined()) {
    options.upper = ToText(env, upper, "upper");
    options.work = ToText(env, object.Get("work"), "work");
  }
  options.source = ToText(env, object.Get("source"), "source");
  options.target = ToText(env, object.Get("target"), "target");
  return options;
}

class MountImageWorker final : public PromiseWorker {
 public:
  explicit MountImageWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        image_(ToText(info.Env(), info[0], "image")),
        target_(ToText(info.Env(), info[1], "target")) {}

 private:
  Status Execute() override { return MountImage(image_, target_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const std::string image_;
  const std::string target_;
};

class MountOverlayWorker final : public PromiseWorker {
 public:
  explicit MountOverlayWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), options_(ToOverlayOptions(info.Env(), info[0])) {}

 private:
  Status Execute() override { return MountOverlay(options_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const OverlayOptions options_;
};

class UnmountWorker final : public PromiseWorker {
 public:
  explicit UnmountWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        path_(ToText(info.Env(), info[0], "path")),
        lazy_(ToObject(info.Env(), info[1], "options").Get("lazy").ToBoolean()) {}

 private:
  Status Execute() override { return UnmountPath(path_, lazy_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const std::string path_;
  const bool lazy_;
};

ReplaceRootOptions ToReplaceRootOptions(Napi::Env env, Napi::Value value) {
  const Napi::Object object = ToObject(env, value, "options");
  ReplaceRootOptions options;
  options.name_space = ToText(env, object.Get("namespace"), "namespace");
  options.root = ToText(env, object.Get("root"), "root");
  options.carried = ToTexts(env, object.Get("carried"), "carried");
  return options;
}

class ReplaceRootWorker final : public PromiseWorker {
 public:
  explicit ReplaceRootWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), options_(ToReplaceRootOptions(info.Env(), info[0])) {}

 private:
  Status Execute() override { return ReplaceRoot(options_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const ReplaceRootOptions options_;
};

SettleOptions ToSettleOptions(Napi::Env env, Napi::Value value) {
  const Napi::Object object = ToObject(env, value, "options");
  SettleOptions options;
  options.upper = ToText(env, object.Get("upper"), "upper");
  options.merged = ToText(env, object.Get("merged"), "merged");
  options.live = object.Get("live").ToBoolean();
  options.timeout = std::chrono::milliseconds(object.Get("timeoutMs").ToNumber().Int64Value());
  return options;
}

class SettleUpperWorker final : public PromiseWorker {
 public:
  explicit SettleUpperWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), options_(ToSettleOptions(info.Env(), info[0])) {}

 private:
  Status Execute() override { return SettleUpper(options_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const SettleOptions options_;
};

}  // namespace

void RegisterLayers(Napi::Env /*env*/, Napi::Object exports) {
  SetAsyncFunction<MountImageWorker>(exports, "mountImage");
  SetAsyncFunction<MountOverlayWorker>(exports, "mountOverlay");
  SetAsyncFunction<UnmountWorker>(exports, "unmountPath");
  SetAsyncFunction<ReplaceRootWorker>(exports, "replaceRoot");
  SetAsyncFunction<SettleUpperWorker>(exports, "settleUpper");
}

}  // namespace g8ufs
