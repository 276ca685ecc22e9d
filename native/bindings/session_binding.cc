#include "bindings/session_binding.h"

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/convert.h"
#include "bindings/js_session.h"

namespace g8ufs {
namespace {

constexpr int64_t kSafeIntegerMax = (int64_t{1} << 53) - 1;
constexpr int64_t kWorkersMax = 16;
constexpr int64_t kDeadlineMsMax = int64_t{24} * 60 * 60 * 1000;
constexpr int64_t kReadaheadBytesMax = int64_t{1} << 30;
constexpr int64_t kBlockSizeMin = 4096;
constexpr int64_t kBlockSizeMax = int64_t{4} << 20;
// Blocks are numbered in 32 bits.
constexpr int64_t kBlockMax = UINT32_MAX;

SessionTable& TableOf(const Napi::CallbackInfo& info) {
  return *static_cast<SessionTable*>(info.Data());
}

OpenMode ToOpenMode(Napi::Env env, Napi::Value value) {
  const std::string text = ToText(env, value, "openMode");
  if (text == "none") return OpenMode::kNone;
  if (text == "auto") return OpenMode::kAuto;
  if (text == "passthrough") return OpenMode::kPassthrough;
  throw Napi::RangeError::New(env, "openMode must be passthrough, none or auto");
}

// See magicXattrs in src/native/addon.ts.
MagicXattrs ToMagicXattrs(Napi::Env env, Napi::Value value) {
  if (value.IsUndefined()) return MagicXattrs::kAuto;
  const std::string text = ToText(env, value, "magicXattrs");
  if (text == "off") return MagicXattrs::kOff;
  if (text == "auto") return MagicXattrs::kAuto;
  if (text == "on") return MagicXattrs::kOn;
  throw Napi::RangeError::New(env, "magicXattrs must be off, auto or on");
}

SessionOptions ToSessionOptions(Napi::Env env, Napi::Value value) {
  const Napi::Object object = ToObject(env, value, "options");
  SessionOptions options;
  options.mount_point = ToText(env, object.Get("mountPoint"), "mountPoint");
  if (const Napi::Value dir = object.Get("indexDir"); !dir.IsUndefined()) {
    options.index_dir = ToText(env, dir, "indexDir");
  }
  options.files_dir = ToText(env, object.Get("filesDir"), "filesDir");
  options.source = ToText(env, object.Get("source"), "source");
  options.allow_other = object.Get("allowOther").ToBoolean();
  options.open_mode = ToOpenMode(env, object.Get("openMode"));
  options.workers =
      static_cast<size_t>(ToInteger(env, object.Get("workers"), "workers", 1, kWorkersMax));
  options.deadline = std::chrono::milliseconds(
      ToInteger(env, object.Get("deadlineMs"), "deadlineMs", 1, kDeadlineMsMax));
  options.readahead_bytes = static_cast<size_t>(
      ToInteger(env, object.Get("readaheadBytes"), "readaheadBytes", 0, kReadaheadBytesMax));
  options.whole_blocks_max = static_cast<uint32_t>(
      ToInteger(env, object.Get("wholeBlocksMax"), "wholeBlocksMax", 0, kBlockMax));
  if (object.Get("recordTouches").ToBoolean()) {
    options.touches = std::make_shared<FirstTouches>();
    options.open_mode = OpenMode::kCached;
  }
  const Napi::Value partial = object.Get("partialDir");
  if (!partial.IsUndefined()) options.partial_dir = ToText(env, partial, "partialDir");
  options.magic_xattrs = ToMagicXattrs(env, object.Get("magicXattrs"));
  options.keep = object.Get("keep").ToBoolean();
  options.paused = object.Get("paused").ToBoolean();
  return options;
}

Digest ToDigest(Napi::Env env, Napi::Value value) {
  const ByteSpan bytes = ToBytes(env, value, "digest");
  Digest digest;
  if (bytes.size() != digest.size()) {
    throw Napi::RangeError::New(env, "digest must have 32 bytes");
  }
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return digest;
}

uint32_t ToBlock(Napi::Env env, Napi::Value value, const char* name) {
  return static_cast<uint32_t>(ToInteger(env, value, name, 0, kBlockMax));
}

int ToErrno(Napi::Env env, Napi::Value value) {
  const std::string name = ToText(env, value, "errno");
  if (name == "ENOENT") return ENOENT;
  if (name == "ENOSPC") return ENOSPC;
  if (name == "EACCES") return EACCES;
  if (name == "EINTR") return EINTR;
  return EIO;
}

Napi::Object InfoOf(Napi::Env env, const SessionInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("protocolMajor", fuse::kMajor);
  object.Set("protocolMinor", info.protocol_minor);
  object.Set("passthrough", info.open_mode == OpenMode::kPassthrough);
  object.Set("openMode", info.open_mode == OpenMode::kNone ? "none" : "passthrough");
  object.Set("maxReadBytes", static_cast<double>(info.max_read_bytes));
  object.Set("device", info.device_minor);
  object.Set("kept", info.kept);
  return object;
}

// Outlives the session: what was touched is asked for when it has ended.
Napi::Function TouchesCall(Napi::Env env, const std::shared_ptr<FirstTouches>& touches) {
  const auto call = [touches](const Napi::CallbackInfo& info) -> Napi::Value {
    const std::vector<uint32_t> pairs = touches->Pairs();
    Napi::Uint32Array array = Napi::Uint32Array::New(info.Env(), pairs.size());
    std::copy(pairs.begin(), pairs.end(), array.Data());
    return array;
  };
  return Napi::Function::New(env, call, "touches");
}

class OpenWorker : public PromiseWorker {
 public:
  // `held` is the number of a mount that a keeper has held, to go on with.
  OpenWorker(Napi::Env env, std::shared_ptr<JsSession> session, SessionOptions options,
             std::optional<uint64_t> held)
      : PromiseWorker(env),
        session_(std::move(session)),
        options_(std::move(options)),
        held_(held) {}
  ~OpenWorker() override {
    if (!session_->is_open()) session_->Close();
  }

 protected:
  Status Execute() override {
    return held_ ? session_->Adopt(options_, *held_) : session_->Open(options_);
  }
  Napi::Value Result(Napi::Env env) override {
    session_->OnOpened(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("session", session_->number());
    result.Set("info", InfoOf(env, session_->session().info()));
    if (options_.touches != nullptr) result.Set("touches", TouchesCall(env, options_.touches));
    return result;
  }

 private:
  std::shared_ptr<JsSession> session_;
  const SessionOptions options_;
  const std::optional<uint64_t> held_;
};

class CloseWorker : public PromiseWorker {
 public:
  CloseWorker(Napi::Env env, std::shared_ptr<JsSession> session, bool lazy, bool leaves_mounted)
      : PromiseWorker(env),
        session_(std::move(session)),
        lazy_(lazy),
        leaves_mounted_(leaves_mounted) {}

 protected:
  Status Execute() override {
    if (session_ == nullptr) return {};
    if (leaves_mounted_) session_->session().LeaveMounted();
    return session_->session().Close(lazy_);
  }
  Napi::Value Result(Napi::Env env) override {
    if (session_ != nullptr) session_->Close();
    return env.Undefined();
  }

 private:
  std::shared_ptr<JsSession> session_;
  const bool lazy_;
  const bool leaves_mounted_;
};

class AddImageWorker : public PromiseWorker {
 public:
  AddImageWorker(Napi::Env env, std::shared_ptr<JsSession> session, std::string index_dir)
      : PromiseWorker(env), session_(std::move(session)), index_dir_(std::move(index_dir)) {}

 protected:
  Status Execute() override { return session_->session().AddImage(index_dir_, &number_); }
  Napi::Value Result(Napi::Env env) override { return Napi::Number::New(env, number_); }

 private:
  std::shared_ptr<JsSession> session_;
  const std::string index_dir_;
  uint32_t number_ = 0;
};

class ResumeWorker : public PromiseWorker {
 public:
  ResumeWorker(Napi::Env env, std::shared_ptr<JsSession> session)
      : PromiseWorker(env), session_(std::move(session)) {}

 protected:
  Status Execute() override { return session_->session().Resume(); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

 private:
  std::shared_ptr<JsSession> session_;
};

Napi::Value ResumeSession(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<JsSession> session = TableOf(info).Find(ToBlock(env, info[0], "session"));
  if (session == nullptr) throw Napi::RangeError::New(env, "session is not open");
  return PromiseWorker::Start(std::make_unique<ResumeWorker>(env, std::move(session)));
}

Napi::Value AddImage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<JsSession> session = TableOf(info).Find(ToBlock(env, info[0], "session"));
  std::string index_dir = ToText(env, info[1], "indexDir");
  if (session == nullptr) throw Napi::RangeError::New(env, "session is not open");
  return PromiseWorker::Start(
      std::make_unique<AddImageWorker>(env, std::move(session), std::move(index_dir)));
}

void RemoveImage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<JsSession> session = TableOf(info).Find(ToBlock(env, info[0], "session"));
  const uint32_t number = ToBlock(env, info[1], "image");
  if (session != nullptr) session->session().RemoveImage(number);
}

Napi::Value OpenSession(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  SessionOptions options = ToSessionOptions(env, info[0]);
  if (!info[1].IsFunction() || !info[2].IsFunction()) {
    throw Napi::TypeError::New(env, "onNeed and onEnd must be functions");
  }
  std::shared_ptr<JsSession> session = JsSession::Create(
      env, TableOf(info), info[1].As<Napi::Function>(), info[2].As<Napi::Function>());
  std::optional<uint64_t> held;
  if (const Napi::Value id = ToObject(env, info[0], "options").Get("adopt"); !id.IsUndefined()) {
    held = static_cast<uint64_t>(ToInteger(env, id, "adopt", 0, kSafeIntegerMax));
  }
  auto worker =
      std::make_unique<OpenWorker>(env, std::move(session), std::move(options), held);
  // A disk that does not answer may hold as many of them as there were mounts.
  return held ? PromiseWorker::StartApart(std::move(worker)) : PromiseWorker::Start(std::move(worker));
}

Napi::Value CloseSession(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t number = ToBlock(env, info[0], "session");
  const Napi::Object options = ToObject(env, info[1], "options");
  const bool lazy = options.Get("lazy").ToBoolean();
  const bool leaves_mounted = options.Get("leaveMounted").ToBoolean();
  return PromiseWorker::StartApart(
      std::make_unique<CloseWorker>(env, TableOf(info).Find(number), lazy, leaves_mounted));
}

Napi::Value SessionStatsCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<JsSession> session = TableOf(info).Find(ToBlock(env, info[0], "session"));
  if (session == nullptr) throw Napi::RangeError::New(env, "session is not open");
  const SessionStats stats = session->session().Stats();
  Napi::Object requests = Napi::Object::New(env);
  for (uint32_t opcode = 0; opcode < fuse::kOpcodeCount; ++opcode) {
    const char* name = fuse::OpcodeName(opcode);
    if (name == nullptr || stats.requests[opcode] == 0) continue;
    requests.Set(name, static_cast<double>(stats.requests[opcode]));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("requests", requests);
  object.Set("errors", static_cast<double>(stats.errors));
  object.Set("openFiles", static_cast<double>(stats.open_files));
  object.Set("passthroughOpens", static_cast<double>(stats.passthrough_opens));
  object.Set("cachedOpens", static_cast<double>(stats.cached_opens));
  object.Set("bytesRead", static_cast<double>(stats.bytes_read));
  object.Set("waits", static_cast<double>(stats.misses.waits));
  object.Set("waiting", static_cast<double>(stats.misses.waiting));
  object.Set("oldestWaitMs", static_cast<double>(stats.misses.oldest_wait_ms));
  object.Set("deadlinesMissed", static_cast<double>(stats.misses.deadlines_missed));
  object.Set("interrupts", static_cast<double>(stats.interrupts));
  object.Set("readFailures", static_cast<double>(stats.read_failures));
  return object;
}

Napi::Value SessionWaits(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<JsSession> session = TableOf(info).Find(ToBlock(env, info[0], "session"));
  // A session that has ended has nobody who waits.
  if (session == nullptr) return Napi::Uint32Array::New(env, 0);
  const auto contents = session->session().WaitedContents();
  Napi::Uint32Array list = Napi::Uint32Array::New(env, 2 * contents.size());
  size_t at = 0;
  for (const auto& [image, row] : contents) {
    list[at++] = image;
    list[at++] = row;
  }
  return list;
}

Napi::Value SessionOpens(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<JsSession> session = TableOf(info).Find(ToBlock(env, info[0], "session"));
  if (session == nullptr) throw Napi::RangeError::New(env, "session is not open");
  const auto opens = session->session().TakeOpens(info[1].ToBoolean());
  const auto now = OpenLog::Clock::now();
  Napi::Array list = Napi::Array::New(env, opens.size());
  for (uint32_t i = 0; i < opens.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("nid", static_cast<double>(opens[i].nid));
    object.Set("complete", opens[i].complete);
    object.Set("agoMs", ToMilliseconds(now - opens[i].when));
    list.Set(i, object);
  }
  return list;
}

void ContentAttach(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Digest digest = ToDigest(env, info[0]);
  const Napi::Object file = ToObject(env, info[1], "file");
  const auto fd = static_cast<int>(ToInteger(env, file.Get("fd"), "fd", 0, INT32_MAX));
  const auto size =
      static_cast<uint64_t>(ToInteger(env, file.Get("size"), "size", 1, kSafeIntegerMax));
  const auto block_size = static_cast<uint64_t>(
      ToInteger(env, file.Get("blockSize"), "blockSize", kBlockSizeMin, kBlockSizeMax));
  const ByteSpan present = ToBytes(env, file.Get("present"), "present");
  if (!std::has_single_bit(block_size)) {
    throw Napi::RangeError::New(env, "blockSize must be a power of two");
  }
  if ((size - 1) / block_size >= static_cast<uint64_t>(kBlockMax)) {
    throw Napi::RangeError::New(env, "size has too many blocks");
  }
  UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.ok()) {
    throw StatusToError(
        env, Status::FromErrno(Code::ERR_IO, "Partial content file cannot be used", errno));
  }
  const ContentShape shape{size, static_cast<uint32_t>(std::countr_zero(block_size))};
  ThrowIfFailed(env, Contents().Attach(digest, shape, std::move(duplicate), present));
}

void ContentPresent(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!Contents().Present(ToDigest(env, info[0]), ToBlock(env, info[1], "block"),
                          ToBlock(env, info[2], "count"))) {
    throw Napi::RangeError::New(env, "The content has no such blocks");
  }
}

void ContentComplete(const Napi::CallbackInfo& info) {
  Contents().Complete(ToDigest(info.Env(), info[0]));
}

void ContentFail(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!Contents().Fail(ToDigest(env, info[0]), ToBlock(env, info[1], "block"),
                       ToBlock(env, info[2], "count"), ToErrno(env, info[3]))) {
    throw Napi::RangeError::New(env, "The content has no such blocks");
  }
}

void ContentLend(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!Contents().Lend(ToDigest(env, info[0]), ToBlock(env, info[1], "block"),
                       ToBytes(env, info[2], "bytes"))) {
    throw Napi::RangeError::New(env, "The content has no such block");
  }
}

void TrustDisk(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  if (name == "all") return Contents().TrustDisk(DiskTrust::kAll);
  if (name == "reading") return Contents().TrustDisk(DiskTrust::kReading);
  if (name == "away") return Contents().TrustDisk(DiskTrust::kAway);
  if (name == "nothing") return Contents().TrustDisk(DiskTrust::kNothing);
  throw Napi::TypeError::New(env, "trust must be all, reading, nothing or away");
}

Napi::Value IsDiskAway(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Contents().trust() == DiskTrust::kAway);
}

Napi::Value ContentDrop(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Napi::Boolean::New(env, Contents().Drop(ToDigest(env, info[0])));
}

Napi::Value ContentTouched(const Napi::CallbackInfo& info) {
  const std::string digests = Contents().TakeTouched();
  return FromBytes(info.Env(), {reinterpret_cast<const uint8_t*>(digests.data()), digests.size()});
}

}  // namespace

void RegisterSession(Napi::Env env, Napi::Object exports) {
  SessionTable* table = SessionTable::Create(env);
  env.GetInstanceData<AddonData>()->sessions = table;
  exports.Set("openSession", Napi::Function::New(env, OpenSession, "openSession", table));
  exports.Set("resumeSession", Napi::Function::New(env, ResumeSession, "resumeSession", table));
  exports.Set("closeSession", Napi::Function::New(env, CloseSession, "closeSession", table));
  exports.Set("sessionStats", Napi::Function::New(env, SessionStatsCall, "sessionStats", table));
  exports.Set("sessionWaits", Napi::Function::New(env, SessionWaits, "sessionWaits", table));
  exports.Set("sessionOpens", Napi::Function::New(env, SessionOpens, "sessionOpens", table));
  exports.Set("addImage", Napi::Function::New(env, AddImage, "addImage", table));
  exports.Set("removeImage", Napi::Function::New(env, RemoveImage, "removeImage", table));
  exports.Set("contentAttach", Napi::Function::New(env, ContentAttach, "contentAttach"));
  exports.Set("contentPresent", Napi::Function::New(env, ContentPresent, "contentPresent"));
  exports.Set("contentComplete", Napi::Function::New(env, ContentComplete, "contentComplete"));
  exports.Set("contentFail", Napi::Function::New(env, ContentFail, "contentFail"));
  exports.Set("contentLend", Napi::Function::New(env, ContentLend, "contentLend"));
  exports.Set("trustDisk", Napi::Function::New(env, TrustDisk, "trustDisk"));
  exports.Set("isDiskAway", Napi::Function::New(env, IsDiskAway, "isDiskAway"));
  exports.Set("contentDrop", Napi::Function::New(env, ContentDrop, "contentDrop"));
  exports.Set("contentTouched", Napi::Function::New(env, ContentTouched, "contentTouched"));
}

}  // namespace g8ufs
