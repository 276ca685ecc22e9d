// The chunks of the historical tools: snappy, then XXTEA under the plain digest. Generation G1 adds
// a header. Any thread; each thread keeps its intermediate buffer.
#ifndef G8UFS_NATIVE_CHUNK_LEGACY_CODEC_H_
#define G8UFS_NATIVE_CHUNK_LEGACY_CODEC_H_

#include "base/bytes.h"
#include "chunk/digest.h"

namespace g8ufs {

inline constexpr size_t kG1HeaderSize = 16;

// Largest encrypted form of `plain_size` bytes, whichever compressor made it; no header.
size_t LegacyEncryptedSizeMax(size_t plain_size);

// Cipher key of a chunk: 16 bytes of BLAKE2b-128 themselves, or the first 16 characters of the hex
// text of a SHA-256 digest.
std::array<uint8_t, 16> LegacyCipherKey(const Digest& plain_digest);

// Overwrites `out`: `offset` undefined bytes (room for a header), then the encrypted form.
// REQUIRES: plain is not empty, `key` has 16 bytes.
void LegacyEncrypt(ByteSpan plain, ByteSpan key, size_t offset, Buffer& out);

// Fills `plain` exactly. False when the bytes cannot be decrypted, do not decompress or hold
// another number of bytes.
bool LegacyDecrypt(ByteSpan encrypted, ByteSpan key, MutableByteSpan plain);

// Writes the 16 bytes that stand before the encrypted form in G1.
void WriteG1Header(ByteSpan encrypted, MutableByteSpan header);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_LEGACY_CODEC_H_
