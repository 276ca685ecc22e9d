// The XXTEA variant of legacy chunks: the whole buffer is one vector of little-endian words that
// ends with the length of the data. Any thread.
#ifndef G8UFS_NATIVE_CHUNK_XXTEA_H_
#define G8UFS_NATIVE_CHUNK_XXTEA_H_

#include "base/bytes.h"

namespace g8ufs {

inline constexpr size_t kXxteaKeySize = 16;

// Size of the encrypted form of `size` bytes.
constexpr size_t XxteaEncryptedSize(size_t size) { return (size + 3) / 4 * 4 + 4; }

// Encrypts `data` into `out`. REQUIRES: data is not empty and below 2^32 bytes, the key has
// kXxteaKeySize bytes, out.size() == XxteaEncryptedSize(data.size()).
void XxteaEncrypt(ByteSpan data, ByteSpan key, MutableByteSpan out);

// Decrypts in place of a copy in `out`, which is left with exactly the data bytes. False when the
// size is impossible or the length word does not fit: a wrong key or damaged bytes.
bool XxteaDecrypt(ByteSpan encrypted, ByteSpan key, Buffer& out);

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_CHUNK_XXTEA_H_
