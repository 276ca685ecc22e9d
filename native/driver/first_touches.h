// FirstTouches: which blocks of an image were wanted, in the order of the first time. Kept only by
// sessions that record; the others pay a null check.
//
// Thread rule: any thread.
#ifndef G8UFS_NATIVE_DRIVER_FIRST_TOUCHES_H_
#define G8UFS_NATIVE_DRIVER_FIRST_TOUCHES_H_

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"

namespace g8ufs {

class FirstTouches {
 public:
  // A million touches take 8 MiB; what comes later is no start any more.
  static constexpr size_t kCountMax = size_t{1} << 20;

  // Blocks of the content in row `content` of the content table.
  void Add(uint32_t content, uint32_t block, uint32_t count) EXCLUDES_LOCK(mutex_);
  // Pairs of content and block.
  std::vector<uint32_t> Pairs() EXCLUDES_LOCK(mutex_);

 private:
  Mutex mutex_;
  // By content: bit i & 63 of word i >> 6 for block i. Only as long as the last block touched.
  std::unordered_map<uint32_t, std::vector<uint64_t>> seen_ GUARDED_BY(mutex_);
  std::vector<uint32_t> pairs_ GUARDED_BY(mutex_);
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_FIRST_TOUCHES_H_
