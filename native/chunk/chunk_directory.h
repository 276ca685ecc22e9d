// Writes many chunks into a chunk directory in one call: `<root>/<first two digits>/<id>`. A chunk appears
// by rename, complete or not at all, so any number of processes may write one directory. Any thread.
#ifndef G8UFS_NATIVE_CHUNK_CHUNK_DIRECTORY_H_
#define G8UFS_NATIVE_CHUNK_CHUNK_DIRECTORY_H_

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace g8ufs {

struct NamedChunk {
  // Lower-case hex digits.
  std::string id;
  ByteSpan stored;
};

struct ChunkDirectory {
  // Exists, and has the folder `tmp` for files that are not whole yet.
  std::string root;
  // Flush each chunk and its name to the device.
  bool fsync = false;
};

// Writes the chunks that are not there yet; `written` says which those were. The first failure ends the
// call; what was written before stays. ERR_USAGE for an id that is none.
Status WriteChunks(const ChunkDirectory& directory, const std::vector<NamedChunk>& chunks,
                   std::vector<uint8_t>& written);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_CHUNK_DIRECTORY_H_
