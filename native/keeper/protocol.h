// What is said between a mount daemon and its keeper: one message of fixed size each way over a Unix
// socket that keeps message borders, with descriptors beside it. A daemon of another version may be at
// the other end: operations and flags are only ever added. No I/O, any thread.
//
// Descriptors of an entry come in the order device, table, state; `flags` says which are there.
#ifndef G8UFS_NATIVE_KEEPER_PROTOCOL_H_
#define G8UFS_NATIVE_KEEPER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace g8ufs::keeper {

inline constexpr uint32_t kMagic = 0x6b384730;  // "0G8k"

enum class Operation : uint32_t {
  kHello = 1,      // I am the daemon. Reply: `value` is the number of entries. EBUSY: another one is.
  kHold = 2,       // Keeps the descriptors under `id`; of an entry that exists, in place of its own.
  kDrop = 3,       // Lets go of everything of `id`; an absent one is fine.
  kTake = 4,       // The entry at place `value`. Reply: its id, flags, descriptors; `value`: attempts.
  kRestoring = 5,  // One attempt more of `id`, if this daemon has not said so before.
  kRestored = 6,   // No attempts of `id` any more; one that is gone is fine.
  kSuccessor = 7,  // How to start a daemon: a Launch in the file that comes with it.
  kReady = 8,      // All is restored: this daemon works. May be said again. `flags` kWithStandby: a
                   // successor shall stand by, or as many as `value` says. Reply, `value`: the process
                   // of the one that goes on first, or 0.
  kGoodbye = 9,    // I leave. `flags` kHandover: another daemon comes; else let go of everything.
};

// Of kHold and kTake: which descriptors come.
inline constexpr uint32_t kDevice = 1;
inline constexpr uint32_t kTable = 2;
inline constexpr uint32_t kState = 4;
// Of kHold: let go of the device and the table.
inline constexpr uint32_t kWithoutDevice = 8;
// Of kGoodbye.
inline constexpr uint32_t kHandover = 1;
// Of kReady.
inline constexpr uint32_t kWithStandby = 1;

// Of a successor that stands by: the last of its arguments, and the descriptor on which it waits. A byte
// says that it is needed, the end of the file that it never will be.
inline constexpr char kStandbyArgument[] = "--stand-by";
inline constexpr int kWaitFd = 3;

struct Message {
  uint32_t magic = kMagic;
  uint32_t operation = 0;
  uint64_t id = 0;
  uint32_t flags = 0;
  uint32_t value = 0;
  int32_t error = 0;  // of a reply: a positive errno
  uint32_t reserved = 0;
};
static_assert(sizeof(Message) == 32);

inline constexpr size_t kFdsMax = 3;
// Mounts and their parts. Each is three descriptors, and the usual hard limit is 512 Ki.
inline constexpr size_t kEntriesMax = 16 * 1024;
// What describes a mount: a request of 1 MiB is the longest a daemon takes.
inline constexpr size_t kStateSizeMax = size_t{2} << 20;
// Successors that stand by.
inline constexpr size_t kStandbysMax = 8;
// Arguments and environment of a process: no more than the kernel takes.
inline constexpr size_t kLaunchSizeMax = size_t{2} << 20;

// How a process is started. As bytes: two counts of 32 bits, then as many texts, each with its NUL.
struct Launch {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;

  bool operator==(const Launch&) const = default;
};

std::string EncodeLaunch(const Launch& launch);
// False when the bytes are not exactly that, or there is no program to run.
bool DecodeLaunch(ByteSpan bytes, Launch* launch);

}  // namespace g8ufs::keeper

#endif  // G8UFS_NATIVE_KEEPER_PROTOCOL_H_
