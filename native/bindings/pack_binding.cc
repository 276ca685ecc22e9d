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
#include "chunk/chunk_sender.h"
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

std::vector<SmallFile> ToSmallFiles(Napi::Env env, Napi::Value value) {
  const Napi::Array array = ToArray(env, value, "files");
  std::vector<SmallFile> files;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(env);
    files.push_back(ToSmallFile(env, array.Get(i)));
  }
  return files;
}

int ToLevel(Napi::Env env, const Napi::Object& options) {
  return static_cast<int>(
      ToInteger(env, options.Get("level"), "level", kZstdLevelMin, kZstdLevelMax));
}

class EncodeFilesWorker final : public PromiseWorker {
 public:
  explicit EncodeFilesWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        root_(ToText(info.Env(), info[0], "root")),
        files_(ToSmallFiles(info.Env(), info[1])),
        level_(ToLevel(info.Env(), ToObject(info.Env(), info[2], "options"))) {}

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
  const std::vector<SmallFile> files_;
  const int level_;
  std::vector<FileChunk> chunks_;
};

// One row per file, as docs of the JS side tell: a Uint8Array is cheaper than objects.
class StoreFilesWorker final : public PromiseWorker {
 public:
  explicit StoreFilesWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        root_(ToText(info.Env(), info[0], "root")),
        files_(ToSmallFiles(info.Env(), info[1])) {
    const Napi::Object options = ToObject(env(), info[2], "options");
    level_ = ToLevel(env(), options);
    directory_.root = ToText(env(), options.Get("store"), "store");
    directory_.fsync = options.Get("fsync").ToBoolean();
  }

 private:
  static constexpr size_t kDigestSize = 32;
  static constexpr size_t kRowSize = 2 * kDigestSize + 8;
  static constexpr uint8_t kHole = 1;
  static constexpr uint8_t kWritten = 2;

  Status Execute() override {
    return StoreFiles(root_, files_, ChunkCodec::kZstd, level_, directory_, stored_);
  }

  Napi::Value Result(Napi::Env env) override {
    std::vector<uint8_t> rows(stored_.size() * kRowSize);
    for (size_t i = 0; i < stored_.size(); ++i) {
      const StoredFile& file = stored_[i];
      uint8_t* row = rows.data() + i * kRowSize;
      std::ranges::copy(file.plain_digest.span(), row);
      std::ranges::copy(file.id.span(), row + kDigestSize);
      for (size_t byte = 0; byte < 4; ++byte) {
        row[2 * kDigestSize + byte] = static_cast<uint8_t>(file.stored_size >> (8 * byte));
      }
      row[2 * kDigestSize + 4] =
          static_cast<uint8_t>((file.hole ? kHole : 0) | (file.written ? kWritten : 0));
    }
    return FromBytes(env, rows);
  }

  const std::string root_;
  const std::vector<SmallFile> files_;
  int level_ = kZstdLevelDefault;
  ChunkDirectory directory_;
  std::vector<StoredFile> stored_;
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

class FindChunksWorker final : public PromiseWorker {
 public:
  explicit FindChunksWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), root_(ToText(info.Env(), info[0], "root")) {
    const Napi::Array ids = ToArray(env(), info[1], "ids");
    for (uint32_t i = 0; i < ids.Length(); ++i) {
      const Napi::HandleScope scope(env());
      ids_.push_back(ToText(env(), ids.Get(i), "id"));
    }
  }

 private:
  Status Execute() override { return FindChunks(root_, ids_, found_); }
  Napi::Value Result(Napi::Env env) override { return FromBytes(env, found_); }

  const std::string root_;
  std::vector<std::string> ids_;
  std::vector<uint8_t> found_;
};

class ReadChunksWorker final : public PromiseWorker {
 public:
  explicit ReadChunksWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), root_(ToText(info.Env(), info[0], "root")) {
    const Napi::Array ids = ToArray(env(), info[1], "ids");
    for (uint32_t i = 0; i < ids.Length(); ++i) {
      const Napi::HandleScope scope(env());
      ids_.push_back(ToText(env(), ids.Get(i), "id"));
    }
    const Napi::Object options = ToObject(env(), info[2], "options");
    size_max_ = ToSize(options, "sizeMax");
    chunk_size_max_ = ToSize(options, "chunkSizeMax");
  }

 private:
  static constexpr int64_t kSizeMax = int64_t{64} << 20;

  size_t ToSize(Napi::Object options, const char* name) {
    return static_cast<size_t>(ToInteger(env(), options.Get(name), name, 1, kSizeMax));
  }
  Status Execute() override {
    return ReadChunks(root_, ids_, size_max_, chunk_size_max_, bytes_, sizes_);
  }
  Napi::Value Result(Napi::Env env) override {
    Napi::Array sizes = Napi::Array::New(env, sizes_.size());
    for (uint32_t i = 0; i < sizes_.size(); ++i) sizes.Set(i, sizes_[i]);
    Napi::Object result = Napi::Object::New(env);
    result.Set("bytes", FromBytes(env, bytes_.span()));
    result.Set("sizes", sizes);
    return result;
  }

  const std::string root_;
  std::vector<std::string> ids_;
  size_t size_max_ = 0;
  size_t chunk_size_max_ = 0;
  Buffer bytes_;
  std::vector<uint32_t> sizes_;
};

constexpr int64_t kDescriptorMax = INT32_MAX;

Napi::Value CallOpenCachedChunk(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CachedChunk chunk;
  const auto size_max = static_cast<size_t>(ToInteger(env, info[2], "sizeMax", 1, kOffsetMax));
  ThrowIfFailed(env, OpenCachedChunk(ToText(env, info[0], "root"), ToText(env, info[1], "id"),
                                     size_max, chunk));
  if (!chunk.fd.ok()) return env.Undefined();
  Napi::Object opened = Napi::Object::New(env);
  opened.Set("size", static_cast<double>(chunk.size));
  opened.Set("modifiedMs", static_cast<double>(chunk.modified_ms));
  opened.Set("fd", chunk.fd.Release());
  return opened;
}

Napi::Value CallSendFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto socket = static_cast<int>(ToInteger(env, info[0], "socket", 0, kDescriptorMax));
  const auto fd = static_cast<int>(ToInteger(env, info[1], "fd", 0, kDescriptorMax));
  const int64_t offset = ToInteger(env, info[2], "offset", 0, kOffsetMax);
  const auto count = static_cast<size_t>(ToInteger(env, info[3], "count", 0, kOffsetMax));
  size_t sent = 0;
  ThrowIfFailed(env, SendFile(socket, fd, offset, count, sent));
  return Napi::Number::New(env, static_cast<double>(sent));
}

}  // namespace

void RegisterPack(Napi::Env env, Napi::Object exports) {
  SetAsyncFunction<EncodeFilesWorker>(exports, "encodeFiles");
  SetAsyncFunction<StoreFilesWorker>(exports, "storeFiles");
  SetAsyncFunction<WriteChunksWorker>(exports, "writeChunks");
  SetAsyncFunction<FindChunksWorker>(exports, "findChunks");
  SetAsyncFunction<ReadChunksWorker>(exports, "readChunks");
  exports.Set("openCachedChunk", Napi::Function::New(env, CallOpenCachedChunk, "openCachedChunk"));
  exports.Set("sendFile", Napi::Function::New(env, CallSendFile, "sendFile"));
}

}  // namespace g8ufs
