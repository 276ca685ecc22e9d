// ScanBinding: directories are read on the pool, their entries become JS objects here.
#include "bindings/scan_binding.h"

#include <sys/sysmacros.h>

#include <utility>
#include <vector>

#include "base/file_io.h"
#include "bindings/convert.h"
#include "bindings/path_worker.h"
#include "scan/scan.h"

namespace g8ufs {
namespace {

// Makes entries with all byte strings in one ArrayBuffer: a directory of 100 000 names would
// otherwise be 100 000 buffers.
class EntryMaker {
 public:
  EntryMaker(Napi::Env env, size_t byte_count)
      : env_(env), buffer_(Napi::ArrayBuffer::New(env, byte_count)) {}

  static size_t CountBytes(const ScannedEntry& entry) {
    size_t count = entry.name.size() + entry.target.size();
    for (const ScannedXattr& xattr : entry.xattrs) count += xattr.name.size() + xattr.value.size();
    return count;
  }

  Napi::Object Make(const ScannedEntry& entry) {
    const struct stat& attributes = entry.attributes;
    Napi::Object object = Napi::Object::New(env_);
    object.Set("name", Bytes(entry.name));
    object.Set("mode", attributes.st_mode);
    object.Set("uid", attributes.st_uid);
    object.Set("gid", attributes.st_gid);
    object.Set("size", static_cast<double>(attributes.st_size));
    object.Set("nlink", static_cast<double>(attributes.st_nlink));
    object.Set("dev", Napi::BigInt::New(env_, uint64_t{attributes.st_dev}));
    object.Set("ino", Napi::BigInt::New(env_, uint64_t{attributes.st_ino}));
    object.Set("rdevMajor", ::major(attributes.st_rdev));
    object.Set("rdevMinor", ::minor(attributes.st_rdev));
    object.Set("mtimeSeconds", static_cast<double>(attributes.st_mtim.tv_sec));
    object.Set("mtimeNanoseconds", static_cast<double>(attributes.st_mtim.tv_nsec));
    object.Set("ctimeSeconds", static_cast<double>(attributes.st_ctim.tv_sec));
    object.Set("ctimeNanoseconds", static_cast<double>(attributes.st_ctim.tv_nsec));
    if (S_ISLNK(attributes.st_mode)) object.Set("target", Bytes(entry.target));
    if (!entry.xattrs.empty()) object.Set("xattrs", Xattrs(entry.xattrs));
    return object;
  }

 private:
  Napi::Uint8Array Bytes(const std::string& text) {
    Napi::Uint8Array array = Napi::Uint8Array::New(env_, text.size(), buffer_, used_);
    text.copy(static_cast<char*>(buffer_.Data()) + used_, text.size());
    used_ += text.size();
    return array;
  }

  Napi::Array Xattrs(const std::vector<ScannedXattr>& xattrs) {
    Napi::Array array = Napi::Array::New(env_, xattrs.size());
    uint32_t index = 0;
    for (const ScannedXattr& xattr : xattrs) {
      Napi::Object object = Napi::Object::New(env_);
      object.Set("name", Bytes(xattr.name));
      object.Set("value", Bytes(xattr.value));
      array.Set(index++, object);
    }
    return array;
  }

  Napi::Env env_;
  Napi::ArrayBuffer buffer_;
  size_t used_ = 0;
};

class ScanDirectoryWorker final : public PathWorker {
 public:
  explicit ScanDirectoryWorker(const Napi::CallbackInfo& info) : PathWorker(info) {}

 private:
  Status Execute() override { return ScanDirectory(root_, path_, entries_); }
  Napi::Value Result(Napi::Env env) override {
    size_t byte_count = 0;
    for (const ScannedEntry& entry : entries_) byte_count += EntryMaker::CountBytes(entry);
    EntryMaker maker(env, byte_count);
    Napi::Array array = Napi::Array::New(env, entries_.size());
    uint32_t index = 0;
    for (const ScannedEntry& entry : entries_) {
      const Napi::HandleScope scope(env);
      array.Set(index++, maker.Make(entry));
    }
    return array;
  }

  std::vector<ScannedEntry> entries_;
};

class ScanEntryWorker final : public PathWorker {
 public:
  explicit ScanEntryWorker(const Napi::CallbackInfo& info) : PathWorker(info) {}

 private:
  Status Execute() override { return ScanEntry(root_, path_, entry_); }
  Napi::Value Result(Napi::Env env) override {
    return EntryMaker(env, EntryMaker::CountBytes(entry_)).Make(entry_);
  }

  ScannedEntry entry_;
};

class OpenBeneathWorker final : public PathWorker {
 public:
  explicit OpenBeneathWorker(const Napi::CallbackInfo& info) : PathWorker(info) {}

 private:
  Status Execute() override { return OpenBeneath(root_, path_, file_); }
  Napi::Value Result(Napi::Env env) override {
    const Napi::Number number = Napi::Number::New(env, file_.get());
    file_.Release();
    return number;
  }

  // Closes itself when the environment ends before the result is taken.
  UniqueFd file_;
};

Napi::Value FindDataCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = static_cast<int>(ToInteger(env, info[0], "fd", 0, INT32_MAX));
  const int64_t offset = ToInteger(env, info[1], "offset", 0, kOffsetMax);
  int64_t found = 0;
  ThrowIfFailed(env, FindData(fd, offset, found));
  return Napi::Number::New(env, static_cast<double>(found));
}

}  // namespace

void RegisterScan(Napi::Env env, Napi::Object exports) {
  SetAsyncFunction<ScanDirectoryWorker>(exports, "scanDirectory");
  SetAsyncFunction<ScanEntryWorker>(exports, "scanEntry");
  SetAsyncFunction<OpenBeneathWorker>(exports, "openBeneath");
  exports.Set("findData", Napi::Function::New(env, FindDataCall, "findData"));
}

}  // namespace g8ufs
