// ContentServer: what a MountSession needs of the one who answers its connection, be it the tree of
// one image (ImageServer) or the contents of all (ObjectServer).
#ifndef G8UFS_NATIVE_DRIVER_CONTENT_SERVER_H_
#define G8UFS_NATIVE_DRIVER_CONTENT_SERVER_H_

#include <vector>

#include "driver/counters.h"
#include "driver/miss_table.h"
#include "fuse/session.h"

namespace g8ufs {

class ContentServer : public fuse::Handler, public WaiterHandler {
 public:
  // A device of the connection. Before the first request.
  virtual void SetDevice(const fuse::Device& device) = 0;
  // Lets go of a file that is kept only in case it is read again.
  virtual void ForgetContent(const Digest& digest) = 0;
  // One per worker, and one for the table's thread.
  virtual const std::vector<Counters>& counters() const = 0;
  virtual uint64_t open_files() const = 0;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_CONTENT_SERVER_H_
