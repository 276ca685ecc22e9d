#include "bindings/convert.h"

#include <cmath>
#include <cstring>
#include <exception>
#include <system_error>
#include <thread>

namespace g8ufs {

Napi::Error StatusToError(Napi::Env env, const Status& status) {
  Napi::Object details = Napi::Object::New(env);
  for (const auto& [name, value] : status.details()) details.Set(name, value);
  if (status.error() != 0) {
    const char* name = ::strerrorname_np(status.error());
    details.Set("errno", name != nullptr ? std::string(name) : std::to_string(status.error()));
  }
  const AddonData* data = env.GetInstanceData<AddonData>();
  if (data == nullptr || data->error_class.IsEmpty()) {
    Napi::Error error = Napi::Error::New(env, status.message());
    error.Set("code", Napi::String::New(env, CodeName(status.code())));
    error.Set("details", details);
    return error;
  }
  Napi::Object options = Napi::Object::New(env);
  options.Set("details", details);
  const Napi::Object error =
      data->error_class.New({Napi::String::New(env, CodeName(status.code())),
                             Napi::String::New(env, status.message()), options});
  return Napi::Error(env, error);
}

void ThrowIfFailed(Napi::Env env, const Status& status) {
  if (!status.ok()) throw StatusToError(env, status);
}

Napi::Object ToObject(Napi::Env env, Napi::Value value, const char* name) {
  if (!value.IsObject()) throw Napi::TypeError::New(env, std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

std::string ToText(Napi::Env env, Napi::Value value, const char* name) {
  if (!value.IsString()) throw Napi::TypeError::New(env, std::string(name) + " must be a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(env, std::string(name) + " must not contain NUL");
  }
  return text;
}

std::vector<std::string> ToTexts(Napi::Env env, Napi::Value value, const char* name) {
  if (!value.IsArray()) throw Napi::TypeError::New(env, std::string(name) + " must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); ++i) texts.push_back(ToText(env, array[i], name));
  return texts;
}

int64_t ToInteger(Napi::Env env, Napi::Value value, const char* name, int64_t min, int64_t max) {
  if (!value.IsNumber()) throw Napi::TypeError::New(env, std::string(name) + " must be a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool in_range =
      number >= static_cast<double>(min) && number <= static_cast<double>(max);  // false for NaN
  if (!in_range || std::trunc(number) != number) {
    throw Napi::RangeError::New(env, std::string(name) + " must be an integer from " +
                                         std::to_string(min) + " to " + std::to_string(max));
  }
  return static_cast<int64_t>(number);
}

MutableByteSpan ToBytes(Napi::Env env, Napi::Value value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(env, std::string(name) + " must be a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

Napi::Uint8Array FromBytes(Napi::Env env, ByteSpan bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

PromiseWorker::PromiseWorker(Napi::Env env)
    : env_(env), kept_(Napi::Reference<Napi::Array>::New(Napi::Array::New(env), 1)) {}

PromiseWorker::~PromiseWorker() {
  if (work_ != nullptr) napi_delete_async_work(env_, work_);
}

void PromiseWorker::Keep(Napi::Value value) { kept_.Value().Set(kept_count_++, value); }

MutableByteSpan PromiseWorker::KeepBytes(Napi::Value value, const char* name) {
  const MutableByteSpan bytes = ToBytes(env_, value, name);
  Keep(value);
  return bytes;
}

Napi::Promise PromiseWorker::Start(std::unique_ptr<PromiseWorker> worker) {
  const Napi::Env env = worker->env_;
  napi_value promise = nullptr;
  const Napi::String name = Napi::String::New(env, "g8ufs");
  if (napi_create_async_work(env, nullptr, name, OnExecute, OnComplete, worker.get(),
                             &worker->work_) != napi_ok ||
      napi_create_promise(env, &worker->deferred_, &promise) != napi_ok ||
      napi_queue_async_work(env, worker->work_) != napi_ok) {
    throw Napi::Error::New(env);
  }
  worker.release();  // OnComplete owns it now
  return {env, promise};
}

Napi::Promise PromiseWorker::StartApart(std::unique_ptr<PromiseWorker> worker) {
  const Napi::Env env = worker->env_;
  napi_value promise = nullptr;
  napi_threadsafe_function done = nullptr;
  const Napi::String name = Napi::String::New(env, "g8ufs");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                      OnApart, &done) != napi_ok ||
      napi_create_promise(env, &worker->deferred_, &promise) != napi_ok) {
    throw Napi::Error::New(env);
  }
  const auto run = [raw = worker.get(), done] {
    OnExecute(nullptr, raw);
    // Closing: the environment goes, and nobody is left to be told. The worker cannot be destroyed without it.
    if (napi_call_threadsafe_function(done, raw, napi_tsfn_blocking) == napi_closing) return;
    napi_release_threadsafe_function(done, napi_tsfn_release);
  };
  try {
    std::thread(run).detach();
  } catch (const std::system_error&) {  // no more threads
    run();
  }
  worker.release();  // OnApart owns it now
  return {env, promise};
}

void PromiseWorker::OnApart(napi_env env, napi_value /*callback*/, void* /*context*/, void* data) {
  if (env == nullptr) return;
  OnComplete(env, napi_ok, data);
}

void PromiseWorker::OnExecute(napi_env /*env*/, void* data) {
  auto* worker = static_cast<PromiseWorker*>(data);
  try {
    worker->status_ = worker->Execute();
  } catch (const std::exception& error) {  // bad_alloc: nothing else throws below bindings/
    worker->status_ =
        Status(Code::ERR_INTERNAL, std::string("Native call failed: ") + error.what());
  }
}

void PromiseWorker::OnComplete(napi_env env, napi_status status, void* data) {
  const Napi::HandleScope scope(env);
  const std::unique_ptr<PromiseWorker> worker(static_cast<PromiseWorker*>(data));
  worker->Settle(status);
}

// Plain Node-API calls whose failures are dropped: they fail only when the environment is going
// away, and then nobody waits for the promise.
void PromiseWorker::Settle(napi_status status) {
  try {
    if (status == napi_cancelled) status_ = Status(Code::ERR_ABORTED, "Native call was cancelled");
    if (status_.ok()) {
      napi_resolve_deferred(env_, deferred_, Result(env_));
    } else {
      napi_reject_deferred(env_, deferred_, StatusToError(env_, status_).Value());
    }
  } catch (const Napi::Error& error) {
    napi_reject_deferred(env_, deferred_, error.Value());
  }
}

}  // namespace g8ufs
