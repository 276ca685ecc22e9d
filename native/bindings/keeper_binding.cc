#include "bindings/keeper_binding.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/convert.h"
#include "bindings/js_session.h"
#include "keeper/client.h"

namespace g8ufs {
namespace {

using keeper::KeeperClient;
using keeper::Launch;

constexpr int64_t kIdMax = (int64_t{1} << 53) - 1;

// One call to the keeper on libuv's pool.
class CallWorker : public PromiseWorker {
 public:
  CallWorker(Napi::Env env, std::function<Status()> call)
      : PromiseWorker(env), call_(std::move(call)) {}

 protected:
  Status Execute() override { return call_(); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

 private:
  const std::function<Status()> call_;
};

class ConnectWorker : public PromiseWorker {
 public:
  ConnectWorker(Napi::Env env, std::string path) : PromiseWorker(env), path_(std::move(path)) {}

 protected:
  Status Execute() override { return KeeperOfProcess().Connect(path_, &connected_, &held_); }
  Napi::Value Result(Napi::Env env) override {
    if (!connected_) return env.Undefined();
    Napi::Array list = Napi::Array::New(env, held_.size());
    for (uint32_t i = 0; i < held_.size(); ++i) {
      const KeeperClient::Held& held = held_[i];
      Napi::Object object = Napi::Object::New(env);
      object.Set("id", static_cast<double>(held.id));
      object.Set("attempts", held.attempts);
      object.Set("hasDevice", held.has_device);
      object.Set("state", Napi::String::New(env, held.state));
      list.Set(i, object);
    }
    return list;
  }

 private:
  const std::string path_;
  bool connected_ = false;
  std::vector<KeeperClient::Held> held_;
};

class ReadyWorker : public PromiseWorker {
 public:
  ReadyWorker(Napi::Env env, uint32_t standbys) : PromiseWorker(env), standbys_(standbys) {}

 protected:
  Status Execute() override { return KeeperOfProcess().Ready(standbys_, &standby_); }
  Napi::Value Result(Napi::Env env) override { return Napi::Number::New(env, standby_); }

 private:
  const uint32_t standbys_;
  int standby_ = 0;
};

uint64_t ToId(Napi::Env env, Napi::Value value) {
  return static_cast<uint64_t>(ToInteger(env, value, "id", 0, kIdMax));
}

Napi::Value Start(Napi::Env env, std::function<Status()> call) {
  return PromiseWorker::Start(std::make_unique<CallWorker>(env, std::move(call)));
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return PromiseWorker::Start(
      std::make_unique<ConnectWorker>(env, ToText(env, info[0], "path")));
}

// A session that has ended needs no keeper any more.
Status HoldSession(uint64_t id, const std::shared_ptr<JsSession>& session,
                   const std::string& state) {
  UniqueFd device;
  UniqueFd table;
  MountSession& mount = session->session();
  if (!mount.HeldDescriptors(&device, &table)) {
    return Status(Code::ERR_MOUNT, "The mount cannot outlive its daemon on this kernel");
  }
  Status status = KeeperOfProcess().Hold(id, device.get(), table.get(), state);
  if (status.ok()) mount.OnHeld();
  return status;
}

Napi::Value Hold(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint64_t id = ToId(env, info[0]);
  const std::string state = ToText(env, info[1], "state");
  if (info[2].IsUndefined()) {
    return Start(env, [id, state] { return KeeperOfProcess().Hold(id, -1, -1, state); });
  }
  const auto number = static_cast<uint32_t>(ToInteger(env, info[2], "session", 0, UINT32_MAX));
  const std::shared_ptr<JsSession> session =
      static_cast<SessionTable*>(info.Data())->Find(number);
  if (session == nullptr) throw Napi::RangeError::New(env, "session is not open");
  return Start(env, [id, session, state] { return HoldSession(id, session, state); });
}

Napi::Value GiveUp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint64_t id = ToId(env, info[0]);
  const std::string state = ToText(env, info[1], "state");
  return Start(env, [id, state] { return KeeperOfProcess().HoldStateOnly(id, state); });
}

Napi::Value Tell(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string what = ToText(env, info[0], "what");
  const uint64_t id = info[1].IsUndefined() ? 0 : ToId(env, info[1]);
  KeeperClient& client = KeeperOfProcess();
  if (what == "drop") return Start(env, [&client, id] { return client.Drop(id); });
  if (what == "restoring") return Start(env, [&client, id] { return client.Restoring(id); });
  if (what == "restored") return Start(env, [&client, id] { return client.Restored(id); });
  if (what == "goodbye") return Start(env, [&client] { return client.Goodbye(false); });
  if (what == "handover") return Start(env, [&client] { return client.Goodbye(true); });
  throw Napi::RangeError::New(env, "what is none of the things a keeper is told");
}

Napi::Value Ready(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int64_t standbys = ToInteger(env, info[0], "standbys", 0, keeper::kStandbysMax);
  return PromiseWorker::Start(
      std::make_unique<ReadyWorker>(env, static_cast<uint32_t>(standbys)));
}

Napi::Value Successor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Launch launch{ToTexts(env, info[0], "argv"), ToTexts(env, info[1], "environment")};
  return Start(env, [launch] { return KeeperOfProcess().Successor(launch); });
}

}  // namespace

void RegisterKeeper(Napi::Env env, Napi::Object exports) {
  SessionTable* table = env.GetInstanceData<AddonData>()->sessions;
  exports.Set("keeperConnect", Napi::Function::New(env, Connect, "keeperConnect"));
  exports.Set("keeperHold", Napi::Function::New(env, Hold, "keeperHold", table));
  exports.Set("keeperGiveUp", Napi::Function::New(env, GiveUp, "keeperGiveUp"));
  exports.Set("keeperTell", Napi::Function::New(env, Tell, "keeperTell"));
  exports.Set("keeperReady", Napi::Function::New(env, Ready, "keeperReady"));
  exports.Set("keeperSuccessor", Napi::Function::New(env, Successor, "keeperSuccessor"));
}

}  // namespace g8ufs
