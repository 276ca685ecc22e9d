// The upper folder of an overlay, made fit for another overlay with other layers below.
#ifndef G8UFS_NATIVE_LAYERS_SETTLE_UPPER_H_
#define G8UFS_NATIVE_LAYERS_SETTLE_UPPER_H_

#include <string>

#include "base/status.h"

namespace g8ufs {

// Walks the upper folder. Files of which only the attributes were changed get their contents, by being opened for
// writing in the overlay that is mounted at `merged`; and no file says any more from which one below it was made:
// among other layers that name may mean another file. Nobody may change the overlay meanwhile. Any thread; needs root.
// ERR_IO for more than 256 folders in one another, or a file without contents that is being executed; what the
// kernel says otherwise.
Status SettleUpper(const std::string& upper, const std::string& merged);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_LAYERS_SETTLE_UPPER_H_
