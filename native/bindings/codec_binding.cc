// CodecBinding: arguments are checked and copied or kept here, the work is in chunk/. One worker
// class per asynchronous call.
#include "bindings/codec_binding.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/file_io.h"
#include "bindings/convert.h"
#include "chunk/chunk_file.h"
#include "chunk/content_file.h"
#include "chunk/zstd_codec.h"

namespace g8ufs {
namespace {

constexpr int64_t kBlockSizeMin = 4096;
// Content files of one call: enough to make its fixed cost small, and the pool gets its turn.
constexpr uint32_t kPlaceCountMax = 64;

int ToFd(Napi::Env env, Napi::Value value) {
  return static_cast<int>(ToInteger(env, value, "fd", 0, INT32_MAX));
}

size_t ToPlainSize(Napi::Env env, Napi::Value value, const char* name) {
  return static_cast<size_t>(ToInteger(env, value, name, 1, kPlainSizeMax));
}

ChunkCodec ToCodec(Napi::Env env, Napi::Value value) {
  return static_cast<ChunkCodec>(ToInteger(env, value, "codec", static_cast<int>(ChunkCodec::kZstd),
                                           static_cast<int>(ChunkCodec::kLegacyG2)));
}

int ToLevel(Napi::Env env, Napi::Value value) {
  if (value.IsUndefined()) return kZstdLevelDefault;
  return static_cast<int>(ToInteger(env, value, "level", kZstdLevelMin, kZstdLevelMax));
}

Digest ToDigest(Napi::Env env, Napi::Value value, const char* name, size_t size) {
  const ByteSpan bytes = ToBytes(env, value, name);
  if (bytes.size() != size) {
    throw Napi::RangeError::New(
        env, std::string(name) + " must have " + std::to_string(size) + " bytes");
  }
  Digest digest;
  digest.size = size;
  std::ranges::copy(bytes, digest.bytes.begin());
  return digest;
}

ChunkReference ToReference(Napi::Env env, Napi::Object request) {
  ChunkReference reference;
  reference.codec = ToCodec(env, request.Get("codec"));
  const size_t size = DigestSize(AlgorithmOf(reference.codec));
  reference.id = ToDigest(env, request.Get("id"), "id", size);
  reference.plain_digest = ToDigest(env, request.Get("plainDigest"), "plainDigest", size);
  return reference;
}

Napi::Value Blake2bCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ByteSpan data = ToBytes(env, info[0], "data");
  const auto size = static_cast<size_t>(ToInteger(env, info[1], "length", 1, kBlake2bSizeMax));
  Napi::Uint8Array digest = Napi::Uint8Array::New(env, size);
  Blake2b(data, {digest.Data(), size});
  return digest;
}

class DigestFileWorker final : public PromiseWorker {
 public:
  explicit DigestFileWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()), path_(ToText(info.Env(), info[0], "path")) {}

 private:
  Status Execute() override { return DigestFile(path_, digest_); }
  Napi::Value Result(Napi::Env env) override { return FromBytes(env, digest_.span()); }

  const std::string path_;
  Digest digest_;
};

class EncodeWorker final : public PromiseWorker {
 public:
  explicit EncodeWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {
    const Napi::Object request = ToObject(env(), info[0], "request");
    codec_ = ToCodec(env(), request.Get("codec"));
    level_ = ToLevel(env(), request.Get("level"));
    if (const Napi::Value data = request.Get("data"); !data.IsUndefined()) {
      data_ = KeepBytes(data, "data");
      if (data_.empty() || data_.size() > kPlainSizeMax) {
        throw Napi::RangeError::New(env(), "data must have 1 byte to 4 MiB");
      }
      return;
    }
    fd_ = ToFd(env(), request.Get("fd"));
    offset_ = ToInteger(env(), request.Get("offset"), "offset", 0, kOffsetMax);
    size_ = ToPlainSize(env(), request.Get("length"), "length");
  }

 private:
  Status Execute() override {
    return data_.empty() ? EncodeChunkFromFile(fd_, offset_, size_, codec_, level_, chunk_)
                         : EncodeChunkFromMemory(data_, codec_, level_, chunk_);
  }
  Napi::Value Result(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result.Set("hole", chunk_.hole);
    result.Set("plainDigest", FromBytes(env, chunk_.plain_digest.span()));
    result.Set("id", FromBytes(env, chunk_.id.span()));
    result.Set("stored", FromBytes(env, chunk_.stored));
    return result;
  }

  // Empty when the bytes come from the file.
  ByteSpan data_;
  int fd_ = -1;
  int64_t offset_ = 0;
  size_t size_ = 0;
  ChunkCodec codec_ = ChunkCodec::kZstd;
  int level_ = kZstdLevelDefault;
  FileChunk chunk_;
};

// Decodes straight into the array that the promise is resolved with; nobody sees it before.
class DecodeWorker final : public PromiseWorker {
 public:
  explicit DecodeWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {
    const Napi::Object request = ToObject(env(), info[0], "request");
    reference_ = ToReference(env(), request);
    stored_ = KeepBytes(request.Get("stored"), "stored");
    const size_t size = ToPlainSize(env(), request.Get("plainSize"), "plainSize");
    Napi::Uint8Array plain = Napi::Uint8Array::New(env(), size);
    plain_ = {plain.Data(), size};
    plain_array_ = Napi::Reference<Napi::Uint8Array>::New(plain, 1);
  }

 private:
  Status Execute() override { return DecodeChunk(reference_, stored_, plain_); }
  Napi::Value Result(Napi::Env /*env*/) override { return plain_array_.Value(); }

  ChunkReference reference_;
  ByteSpan stored_;
  MutableByteSpan plain_;
  Napi::Reference<Napi::Uint8Array> plain_array_;
};

class DecodeToFileWorker final : public PromiseWorker {
 public:
  explicit DecodeToFileWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {
    const Napi::Object request = ToObject(env(), info[0], "request");
    reference_ = ToReference(env(), request);
    stored_ = KeepBytes(request.Get("stored"), "stored");
    plain_size_ = ToPlainSize(env(), request.Get("plainSize"), "plainSize");
    fd_ = ToFd(env(), request.Get("fd"));
    offset_ = ToInteger(env(), request.Get("offset"), "offset", 0,
                        kOffsetMax - static_cast<int64_t>(plain_size_));
  }

 private:
  Status Execute() override {
    return DecodeChunkToFile(reference_, stored_, plain_size_, fd_, offset_);
  }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  ChunkReference reference_;
  ByteSpan stored_;
  size_t plain_size_ = 0;
  int fd_ = -1;
  int64_t offset_ = 0;
};

// Each file succeeds or fails for itself: the call only fails as a whole when it is used wrongly.
class PlaceFilesWorker final : public PromiseWorker {
 public:
  explicit PlaceFilesWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {
    if (!info[0].IsArray()) throw Napi::TypeError::New(env(), "requests must be an array");
    const auto requests = info[0].As<Napi::Array>();
    if (requests.Length() > kPlaceCountMax) {
      throw Napi::RangeError::New(env(), "requests must have at most 64 items");
    }
    for (uint32_t i = 0; i < requests.Length(); ++i) {
      const Napi::HandleScope scope(env());
      const Napi::Object request = ToObject(env(), requests.Get(i), "request");
      File file;
      file.path = ToText(env(), request.Get("path"), "path");
      file.reference = ToReference(env(), request);
      file.stored = KeepBytes(request.Get("stored"), "stored");
      file.plain_size = ToPlainSize(env(), request.Get("plainSize"), "plainSize");
      files_.push_back(std::move(file));
    }
  }

 private:
  struct File {
    std::string path;
    ChunkReference reference;
    ByteSpan stored;
    size_t plain_size = 0;
    int64_t allocated = 0;
    Status status;
  };

  Status Execute() override {
    for (File& file : files_) {
      file.status = PlaceContentFile(file.path, file.reference, file.stored, file.plain_size,
                                     file.allocated);
    }
    return {};
  }
  Napi::Value Result(Napi::Env env) override {
    Napi::Array results = Napi::Array::New(env, files_.size());
    for (uint32_t i = 0; i < files_.size(); ++i) {
      const Napi::HandleScope scope(env);
      const File& file = files_[i];
      if (file.status.ok()) {
        results.Set(i, static_cast<double>(file.allocated));
      } else {
        results.Set(i, StatusToError(env, file.status).Value());
      }
    }
    return results;
  }

  std::vector<File> files_;
};

class VerifyFileWorker final : public PromiseWorker {
 public:
  explicit VerifyFileWorker(const Napi::CallbackInfo& info) : PromiseWorker(info.Env()) {
    const Napi::Object request = ToObject(env(), info[0], "request");
    check_.fd = ToFd(env(), request.Get("fd"));
    check_.size = ToInteger(env(), request.Get("size"), "size", 0, kOffsetMax);
    check_.block_size = static_cast<size_t>(
        ToInteger(env(), request.Get("blockSize"), "blockSize", kBlockSizeMin, kPlainSizeMax));
    check_.algorithm =
        static_cast<DigestAlgorithm>(ToInteger(env(), request.Get("algorithm"), "algorithm",
                                               static_cast<int>(DigestAlgorithm::kBlake2b256),
                                               static_cast<int>(DigestAlgorithm::kSha256)));
    check_.rows = KeepBytes(request.Get("plainDigests"), "plainDigests");
    const size_t count = BlockCount(check_.size, check_.block_size);
    RequireSize("plainDigests", check_.rows.size(), count * kDigestRowSize);
    if (const Napi::Value blocks = request.Get("blocks"); !blocks.IsUndefined()) {
      check_.blocks = KeepBytes(blocks, "blocks");
      RequireSize("blocks", check_.blocks.size(), (count + 7) / 8);
    }
  }

 private:
  void RequireSize(const char* name, size_t size, size_t expected) {
    if (size != expected) {
      throw Napi::RangeError::New(
          env(), std::string(name) + " must have " + std::to_string(expected) + " bytes");
    }
  }
  Status Execute() override { return VerifyFile(check_, matching_); }
  Napi::Value Result(Napi::Env env) override { return FromBytes(env, matching_); }

  FileCheck check_;
  std::vector<uint8_t> matching_;
};

class ZstdCompressWorker final : public PromiseWorker {
 public:
  explicit ZstdCompressWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        data_(KeepBytes(info[0], "data")),
        level_(ToLevel(info.Env(), info[1])) {}

 private:
  Status Execute() override { return ZstdCompress(data_, level_, out_); }
  Napi::Value Result(Napi::Env env) override { return FromBytes(env, out_.span()); }

  const ByteSpan data_;
  const int level_;
  Buffer out_;
};

}  // namespace

void RegisterCodec(Napi::Env env, Napi::Object exports) {
  exports.Set("blake2b", Napi::Function::New(env, Blake2bCall, "blake2b"));
  SetAsyncFunction<DigestFileWorker>(exports, "digestFile");
  SetAsyncFunction<EncodeWorker>(exports, "encodeChunk");
  SetAsyncFunction<DecodeWorker>(exports, "decodeChunk");
  SetApartFunction<DecodeWorker>(exports, "decodeChunkApart");
  SetAsyncFunction<DecodeToFileWorker>(exports, "decodeToFile");
  SetAsyncFunction<PlaceFilesWorker>(exports, "placeFiles");
  SetAsyncFunction<VerifyFileWorker>(exports, "verifyFile");
  SetAsyncFunction<ZstdCompressWorker>(exports, "zstdCompress");
}

}  // namespace g8ufs
