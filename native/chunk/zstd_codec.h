// zstd frames of single chunks, between buffers; stream/ has what is longer. Any thread; one context
// per thread is used again and again.
#ifndef G8UFS_NATIVE_CHUNK_ZSTD_CODEC_H_
#define G8UFS_NATIVE_CHUNK_ZSTD_CODEC_H_

#include "base/bytes.h"
#include "base/status.h"

namespace g8ufs {

inline constexpr int kZstdLevelDefault = 3;
inline constexpr int kZstdLevelMin = 1;
inline constexpr int kZstdLevelMax = 22;

// Compresses into one frame that states its content size and has no checksum. `out` is overwritten.
// REQUIRES: kZstdLevelMin <= level <= kZstdLevelMax.
Status ZstdCompress(ByteSpan data, int level, Buffer& out);

// Decompresses exactly one frame whose stated content size is plain.size(). False for anything
// else. No memory is taken for a window, whatever the frame asks for: the frame is decoded straight
// into `plain`.
bool ZstdDecodeFrame(ByteSpan frame, MutableByteSpan plain);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_ZSTD_CODEC_H_
