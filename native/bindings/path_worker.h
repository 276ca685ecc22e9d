// An asynchronous call whose first arguments are a root folder and a path below it, which is bytes.
#ifndef G8UFS_NATIVE_BINDINGS_PATH_WORKER_H_
#define G8UFS_NATIVE_BINDINGS_PATH_WORKER_H_

#include <string>

#include "bindings/convert.h"

namespace g8ufs {

inline std::string ToByteString(Napi::Env env, Napi::Value value, const char* name) {
  const ByteSpan bytes = ToBytes(env, value, name);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class PathWorker : public PromiseWorker {
 protected:
  explicit PathWorker(const Napi::CallbackInfo& info)
      : PromiseWorker(info.Env()),
        root_(ToText(info.Env(), info[0], "root")),
        path_(ToByteString(info.Env(), info[1], "path")) {}

  const std::string root_;
  const std::string path_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BINDINGS_PATH_WORKER_H_
