#include "bindings/js_session.h"

#include <atomic>
#include <cstdlib>
#include <utility>

#include "bindings/convert.h"

namespace g8ufs {
namespace {

std::atomic<uint32_t> next_number{1};

class FinishWorker : public PromiseWorker {
 public:
  FinishWorker(Napi::Env env, std::shared_ptr<JsSession> session)
      : PromiseWorker(env), session_(std::move(session)) {}

 protected:
  Status Execute() override {
    session_->session().Finish();
    return {};
  }
  Napi::Value Result(Napi::Env env) override {
    session_->OnFinished();
    return env.Undefined();
  }

 private:
  std::shared_ptr<JsSession> session_;
};

}  // namespace

ContentRegistry& Contents() {
  static auto* contents = new ContentRegistry();
  return *contents;
}

keeper::KeeperClient& KeeperOfProcess() {
  static auto* client = new keeper::KeeperClient();
  return *client;
}

std::shared_ptr<JsSession> JsSession::Create(Napi::Env env, SessionTable& table,
                                             Napi::Function on_need, Napi::Function on_end) {
  std::shared_ptr<JsSession> session(
      new JsSession(table.weak_from_this(), next_number.fetch_add(1)));
  session->calls_ = std::make_unique<SessionCalls>(
      env, session->number_, on_need, on_end, [env, raw = session.get()] { raw->OnEnded(env); });
  table.Add(session);
  return session;
}

JsSession::~JsSession() = default;

MountSession::Callbacks JsSession::Callbacks() {
  SessionCalls* calls = calls_.get();
  MountSession::Callbacks callbacks;
  callbacks.send_need = [calls](const Need& need) { return calls->SendNeed(need); };
  callbacks.on_end = [calls] { calls->SendEnd(); };
  return callbacks;
}

Status JsSession::Open(const SessionOptions& options) {
  return MountSession::Open(options, Contents(), Callbacks(), &session_);
}

Status JsSession::Adopt(const SessionOptions& options, uint64_t held) {
  const auto take = [held](HeldMount* mount) {
    return KeeperOfProcess().TakeDevice(held, &mount->device, &mount->table);
  };
  return MountSession::Adopt(options, Contents(), Callbacks(), take, &session_);
}

void JsSession::OnOpened(Napi::Env env) {
  is_open_ = true;
  if (has_ended_) Finish(env);
}

void JsSession::OnEnded(Napi::Env env) {
  has_ended_ = true;
  if (is_open_) Finish(env);
}

void JsSession::Finish(Napi::Env env) {
  PromiseWorker::StartApart(std::make_unique<FinishWorker>(env, shared_from_this()));
}

void JsSession::OnFinished() {
  finished_ = true;
  calls_->Close();  // from here on it does not keep the process alive
  if (close_called_) LeaveTable();
}

void JsSession::Close() {
  close_called_ = true;
  if (finished_ || !is_open()) LeaveTable();
}

void JsSession::LeaveTable() {
  if (const std::shared_ptr<SessionTable> table = table_.lock()) table->Remove(number_);
}

SessionTable* SessionTable::Create(Napi::Env env) {
  // process.exit() on the main thread runs no cleanup hook, only what exit(3) runs.
  static const int registered = std::atexit(DetachAllMounts);
  (void)registered;
  auto* table = new std::shared_ptr<SessionTable>(std::make_shared<SessionTable>());
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<std::shared_ptr<SessionTable>*>(data); }, table);
  return table->get();
}

SessionTable::~SessionTable() {
  for (auto& [number, session] : sessions_) session->CloseCalls();
}

void SessionTable::Add(std::shared_ptr<JsSession> session) {
  sessions_[session->number()] = std::move(session);
}

std::shared_ptr<JsSession> SessionTable::Find(uint32_t number) const {
  const auto found = sessions_.find(number);
  if (found == sessions_.end() || !found->second->is_open()) return nullptr;
  return found->second;
}

}  // namespace g8ufs
