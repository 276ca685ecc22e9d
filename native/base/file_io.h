// Positional reads and writes that are complete or fail: short counts and EINTR are handled here.
// Nothing uses or moves a file's offset except FindData, whose callers use positions only.
// Any thread.
#ifndef G8UFS_NATIVE_BASE_FILE_IO_H_
#define G8UFS_NATIVE_BASE_FILE_IO_H_

#include <cstdint>

#include "base/bytes.h"
#include "base/status.h"

namespace g8ufs {

// Largest offset that JS can name exactly, 2^53 - 1.
inline constexpr int64_t kOffsetMax = (int64_t{1} << 53) - 1;

// Reads until `out` is full or the file ends; `count` is the number of bytes read.
Status ReadAt(int fd, int64_t offset, MutableByteSpan out, size_t& count);

// Reads exactly out.size() bytes; ERR_IO when the file ends before.
Status ReadExactlyAt(int fd, int64_t offset, MutableByteSpan out);

// Writes all of `data`. ERR_CACHE_FULL when there is no room (ENOSPC, EDQUOT).
Status WriteAt(int fd, int64_t offset, ByteSpan data);

// Offset of the first data byte at or behind `offset`; -1 when only a hole or nothing follows.
// A filesystem that cannot tell has data everywhere.
Status FindData(int fd, int64_t offset, int64_t& found);

// True when every byte is zero. An empty span is.
bool IsZero(ByteSpan data);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_BASE_FILE_IO_H_
