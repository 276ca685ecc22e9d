// Serves requests for files of the place where it runs until its input ends. Requests are handled in
// order by one thread; what goes through a whole tree runs beside them, so that nothing waits for it.
#ifndef G8UFS_NATIVE_GUEST_SERVER_H_
#define G8UFS_NATIVE_GUEST_SERVER_H_

#include <atomic>
#include <functional>

#include "base/mutex.h"
#include "guest/files.h"
#include "guest/frame.h"

namespace g8ufs::guest {

class Server {
 public:
  // Neither descriptor is owned. Nothing else may write to `output`.
  Server(int input, int output) : input_(input), output_(output) {}

  // Returns true when the input has ended between two requests, false when it made no sense or the
  // output is gone. Tree operations that still run end with the process.
  bool Run();

  // One request behind its size. False when it is malformed. For Run and for tests.
  bool Handle(ByteSpan request);

 private:
  // Operations on trees that run at the same time; more are refused.
  static constexpr int kTreeTasksMax = 8;

  bool HandleFile(uint32_t id, Operation operation, FieldReader& fields);
  bool HandleTree(uint32_t id, Operation operation, FieldReader& fields);
  bool HandleLook(uint32_t id, FieldReader& fields);
  int LookAt(uint32_t id, uint32_t index, uint32_t kind, const std::string& path);
  int List(uint32_t id, const std::string& path, FieldWriter& rest);
  void RunBeside(uint32_t id, std::function<int()> task);

  // An error of 0 is success without fields.
  void Answer(uint32_t id, int error);
  void Send(uint32_t id, ReplyKind kind, const FieldWriter& fields) EXCLUDES_LOCK(output_mutex_);

  const int input_;
  const int output_;
  Mutex output_mutex_;
  std::atomic<bool> broken_ = false;
  std::atomic<int> tree_tasks_ = 0;
  OpenFiles files_;
};

}  // namespace g8ufs::guest

#endif  // G8UFS_NATIVE_GUEST_SERVER_H_
