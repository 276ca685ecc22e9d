// HeldFiles: what the kernel knows of a mount and only its daemon can tell a successor, in memory that
// outlives the daemon (a memfd that a keeper holds): how the connection was negotiated, and for each inode
// that is open or has a backing id its mode, its content and how often it is open.
//
// The daemon may be killed at any instant. So a record is written before the answer that makes it true,
// and its state last (release): a successor finds it whole or not at all. Counts may be too high (an
// answer was on its way), never too low: what is thought to be open keeps its mode and its id, and a
// record goes before its id is closed.
//
// Thread rule: Add by any thread, the rest of a record by whoever has its Hold.
#ifndef G8UFS_NATIVE_DRIVER_HELD_FILES_H_
#define G8UFS_NATIVE_DRIVER_HELD_FILES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "tree/mount_index.h"

namespace g8ufs {

class HeldFiles {
 public:
  // As many inodes as a mount may have open (OpenTable), and some that are idle.
  static constexpr uint32_t kRecordCountMax = (1 << 20) + (1 << 15);

  // What was negotiated in INIT, and where the mount is.
  struct Connection {
    uint32_t protocol_minor = 0;
    uint32_t open_mode = 0;
    uint64_t flags = 0;
    uint64_t max_read_bytes = 0;
    uint32_t device_minor = 0;
    uint32_t by_helper = 0;
    std::string path;
  };

  struct Snapshot {
    uint32_t place = 0;
    uint64_t nid = 0;
    int32_t backing_id = 0;  // 0: opened in cached mode
    uint32_t opens = 0;
    Digest digest{};
  };

  // Owns one record and removes it. Movable; an empty one does nothing.
  class Hold {
   public:
    Hold() = default;
    Hold(HeldFiles* files, uint32_t place) : files_(files), place_(place) {}
    Hold(Hold&& other) noexcept
        : files_(std::exchange(other.files_, nullptr)), place_(other.place_) {}
    Hold& operator=(Hold&& other) noexcept {
      Reset();
      files_ = std::exchange(other.files_, nullptr);
      place_ = other.place_;
      return *this;
    }
    ~Hold() { Reset(); }
    void SetOpens(uint32_t opens) {
      if (files_ != nullptr) files_->SetOpens(place_, opens);
    }
    bool ok() const { return files_ != nullptr; }
    // Leaves the record where it is.
    void Release() { files_ = nullptr; }
    void Reset() {
      if (files_ != nullptr) std::exchange(files_, nullptr)->Remove(place_);
    }

   private:
    HeldFiles* files_ = nullptr;
    uint32_t place_ = 0;
  };

  // ERR_INTERNAL when there is no memory for it.
  static Status Create(std::unique_ptr<HeldFiles>* files);
  // That of a predecessor. ERR_MOUNT when it is not one of ours, or was never begun.
  static Status Adopt(UniqueFd file, std::unique_ptr<HeldFiles>* files);
  ~HeldFiles();
  HeldFiles(const HeldFiles&) = delete;
  HeldFiles& operator=(const HeldFiles&) = delete;

  int fd() const { return file_.get(); }

  // Once, before the first request is served. ERR_MOUNT for a path that is too long.
  Status Begin(const Connection& connection);
  Connection connection() const;

  // Enters an inode with no opens. False when there is no room.
  bool Add(uint64_t nid, const Digest& digest, int32_t backing_id, Hold* hold)
      EXCLUDES_LOCK(mutex_);
  // All records there are. Only before the first request is served.
  std::vector<Snapshot> Records() const;
  // Takes over a record of Records().
  Hold Take(const Snapshot& record) { return Hold(this, record.place); }

 private:
  struct Header;
  struct Record;

  HeldFiles() = default;
  Status Map(UniqueFd file);
  Record* RecordAt(uint32_t place) const;
  void SetOpens(uint32_t place, uint32_t opens);
  void Remove(uint32_t place) EXCLUDES_LOCK(mutex_);

  UniqueFd file_;
  Header* header_ = nullptr;
  Mutex mutex_;
  std::vector<uint32_t> free_ GUARDED_BY(mutex_);
  uint32_t used_ GUARDED_BY(mutex_) = 0;  // places from here on were never used
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_HELD_FILES_H_
