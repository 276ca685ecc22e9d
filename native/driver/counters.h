// Counters of one thread. Only that thread adds; anybody may read a moment's value.
#ifndef G8UFS_NATIVE_DRIVER_COUNTERS_H_
#define G8UFS_NATIVE_DRIVER_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "fuse/abi.h"

namespace g8ufs {

// Not an atomic increment: there is one writer, and a plain add costs a tenth of a locked one.
class Counter {
 public:
  void Add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Aligned, so that no two threads write to one cache line.
struct alignas(64) Counters {
  std::array<Counter, fuse::kOpcodeCount> requests;
  Counter errors;  // answers that mean trouble, see IsFailure in content_server.cc
  Counter passthrough_opens;
  Counter cached_opens;
  Counter bytes_read;
  Counter interrupts;
  Counter read_failures;  // files of the cache that could not be read
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_COUNTERS_H_
