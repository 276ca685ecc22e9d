// RestoreBinding: arguments are checked and copied here, the work is in restore/.
#include "bindings/restore_binding.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "base/file_io.h"
#include "bindings/path_worker.h"
#include "chunk/chunk_file.h"
#include "restore/restore.h"

namespace g8ufs {
namespace {

// Ids with all bits set mean "no change" to the kernel.
constexpr int64_t kOwnerMax = UINT32_MAX - 1;
constexpr int64_t kMajorMax = (1 << 12) - 1;
constexpr int64_t kMinorMax = (1 << 20) - 1;
constexpr int64_t kNanosecondsMax = 999999999;

mode_t ToMode(Napi::Env env, Napi::Value value) {
  return static_cast<mode_t>(ToInteger(env, value, "mode", 0, S_IFMT | 07777));
}

// Like ToInteger, and `absent` for undefined.
int64_t ToOptional(Napi::Env env, Napi::Value value, const char* name, int64_t max,
                   int64_t absent) {
  return value.IsUndefined() ? absent : ToInteger(env, value, name, 0, max);
}

std::vector<ScannedXattr> ToXattrs(Napi::Env env, Napi::Value value) {
  if (!value.IsArray()) throw Napi::TypeError::New(env, "xattrs must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<ScannedXattr> xattrs;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    const Napi::Object xattr = ToObject(env, array.Get(index), "xattr");
    xattrs.push_back({ToByteString(env, xattr.Get("name"), "name"),
                      ToByteString(env, xattr.Get("value"), "value")});
  }
  return xattrs;
}

class RestoreEntryWorker final : public PathWorker {
 public:
  explicit RestoreEntryWorker(const Napi::CallbackInfo& info) : PathWorker(info) {
    const Napi::Object entry = ToObject(env(), info[2], "entry");
    entry_.mode = ToMode(env(), entry.Get("mode"));
    if (S_ISLNK(entry_.mode)) entry_.target = ToByteString(env(), entry.Get("target"), "target");
    entry_.rdev_major = static_cast<uint32_t>(
        ToOptional(env(), entry.Get("rdevMajor"), "rdevMajor", kMajorMax, 0));
    entry_.rdev_minor = static_cast<uint32_t>(
        ToOptional(env(), entry.Get("rdevMinor"), "rdevMinor", kMinorMax, 0));
  }

 private:
  Status Execute() override { return RestoreEntry(root_, path_, entry_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  RestoredEntry entry_;
};

class RestoreFileWorker final : public PathWorker {
 public:
  explicit RestoreFileWorker(const Napi::CallbackInfo& info)
      : PathWorker(info), size_(ToInteger(info.Env(), info[2], "size", 0, kOffsetMax)) {}

 private:
  Status Execute() override { return RestoreFile(root_, path_, size_, file_); }
  Napi::Value Result(Napi::Env env) override {
    const Napi::Number number = Napi::Number::New(env, file_.get());
    file_.Release();
    return number;
  }

  const int64_t size_;
  // Closes itself when the environment ends before the result is taken.
  UniqueFd file_;
};

class WriteSparseWorker final : public PromiseWorker {
 public:
  explicit WriteSparseWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        fd_(static_cast<int>(ToInteger(info.Env(), info[0], "fd", 0, INT32_MAX))),
        data_(KeepBytes(info[2], "data")),
        offset_(ToInteger(info.Env(), info[1], "offset", 0,
                          kOffsetMax - static_cast<int64_t>(data_.size()))) {}

 private:
  Status Execute() override { return WriteSparse(fd_, offset_, data_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const int fd_;
  const ByteSpan data_;
  const int64_t offset_;
};

class RestoreLinkWorker final : public PathWorker {
 public:
  explicit RestoreLinkWorker(const Napi::CallbackInfo& info)
      : PathWorker(info), new_path_(ToByteString(info.Env(), info[2], "path")) {}

 private:
  Status Execute() override { return RestoreLink(root_, path_, new_path_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  const std::string new_path_;
};

class RestoreAttributesWorker final : public PathWorker {
 public:
  explicit RestoreAttributesWorker(const Napi::CallbackInfo& info) : PathWorker(info) {
    const Napi::Object object = ToObject(env(), info[2], "attributes");
    attributes_.mode = ToMode(env(), object.Get("mode"));
    if (const Napi::Value uid = object.Get("uid"); !uid.IsUndefined()) {
      attributes_.uid = static_cast<uid_t>(ToInteger(env(), uid, "uid", 0, kOwnerMax));
    }
    if (const Napi::Value gid = object.Get("gid"); !gid.IsUndefined()) {
      attributes_.gid = static_cast<gid_t>(ToInteger(env(), gid, "gid", 0, kOwnerMax));
    }
    attributes_.mtime_seconds =
        ToInteger(env(), object.Get("mtimeSeconds"), "mtimeSeconds", -kOffsetMax, kOffsetMax);
    attributes_.mtime_nanoseconds = static_cast<uint32_t>(ToInteger(
        env(), object.Get("mtimeNanoseconds"), "mtimeNanoseconds", 0, kNanosecondsMax));
    if (const Napi::Value xattrs = object.Get("xattrs"); !xattrs.IsUndefined()) {
      attributes_.xattrs = ToXattrs(env(), xattrs);
    }
  }

 private:
  Status Execute() override { return RestoreAttributes(root_, path_, attributes_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  RestoredAttributes attributes_;
};

}  // namespace

void RegisterRestore(Napi::Env /*env*/, Napi::Object exports) {
  SetAsyncFunction<RestoreEntryWorker>(exports, "restoreEntry");
  SetAsyncFunction<RestoreFileWorker>(exports, "restoreFile");
  SetAsyncFunction<WriteSparseWorker>(exports, "writeSparse");
  SetAsyncFunction<RestoreLinkWorker>(exports, "restoreLink");
  SetAsyncFunction<RestoreAttributesWorker>(exports, "restoreAttributes");
}

}  // namespace g8ufs
