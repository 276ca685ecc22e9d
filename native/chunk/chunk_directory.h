// Writes many chunks into a chunk directory in one call: `<root>/<first two digits>/<id>`. A chunk appears
// by link or rename, complete or not at all, so any number of processes may write one directory. Any thread.
#ifndef G8UFS_NATIVE_CHUNK_CHUNK_DIRECTORY_H_
#define G8UFS_NATIVE_CHUNK_CHUNK_DIRECTORY_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace g8ufs {

// 32 to 64 lower-case hex digits.
bool IsChunkId(std::string_view id);

// Where a chunk lies below its directory.
std::string ChunkPathOf(const std::string& id);

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

// A chunk directory that is open. For one thread; any number of them may have the same directory.
class ChunkDirectoryWriter {
 public:
  // `directory` outlives the writer.
  explicit ChunkDirectoryWriter(const ChunkDirectory& directory) : directory_(directory) {}

  // First of all.
  Status Open();
  // Writes the chunk unless it is there. A file of another size is none of it: what a power failure left,
  // for an id names the bytes and so their number. ERR_USAGE for an id that is none.
  Status Write(const NamedChunk& chunk, bool& written);
  // Last: with `fsync`, flushes the names of what was written.
  Status Flush();

 private:
  // What a try to write without a temporary name came to.
  enum class Linked { kDone, kExists, kNotPossible };

  bool IsThere(const std::string& path, size_t size) const;
  Status WriteLinked(const std::string& folder, const std::string& path, ByteSpan bytes,
                     Linked& outcome);
  Status WriteRenamed(const NamedChunk& chunk, const std::string& folder, const std::string& path);
  Status WriteBytes(int fd, ByteSpan bytes) const;
  Status WriteFile(const std::string& name, ByteSpan bytes) const;
  Status Rename(const std::string& temporary, const std::string& folder,
                const std::string& path) const;

  const ChunkDirectory& directory_;
  UniqueFd root_;
  UniqueFd temporary_;
  bool has_flat_chunks_ = false;
  // Until the filesystem says no.
  bool can_link_ = true;
  std::string temporary_suffix_;
  std::set<std::string> folders_;
};

// Writes the chunks that are not there yet; `written` says which those were. The first failure ends the
// call; what was written before stays. ERR_USAGE for an id that is none.
Status WriteChunks(const ChunkDirectory& directory, const std::vector<NamedChunk>& chunks,
                   std::vector<uint8_t>& written);

// Which of the chunks are there: `found` has a byte for each. A directory that is gone has none of them.
Status FindChunks(const std::string& root, const std::vector<std::string>& ids,
                  std::vector<uint8_t>& found);

// Reads chunks one behind the other into `bytes`, in the order of `ids`, until the next would pass `size_max` bytes;
// the first is read whatever its size. `sizes` has one item for each chunk that was looked at, 0 for one that
// cannot be read as a chunk of at most `chunk_size_max` bytes. ERR_USAGE for an id that is none.
Status ReadChunks(const std::string& root, const std::vector<std::string>& ids, size_t size_max,
                  size_t chunk_size_max, Buffer& bytes, std::vector<uint32_t>& sizes);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_CHUNK_DIRECTORY_H_
