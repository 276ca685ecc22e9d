// Status: the result of everything in native/ that can fail. Codes are the keys of CODES in
// src/base/errors.ts; a test compares the two lists. No exceptions outside bindings/.
#ifndef G8UFS_NATIVE_BASE_STATUS_H_
#define G8UFS_NATIVE_BASE_STATUS_H_

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace g8ufs {

// clang-format off
#define G8UFS_CODES(X)                                                                          \
  X(ERR_USAGE) X(ERR_FLIST_FORMAT) X(ERR_FLIST_VERSION) X(ERR_NO_INPUT) X(ERR_HOST_UNKNOWN)     \
  X(ERR_STORE_UNAVAILABLE) X(ERR_CHUNK_MISSING) X(ERR_CHUNK_CORRUPT) X(ERR_INTERNAL)            \
  X(ERR_MOUNT) X(ERR_NO_FUSE) X(ERR_CREATE) X(ERR_IO) X(ERR_CACHE_FULL) X(ERR_CACHE_LOCKED)     \
  X(ERR_TIMEOUT) X(ERR_PROTOCOL) X(ERR_PERMISSION) X(ERR_CONFIG) X(ERR_ABORTED)
// clang-format on

enum class Code {
  OK = 0,
#define G8UFS_CODE(name) name,
  G8UFS_CODES(G8UFS_CODE)
#undef G8UFS_CODE
};

inline const char* CodeName(Code code) {
  switch (code) {
    case Code::OK:
      return "OK";
#define G8UFS_CODE(name) \
  case Code::name:       \
    return #name;
      G8UFS_CODES(G8UFS_CODE)
#undef G8UFS_CODE
  }
  return "ERR_INTERNAL";
}

// The code that fits a failed system call, as toG8Error() in src/base/errors.ts maps it.
inline Code CodeOfErrno(int error, Code fallback = Code::ERR_IO) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::ERR_NO_INPUT;
    case EACCES:
    case EPERM:
      return Code::ERR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
      return Code::ERR_CACHE_FULL;
    default:
      return fallback;
  }
}

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  // A failed system call: `context` says what was being done, the text of errno follows it.
  static Status FromErrno(Code code, const std::string& context, int error) {
    Status status(code, context + ": " + std::strerror(error));
    status.error_ = error;
    return status;
  }

  // As above with the code chosen by CodeOfErrno.
  static Status FromErrno(const std::string& context, int error) {
    return FromErrno(CodeOfErrno(error), context, error);
  }

  // Adds evidence that becomes a property of the JS error's `details`.
  Status& WithDetail(std::string name, std::string value) {
    details_.emplace_back(std::move(name), std::move(value));
    return *this;
  }

  bool ok() const { return code_ == Code::OK; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // errno of the system call that failed, 0 when there was none.
  int error() const { return error_; }
  const std::vector<std::pair<std::string, std::string>>& details() const { return details_; }

 private:
  Code code_ = Code::OK;
  int error_ = 0;
  std::string message_;
  std::vector<std::pair<std::string, std::string>> details_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BASE_STATUS_H_
