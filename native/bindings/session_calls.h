// SessionCalls: calls from a session's native threads to its two JS callbacks, `onNeed` and
// `onEnd`.
//
// Thread rule: made and ended on the JS thread; SendNeed and SendEnd by any thread.
#ifndef G8UFS_NATIVE_BINDINGS_SESSION_CALLS_H_
#define G8UFS_NATIVE_BINDINGS_SESSION_CALLS_H_

#include <napi.h>

#include <cstdint>
#include <functional>

#include "base/mutex.h"
#include "driver/miss_table.h"

namespace g8ufs {

class SessionCalls {
 public:
  // `on_end` runs on the JS thread before the JS callback of that name.
  SessionCalls(Napi::Env env, uint32_t session, Napi::Function need_callback,
               Napi::Function end_callback, std::function<void()> on_end);
  ~SessionCalls();
  SessionCalls(const SessionCalls&) = delete;
  SessionCalls& operator=(const SessionCalls&) = delete;

  // False when the queue is full: try again later. A need after the environment has gone is
  // dropped.
  bool SendNeed(const Need& need) EXCLUDES_LOCK(mutex_);
  void SendEnd() EXCLUDES_LOCK(mutex_);
  // Nothing is called any more; the environment may end. Idempotent.
  void Close() EXCLUDES_LOCK(mutex_);

 private:
  napi_status Call(napi_threadsafe_function function, void* data) EXCLUDES_LOCK(mutex_);
  static void OnNeed(napi_env env, napi_value callback, void* context, void* data);
  static void OnEnd(napi_env env, napi_value callback, void* context, void* data);

  // Node frees a thread-safe function when its last user has been told that it is closing, so that
  // nobody may call it afterwards: one lock for calls and for closing.
  Mutex mutex_;
  bool closed_ GUARDED_BY(mutex_) = false;
  const uint32_t session_;
  const std::function<void()> on_end_;
  napi_threadsafe_function need_ = nullptr;
  napi_threadsafe_function end_ = nullptr;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_SESSION_CALLS_H_
