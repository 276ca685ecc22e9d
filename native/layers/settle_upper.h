// The upper folder of an overlay, made fit for another overlay with other layers below.
#ifndef G8UFS_NATIVE_LAYERS_SETTLE_UPPER_H_
#define G8UFS_NATIVE_LAYERS_SETTLE_UPPER_H_

#include <chrono>
#include <string>

#include "base/status.h"

namespace g8ufs {

struct SettleOptions {
  std::string upper;
  // Where the overlay is mounted.
  std::string merged;
  // Somebody may change the overlay meanwhile: files only get their contents, and what cannot be settled is left to
  // another walk, without a failure.
  bool live = false;
  // The walk ends between two files when this has passed.
  std::chrono::milliseconds timeout{0};
};

// Walks the upper folder. Files of which only the attributes were changed get their contents, by being opened for
// writing in the overlay; and no file says any more from which one below it was made:
// among other layers that name may mean another file. Unless `live` nobody may change the overlay meanwhile. Any thread;
// needs root.
// ERR_IO for more than 256 folders in one another, or a file without contents that is being executed; ERR_TIMEOUT; what the
// kernel says otherwise.
Status SettleUpper(const SettleOptions& options);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_LAYERS_SETTLE_UPPER_H_
