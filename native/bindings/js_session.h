// JsSession: a MountSession as one JS environment sees it. SessionTable: all of an environment's.
//
// Thread rule: everything here runs on the JS thread, except the two workers' Execute.
#ifndef G8UFS_NATIVE_BINDINGS_JS_SESSION_H_
#define G8UFS_NATIVE_BINDINGS_JS_SESSION_H_

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "bindings/session_calls.h"
#include "driver/mount_session.h"
#include "keeper/client.h"

namespace g8ufs {

// The contents of the process. Never destroyed: sessions of several environments share it.
ContentRegistry& Contents();

// This process's connection to the keeper of its mounts; one, as there is one cache.
keeper::KeeperClient& KeeperOfProcess();

class SessionTable;

class JsSession : public std::enable_shared_from_this<JsSession> {
 public:
  // Makes the callbacks and enters the table; the mount follows in Open.
  static std::shared_ptr<JsSession> Create(Napi::Env env, SessionTable& table,
                                           Napi::Function on_need, Napi::Function on_end);
  ~JsSession();

  uint32_t number() const { return number_; }
  bool is_open() const { return is_open_; }
  // REQUIRES: is_open().
  MountSession& session() { return *session_; }

  // On libuv's pool.
  Status Open(const SessionOptions& options);
  // On a thread of its own: as Open, of a mount that the keeper has held.
  Status Adopt(const SessionOptions& options, uint64_t held);
  // Open has succeeded.
  void OnOpened(Napi::Env env);

  // The connection has ended, perhaps before OnOpened: joins the threads, then lets the
  // environment go.
  void OnEnded(Napi::Env env);
  // Threads are joined.
  void OnFinished();
  // closeSession was called: the table forgets it as soon as it has ended.
  void Close();
  // The environment ends: no callback comes any more.
  void CloseCalls() { calls_->Close(); }

 private:
  JsSession(std::weak_ptr<SessionTable> table, uint32_t number)
      : table_(std::move(table)), number_(number) {}
  MountSession::Callbacks Callbacks();
  void Finish(Napi::Env env);
  void LeaveTable();

  // Gone before the session when the environment ends while the session is being opened.
  const std::weak_ptr<SessionTable> table_;
  const uint32_t number_;
  bool is_open_ = false;
  bool has_ended_ = false;
  bool close_called_ = false;
  bool finished_ = false;
  std::unique_ptr<SessionCalls> calls_;
  // After calls_: its threads use them.
  std::unique_ptr<MountSession> session_;
};

class SessionTable : public std::enable_shared_from_this<SessionTable> {
 public:
  // Lives until the environment ends; then it ends every session that is left.
  static SessionTable* Create(Napi::Env env);
  // Node frees thread-safe functions soon after the environment's cleanup hooks have run, one of
  // which gets here: from now on no session may call one, not even one that is still being opened.
  ~SessionTable();

  void Add(std::shared_ptr<JsSession> session);
  void Remove(uint32_t number) { sessions_.erase(number); }
  // nullptr when there is none, or not yet, or no longer.
  std::shared_ptr<JsSession> Find(uint32_t number) const;

 private:
  std::map<uint32_t, std::shared_ptr<JsSession>> sessions_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_JS_SESSION_H_
