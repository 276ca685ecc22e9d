#include "driver/held_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace g8ufs {
namespace {

// The last digit is the version of the layout: a daemon takes over no other.
constexpr uint64_t kMagic = 0x3164'6c65'6866'3867;  // "g8fheld1"
constexpr size_t kPathSizeMax = 4096;
constexpr uint32_t kFree = 0;
constexpr uint32_t kValid = 0x564c4431;

}  // namespace

// Both are shared with processes of other builds: fixed sizes, and only ever replaced with the magic.
struct HeldFiles::Header {
  std::atomic<uint64_t> magic;  // last
  uint32_t record_count;
  uint32_t protocol_minor;
  uint64_t flags;
  uint64_t max_read_bytes;
  uint32_t open_mode;
  uint32_t device_minor;
  uint32_t by_helper;
  uint32_t path_size;
  char path[kPathSizeMax];
  // One more than the last place that was ever used, so that a successor need not look at all.
  std::atomic<uint32_t> used;
  uint32_t reserved[3];
};

struct HeldFiles::Record {
  std::atomic<uint32_t> state;  // last
  std::atomic<uint32_t> opens;
  int32_t backing_id;
  uint32_t reserved;
  uint64_t nid;
  uint64_t reserved_too;
  uint8_t digest[32];
};

namespace {

constexpr size_t kHeaderSize = 8192;
constexpr size_t kRecordSize = 64;
constexpr size_t kFileSize = kHeaderSize + kRecordSize * size_t{HeldFiles::kRecordCountMax};

}  // namespace

Status HeldFiles::Create(std::unique_ptr<HeldFiles>* files) {
  UniqueFd file(::memfd_create("g8ufs-held", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
  if (!file.ok() || ::ftruncate(file.get(), kFileSize) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return Status::FromErrno(Code::ERR_INTERNAL, "Memory for a successor cannot be had", errno);
  }
  std::unique_ptr<HeldFiles> created(new HeldFiles());
  Status status = created->Map(std::move(file));
  if (status.ok()) *files = std::move(created);
  return status;
}

Status HeldFiles::Adopt(UniqueFd file, std::unique_ptr<HeldFiles>* files) {
  // Sealed: else somebody could shorten it under our eyes.
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  struct stat attributes {};
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstat(file.get(), &attributes) != 0 ||
      static_cast<uint64_t>(attributes.st_size) != kFileSize) {
    return Status(Code::ERR_MOUNT, "The table of open files is none of ours");
  }
  std::unique_ptr<HeldFiles> adopted(new HeldFiles());
  Status status = adopted->Map(std::move(file));
  if (!status.ok()) return status;
  const Header& header = *adopted->header_;
  const uint32_t used = header.used.load(std::memory_order_acquire);
  if (header.magic.load(std::memory_order_acquire) != kMagic ||
      header.record_count != kRecordCountMax || header.path_size > kPathSizeMax ||
      used > kRecordCountMax) {
    return Status(Code::ERR_MOUNT, "The table of open files has another layout");
  }
  MutexLock lock(adopted->mutex_);
  adopted->used_ = used;
  for (uint32_t place = 0; place < used; ++place) {
    if (adopted->RecordAt(place)->state.load(std::memory_order_acquire) != kValid) {
      adopted->free_.push_back(place);
    }
  }
  *files = std::move(adopted);
  return {};
}

Status HeldFiles::Map(UniqueFd file) {
  static_assert(sizeof(Header) <= kHeaderSize && sizeof(Record) == kRecordSize);
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
  void* memory =
      ::mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) {
    return Status::FromErrno(Code::ERR_INTERNAL, "Memory for a successor cannot be mapped", errno);
  }
  file_ = std::move(file);
  header_ = static_cast<Header*>(memory);
  return {};
}

HeldFiles::~HeldFiles() {
  if (header_ != nullptr) ::munmap(header_, kFileSize);
}

HeldFiles::Record* HeldFiles::RecordAt(uint32_t place) const {
  auto* bytes = reinterpret_cast<uint8_t*>(header_);
  return reinterpret_cast<Record*>(bytes + kHeaderSize + size_t{place} * kRecordSize);
}

Status HeldFiles::Begin(const Connection& connection) {
  if (connection.path.size() > kPathSizeMax) {
    return Status(Code::ERR_MOUNT, "The path of the mount is too long");
  }
  header_->record_count = kRecordCountMax;
  header_->protocol_minor = connection.protocol_minor;
  header_->flags = connection.flags;
  header_->max_read_bytes = connection.max_read_bytes;
  header_->open_mode = connection.open_mode;
  header_->device_minor = connection.device_minor;
  header_->by_helper = connection.by_helper;
  header_->path_size = static_cast<uint32_t>(connection.path.size());
  std::memcpy(header_->path, connection.path.data(), connection.path.size());
  header_->magic.store(kMagic, std::memory_order_release);
  return {};
}

HeldFiles::Connection HeldFiles::connection() const {
  Connection connection;
  connection.protocol_minor = header_->protocol_minor;
  connection.flags = header_->flags;
  connection.max_read_bytes = header_->max_read_bytes;
  connection.open_mode = header_->open_mode;
  connection.device_minor = header_->device_minor;
  connection.by_helper = header_->by_helper;
  connection.path.assign(header_->path, std::min<size_t>(header_->path_size, kPathSizeMax));
  return connection;
}

bool HeldFiles::Add(uint64_t nid, const Digest& digest, int32_t backing_id, Hold* hold) {
  uint32_t place = 0;
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      place = free_.back();
      free_.pop_back();
    } else if (used_ < kRecordCountMax) {
      place = used_++;
      header_->used.store(used_, std::memory_order_release);
    } else {
      return false;
    }
  }
  Record* record = RecordAt(place);
  record->nid = nid;
  record->backing_id = backing_id;
  record->opens.store(0, std::memory_order_relaxed);
  std::memcpy(record->digest, digest.data(), digest.size());
  record->state.store(kValid, std::memory_order_release);
  *hold = Hold(this, place);
  return true;
}

void HeldFiles::SetOpens(uint32_t place, uint32_t opens) {
  RecordAt(place)->opens.store(opens, std::memory_order_release);
}

void HeldFiles::Remove(uint32_t place) {
  RecordAt(place)->state.store(kFree, std::memory_order_release);
  MutexLock lock(mutex_);
  free_.push_back(place);
}

std::vector<HeldFiles::Snapshot> HeldFiles::Records() const {
  std::vector<Snapshot> records;
  const uint32_t used =
      std::min(header_->used.load(std::memory_order_acquire), kRecordCountMax);
  for (uint32_t place = 0; place < used; ++place) {
    const Record* record = RecordAt(place);
    if (record->state.load(std::memory_order_acquire) != kValid) continue;
    Snapshot snapshot;
    snapshot.place = place;
    snapshot.nid = record->nid;
    snapshot.backing_id = record->backing_id;
    snapshot.opens = record->opens.load(std::memory_order_acquire);
    std::memcpy(snapshot.digest.data(), record->digest, snapshot.digest.size());
    records.push_back(snapshot);
  }
  return records;
}

}  // namespace g8ufs
