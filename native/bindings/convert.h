// The border between C++ and JS: per-environment data, Status to error, arguments, promises.
// Everything here runs on the JS thread except PromiseWorker::Execute.
#ifndef G8UFS_NATIVE_BINDINGS_CONVERT_H_
#define G8UFS_NATIVE_BINDINGS_CONVERT_H_

#include <napi.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace g8ufs {

class SessionTable;

// What one environment (the main thread or a worker thread) has of its own. Destroyed with it.
struct AddonData {
  // The class handed to initialize(): constructor(code, message, {details}).
  Napi::FunctionReference error_class;
  // Its mounts.
  SessionTable* sessions = nullptr;
};

// The JS error of a failed status: the class of initialize() with `code`, `message` and `details`
// (those of the status, and `errno` as a name such as `ENOENT` when a system call failed).
// REQUIRES: !status.ok().
Napi::Error StatusToError(Napi::Env env, const Status& status);

// Throws StatusToError() when the status is a failure.
void ThrowIfFailed(Napi::Env env, const Status& status);

// Argument checks. Each throws a TypeError (wrong type) or RangeError (outside limits) that names
// the argument.
Napi::Object ToObject(Napi::Env env, Napi::Value value, const char* name);
// Without NUL bytes, which no path or name can hold.
std::string ToText(Napi::Env env, Napi::Value value, const char* name);
// An array of them.
std::vector<std::string> ToTexts(Napi::Env env, Napi::Value value, const char* name);
// An integer from min to max. REQUIRES: both are exact as a double.
int64_t ToInteger(Napi::Env env, Napi::Value value, const char* name, int64_t min, int64_t max);
// The bytes of a Uint8Array, in place: valid while the array is referenced and not transferred.
MutableByteSpan ToBytes(Napi::Env env, Napi::Value value, const char* name);

// A time as JS has them.
inline double ToMilliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// A new Uint8Array with a copy of the bytes.
Napi::Uint8Array FromBytes(Napi::Env env, ByteSpan bytes);

// One asynchronous call: Execute runs on libuv's pool, then Result on the JS thread makes the value
// the promise is resolved with; a failed status rejects it with StatusToError. Subclasses copy or
// Keep() what they need in their constructor: there is no JS environment on the pool's thread.
//
// Environment teardown waits for the work to end and then drops the result.
class PromiseWorker {
 public:
  PromiseWorker(const PromiseWorker&) = delete;
  PromiseWorker& operator=(const PromiseWorker&) = delete;
  virtual ~PromiseWorker();

  // Queues the work; the worker is destroyed on the JS thread when it is done.
  static Napi::Promise Start(std::unique_ptr<PromiseWorker> worker);
  // The same on a thread of its own, for what has to go on while all threads of libuv's pool wait for a disk
  // that does not answer, and for what itself may wait for one.
  static Napi::Promise StartApart(std::unique_ptr<PromiseWorker> worker);

 protected:
  explicit PromiseWorker(Napi::Env env);

  // Keeps a value (a typed array whose memory is used) alive until the work is done.
  void Keep(Napi::Value value);
  // The bytes of a Uint8Array that stays alive until the work is done.
  MutableByteSpan KeepBytes(Napi::Value value, const char* name);
  Napi::Env env() const { return env_; }

  virtual Status Execute() = 0;
  virtual Napi::Value Result(Napi::Env env) = 0;

 private:
  static void OnExecute(napi_env env, void* data);
  static void OnComplete(napi_env env, napi_status status, void* data);
  static void OnApart(napi_env env, napi_value callback, void* context, void* data);
  void Settle(napi_status status);

  Napi::Env env_;
  // Array that holds the kept values.
  Napi::Reference<Napi::Array> kept_;
  uint32_t kept_count_ = 0;
  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;
  Status status_;
};

// Adds a function to `exports` that starts Worker(info). Wrong arguments throw at once: they are
// mistakes of the program, not results.
template <typename Worker>
void SetAsyncFunction(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(
                        exports.Env(),
                        [](const Napi::CallbackInfo& info) -> Napi::Value {
                          return PromiseWorker::Start(std::make_unique<Worker>(info));
                        },
                        name));
}

// The same for a worker that starts apart.
template <typename Worker>
void SetApartFunction(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(
                        exports.Env(),
                        [](const Napi::CallbackInfo& info) -> Napi::Value {
                          return PromiseWorker::StartApart(std::make_unique<Worker>(info));
                        },
                        name));
}

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_CONVERT_H_
