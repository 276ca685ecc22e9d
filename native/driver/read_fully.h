// How the driver reads files of the cache.
#ifndef G8UFS_NATIVE_DRIVER_READ_FULLY_H_
#define G8UFS_NATIVE_DRIVER_READ_FULLY_H_

#include <cstdint>

#include "base/bytes.h"

namespace g8ufs {

// Fills `out`, 0 or an errno. What is in memory needs no waiting; before it waits for the disk, another
// worker takes over. EIO for a file that ends early: it has been tampered with, and zeros in place of its
// bytes would be a lie.
int ReadFully(int fd, uint64_t offset, MutableByteSpan out);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_READ_FULLY_H_
