// StreamBinding: each stream is an object with two functions, which own it together with the call that
// runs. The work is in stream/.
#include "bindings/stream_binding.h"

#include <memory>
#include <string>
#include <utility>

#include "bindings/convert.h"
#include "chunk/zstd_codec.h"
#include "stream/byte_stream.h"

namespace g8ufs {
namespace {

constexpr int64_t kOutputSizeMax = int64_t{16} << 20;

// JS thread only, but for `stream` and `output` while `busy`.
struct StreamState {
  std::unique_ptr<ByteStream> stream;
  // Kept from call to call.
  Buffer output;
  bool busy = false;
};

class RunWorker final : public PromiseWorker {
 public:
  RunWorker(const Napi::CallbackInfo& info, std::shared_ptr<StreamState> state)
      : PromiseWorker(info.Env()), input_(KeepBytes(info[0], "input")), state_(std::move(state)) {
    const Napi::Object options = ToObject(env(), info[1], "options");
    last_ = options.Get("last").ToBoolean();
    const int64_t size_max =
        ToInteger(env(), options.Get("outputMax"), "outputMax", 1, kOutputSizeMax);
    if (state_->busy) throw Napi::TypeError::New(env(), "Stream is running");
    if (state_->stream == nullptr) throw Napi::TypeError::New(env(), "Stream is closed");
    state_->output.Resize(static_cast<size_t>(size_max));
    state_->busy = true;
    started_ = true;
  }
  ~RunWorker() override {
    if (started_) state_->busy = false;
  }

 private:
  Status Execute() override {
    return state_->stream->Run(input_, last_, state_->output.span(), step_);
  }
  Napi::Value Result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("consumed", static_cast<double>(step_.consumed));
    result.Set("output", FromBytes(env, state_->output.span().first(step_.produced)));
    result.Set("done", step_.done);
    return result;
  }

  const ByteSpan input_;
  const std::shared_ptr<StreamState> state_;
  bool last_ = false;
  bool started_ = false;
  StreamStep step_;
};

std::unique_ptr<ByteStream> Open(const Napi::CallbackInfo& info) {
  const std::string kind = ToText(info.Env(), info[0], "kind");
  if (kind == "zstd-decode") return NewZstdDecoder();
  if (kind == "xz-decode") return NewXzDecoder();
  if (kind == "zstd-encode") {
    const int64_t level = info[1].IsUndefined() ? kZstdLevelDefault
                                                : ToInteger(info.Env(), info[1], "level",
                                                            kZstdLevelMin, kZstdLevelMax);
    return NewZstdEncoder(static_cast<int>(level));
  }
  throw Napi::RangeError::New(info.Env(), "kind must be zstd-decode, xz-decode or zstd-encode");
}

Napi::Value OpenStreamCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto state = std::make_shared<StreamState>();
  state->stream = Open(info);
  if (state->stream == nullptr) {
    throw StatusToError(env, Status(Code::ERR_INTERNAL, "Memory for a stream is missing"));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("run", Napi::Function::New(
                        env,
                        [state](const Napi::CallbackInfo& call) -> Napi::Value {
                          return PromiseWorker::Start(std::make_unique<RunWorker>(call, state));
                        },
                        "run"));
  object.Set("close", Napi::Function::New(
                          env,
                          [state](const Napi::CallbackInfo& call) {
                            if (state->busy) {
                              throw Napi::TypeError::New(call.Env(), "Stream is running");
                            }
                            *state = StreamState();
                          },
                          "close"));
  return object;
}

}  // namespace

void RegisterStream(Napi::Env env, Napi::Object exports) {
  exports.Set("openStream", Napi::Function::New(env, OpenStreamCall, "openStream"));
}

}  // namespace g8ufs
