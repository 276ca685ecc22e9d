#include "bindings/session_calls.h"

#include <chrono>
#include <utility>

#include "bindings/convert.h"

namespace g8ufs {
namespace {

// What the queue holds while JS is busy; the rest waits in the session's own list.
constexpr size_t kNeedQueueSizeMax = 1024;

napi_threadsafe_function Create(Napi::Env env, Napi::Function callback, const char* name,
                                size_t queue_size_max, void* context,
                                napi_threadsafe_function_call_js call) {
  napi_threadsafe_function function = nullptr;
  const napi_status status = napi_create_threadsafe_function(
      env, callback, nullptr, Napi::String::New(env, name), queue_size_max, 1, nullptr, nullptr,
      context, call, &function);
  if (status != napi_ok) throw Napi::Error::New(env);
  return function;
}

// A callback that throws is a mistake in our own JS: it ends the process as any other does.
void CallJs(napi_env env, napi_value callback, size_t count, const napi_value* arguments) {
  napi_value undefined = nullptr;
  napi_get_undefined(env, &undefined);
  if (napi_call_function(env, undefined, callback, count, arguments, nullptr) !=
      napi_pending_exception) {
    return;
  }
  napi_value error = nullptr;
  napi_get_and_clear_last_exception(env, &error);
  napi_fatal_exception(env, error);
}

}  // namespace

SessionCalls::SessionCalls(Napi::Env env, uint32_t session, Napi::Function need_callback,
                           Napi::Function end_callback, std::function<void()> on_end)
    : session_(session), on_end_(std::move(on_end)) {
  need_ = Create(env, need_callback, "g8ufs need", kNeedQueueSizeMax, this, OnNeed);
  end_ = Create(env, end_callback, "g8ufs end", 0, this, OnEnd);
}

SessionCalls::~SessionCalls() { Close(); }

napi_status SessionCalls::Call(napi_threadsafe_function function, void* data) {
  MutexLock lock(mutex_);
  if (closed_) return napi_closing;
  const napi_status status = napi_call_threadsafe_function(function, data, napi_tsfn_nonblocking);
  // The environment is going; the function is no longer ours.
  if (status == napi_closing) closed_ = true;
  return status;
}

bool SessionCalls::SendNeed(const Need& need) {
  auto* data = new Need(need);
  const napi_status status = Call(need_, data);
  if (status == napi_ok) return true;
  delete data;
  return status != napi_queue_full;
}

void SessionCalls::SendEnd() { (void)Call(end_, nullptr); }

void SessionCalls::Close() {
  MutexLock lock(mutex_);
  if (closed_) return;
  closed_ = true;
  napi_release_threadsafe_function(need_, napi_tsfn_abort);
  napi_release_threadsafe_function(end_, napi_tsfn_abort);
}

void SessionCalls::OnNeed(napi_env env, napi_value callback, void* context, void* data) {
  const std::unique_ptr<Need> need(static_cast<Need*>(data));
  if (env == nullptr) return;  // the environment is going: the queue is only emptied
  const Napi::HandleScope scope(env);
  const auto* calls = static_cast<SessionCalls*>(context);
  Napi::Object object = Napi::Object::New(env);
  object.Set("session", calls->session_);
  object.Set("content", need->content);
  object.Set("block", need->block);
  object.Set("count", need->count);
  object.Set("nid", static_cast<double>(need->nid));
  object.Set("offset", static_cast<double>(need->offset));
  object.Set("size", need->size);
  object.Set("waitedMs", need->nid == 0 ? 0 : ToMilliseconds(std::chrono::steady_clock::now() - need->since));
  object.Set("image", need->image);
  object.Set("broken", need->broken);
  object.Set("away", need->away);
  const napi_value argument = object;
  CallJs(env, callback, 1, &argument);
}

void SessionCalls::OnEnd(napi_env env, napi_value callback, void* context, void* /*data*/) {
  if (env == nullptr) return;
  const Napi::HandleScope scope(env);
  static_cast<SessionCalls*>(context)->on_end_();
  CallJs(env, callback, 0, nullptr);
}

}  // namespace g8ufs
