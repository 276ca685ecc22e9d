// A chunk from its file into a socket without a copy in this process. Nothing here waits for a device or a peer, so
// it may run on the JS thread: what is not in memory, or does not fit into the socket, is left to the caller.
#ifndef G8UFS_NATIVE_CHUNK_CHUNK_SENDER_H_
#define G8UFS_NATIVE_CHUNK_CHUNK_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace g8ufs {

struct CachedChunk {
  UniqueFd fd;
  size_t size = 0;
  // Milliseconds since 1970.
  int64_t modified_ms = 0;
};

// Opens `<root>/<first two digits>/<id>` if its name and all its bytes are in the kernel's caches; `chunk` stays without
// a descriptor otherwise, also when there is no such chunk, or the kernel cannot tell
// (before Linux 5.12). ERR_USAGE for an id that is none.
Status OpenCachedChunk(const std::string& root, const std::string& id, size_t size_max, CachedChunk& chunk);

// Whether all of this part of a file, which is not empty, is in memory, by mapping it: for kernels and filters without
// cachestat. False for a file of somebody else.
bool IsResident(int fd, int64_t offset, size_t count);

// Sends `count` bytes of a file from `offset` on. `sent` says how many the socket has taken, which is non-blocking; none
// when they are not all in memory (any more).
Status SendFile(int socket, int fd, int64_t offset, size_t count, size_t& sent);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_CHUNK_SENDER_H_
