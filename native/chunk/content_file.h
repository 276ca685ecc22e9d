// Contents of one chunk: from stored bytes to a sealed file in its place, in one go.
//
// The file has no name until it is written and sealed: whoever finds it finds all of it, and a
// process that dies leaves nothing behind (docs/decisions/0004-cache-sealed-files.md). Any thread.
#ifndef G8UFS_NATIVE_CHUNK_CONTENT_FILE_H_
#define G8UFS_NATIVE_CHUNK_CONTENT_FILE_H_

#include <cstdint>
#include <string>

#include "chunk/chunk_codec.h"

namespace g8ufs {

// `allocated` when something is there already.
inline constexpr int64_t kFileExists = -1;
// `allocated` when the file system has no files without a name.
inline constexpr int64_t kUnsupported = -2;

// Decodes, verifies, writes and seals. Folders of the path are made when they are missing. Leaves
// nothing behind when it fails, and does not touch what is there already. `allocated` is the room
// that the file takes on its disk.
Status PlaceContentFile(const std::string& path, const ChunkReference& reference, ByteSpan stored,
                        size_t plain_size, int64_t& allocated);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_CONTENT_FILE_H_
