// PackBinding: many files or chunks in one call. Arguments are copied or kept here, the work is in pack/
// and chunk/.
#include "bindings/pack_binding.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/file_io.h"
#include "bindings/path_worker.h"
#include "chunk/chunk_directory.h"
#include "chunk/zstd_codec.h"
#include "pack/encode_files.h"

namespace g8ufs {
namespace {

// Files or chunks of one call: enough to make its fixed cost small, and the pool gets its turn.
constexpr uint32_t kCountMax = 1024;
constexpr int64_t kNanosecondsMax = 999999999;

Napi::Array ToArray(Napi::Env env, Napi::Value value, const char* name) {
  if (!value.IsArray()) throw Napi::TypeError::New(env, std::string(name) + " must be an array");
  const auto array = value.As<Napi::Array>();
  if (array.Length() > kCountMax) {
    throw Napi::RangeError::New(
        env, std::string(name) + " must have at most " + std::to_string(kCountMax) + " items");
  }
  return array;
}

timespec ToTime(Napi::Env env, Napi::Value seconds, Napi::Value nanoseconds) {
  return {static_cast<time_t>(ToInteger(env, seconds, "seconds", -kOffsetMax, kOffsetMax)),
          static_cast<long>(ToInteger(env, nanoseconds, "nanoseconds", 0, kNanosecondsMax))};
}

SmallFile ToSmallFile(Napi::Env env, Napi::Value value) {
  const Napi::Object object = ToObject(env, value, "file");
  const Napi::Object scanned = ToObject(env, object.Get("scanned"), "scanned");
  SmallFile file;
  file.path = ToByteString(env, object.Get("path"), "path");
  file.size = ToInteger(env, scanned.Get("size"), "size", 1, kPlainSizeMax);
  const Napi::Value ino = scanned.Get("ino");
  if (!ino.IsBigInt()) throw Napi::TypeError::New(env, "ino must be a bigint");
  bool lossless = false;
  file.ino = ino.As<Napi::BigInt>().Uint64Value(&lossless);
  file.mtime = ToTime(env, scanned.Get("mtimeSeconds"), scanned.Get("mtimeNanoseconds"));
  file.ctime = ToTime(env, scanned.Get("ctimeSeconds"), scanned.Get("ctimeNanoseconds"));
  return file;
}

class EncodeFilesWorker final : public PromiseWorker {
 public:
  explicit EncodeFilesWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), root_(ToText(info.Env(), info[0], "root")) {
    const Napi::Array files = ToArray(env(), info[1], "files");
    for (uint32_t i = 0; i < files.Length(); ++i) {
      const Napi::HandleScope scope(env());
      files_.push_back(ToSmallFile(env(), files.Get(i)));
    }
    const Napi::Object options = ToObject(env(), info[2], "options");
    level_ = static_cast<int>(
        ToInteger(env(), options.Get("level"), "level", kZstdLevelMin, kZstdLevelMax));
  }

 private:
  Status Execute() override {
    return EncodeFiles(root_, files_, ChunkCodec::kZstd, level_, chunks_);
  }

  // Digests share one buffer and stored bytes another: those are let go long before these.
  Napi::Value Result(Napi::Env env) override {
    size_t digests_size = 0;
    size_t stored_size = 0;
    for (const FileChunk& chunk : chunks_) {
      digests_size += chunk.id.size + chunk.plain_digest.size;
      stored_size += chunk.stored.size();
    }
    Shared digests(env, digests_size);
    Shared stored(env, stored_size);
    Napi::Array array = Napi::Array::New(env, chunks_.size());
    for (uint32_t i = 0; i < chunks_.size(); ++i) {
      const Napi::HandleScope scope(env);
      Napi::Object object = Napi::Object::New(env);
      object.Set("hole", chunks_[i].hole);
      object.Set("plainDigest", digests.Take(env, chunks_[i].plain_digest.span()));
      object.Set("id", digests.Take(env, chunks_[i].id.span()));
      object.Set("stored", stored.Take(env, chunks_[i].stored));
      array.Set(i, object);
    }
    return array;
  }

  // Arrays of one buffer, one behind the other.
  class Shared {
   public:
    Shared(Napi::Env env, size_t size) : buffer_(Napi::ArrayBuffer::New(env, size)) {}

    Napi::Uint8Array Take(Napi::Env env, ByteSpan bytes) {
      Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size(), buffer_, used_);
      std::ranges::copy(bytes, static_cast<uint8_t*>(buffer_.Data()) + used_);
      used_ += bytes.size();
      return array;
    }

   private:
    Napi::ArrayBuffer buffer_;
    size_t used_ = 0;
  };

  const std::string root_;
  std::vector<SmallFile> files_;
  int level_ = kZstdLevelDefault;
  std::vector<FileChunk> chunks_;
};

class WriteChunksWorker final : public PromiseWorker {
 public:
  explicit WriteChunksWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {
    directory_.root = ToText(env(), info[0], "root");
    const Napi::Array ids = ToArray(env(), info[1], "ids");
    const Napi::Array stored = ToArray(env(), info[2], "stored");
    if (ids.Length() != stored.Length()) {
      throw Napi::RangeError::New(env(), "stored must have as many items as ids");
    }
    for (uint32_t i = 0; i < ids.Length(); ++i) {
      const Napi::HandleScope scope(env());
      chunks_.push_back({ToText(env(), ids.Get(i), "id"), KeepBytes(stored.Get(i), "stored")});
    }
    directory_.fsync = ToObject(env(), info[3], "options").Get("fsync").ToBoolean();
  }

 private:
  Status Execute() override { return WriteChunks(directory_, chunks_, written_); }
  Napi::Value Result(Napi::Env env) override { return FromBytes(env, written_); }

  ChunkDirectory directory_;
  std::vector<NamedChunk> chunks_;
  std::vector<uint8_t> written_;
};

}  // namespace

void RegisterPack(Napi::Env /*env*/, Napi::Object exports) {
  SetAsyncFunction<EncodeFilesWorker>(exports, "encodeFiles");
  SetAsyncFunction<WriteChunksWorker>(exports, "writeChunks");
}

}  // namespace g8ufs
