// The part of ImageServer that opens, reads and seeks in regular files.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "driver/image_server.h"
#include "driver/read_fully.h"

namespace g8ufs {
namespace {

// Not an errno: the content has to be made complete first.
constexpr int kMustWait = -1;
// Nor is this: the inode was open a moment ago.
constexpr int kNotLooked = -2;

// What was read so short a time ago is in memory still: a look would only find that.
constexpr auto kInMemoryFor = std::chrono::milliseconds(10);

bool MayBeOutOfMemory(const ServedFile& idle) {
  return std::chrono::steady_clock::now() - idle.idle_since >= kInMemoryFor;
}

// Reads the beginning of a file, as its reader is about to do, so that the disk has nothing more to do
// than otherwise. Waits for the disk.
bool CanReadBeginning(int fd) {
  uint8_t beginning = 0;
  const int error = ReadFully(fd, 0, {&beginning, 1});
  // No memory says nothing about the disk.
  return error == 0 || error == ENOMEM;
}

}  // namespace

int ImageServer::FindContent(uint64_t nid, std::optional<ContentRecord>* record) const {
  Attributes attributes;
  if (const int error = index_.GetAttributes(nid, &attributes); error != 0) return error;
  return index_.ContentOf(attributes, record);
}

void ImageServer::Open(const Call& call, fuse::Cursor body) {
  fuse::OpenIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  if ((in.flags & O_ACCMODE) != O_RDONLY) return AnswerError(call, EROFS);
  if (options_.open_mode == OpenMode::kNone) return AnswerError(call, ENOSYS);
  if (doubtful_.contains(call.nid)) return AnswerError(call, EIO);
  std::optional<ContentRecord> record;
  if (const int error = FindContent(call.nid, &record); error != 0) {
    return AnswerError(call, error);
  }
  if (!record) {
    call.counters.cached_opens.Add();
    return AnswerStruct(
        call, fuse::OpenOut{OpenTable::kNoHandle, fuse::kFopenKeepCache | fuse::kFopenNoflush, 0});
  }
  // Small files are made whole when they are opened, whether they are read or not.
  if (options_.touches != nullptr && record->block_count <= options_.whole_blocks_max) {
    options_.touches->Add(record->row, 0, record->block_count);
  }
  const int error = TryOpen(call, *record, false);
  if (error == kMustWait) return ParkOpen(call, *record);
  if (error != 0) AnswerError(call, error);
}

int ImageServer::TryOpen(const Call& call, const ContentRecord& record, bool accept_partial) {
  std::shared_ptr<const ServedFile> opened;
  OnDisk disk;
  int error = 0;
  do {
    // Before the inode's lock is taken, at which others would wait for the disk as well.
    if (!disk.looked && !open_files_.IsOpen(call.nid)) {
      error = LookOnDisk(call.nid, record, &disk);
      if (error != 0) return error;
    }
    error = open_files_.Open(
        call.nid,
        [&](std::shared_ptr<ServedFile>* file) {
          if (!disk.looked) return kNotLooked;
          const int chosen = Choose(record, accept_partial, &disk, file);
          return chosen != 0 ? chosen : Note(call.nid, file->get());
        },
        &opened);
  } while (error == kNotLooked);
  if (error != 0) return error;
  fuse::OpenOut out{OpenTable::kHandle, fuse::kFopenNoflush, 0};
  if (opened->backing.ok()) {
    out.open_flags |= fuse::kFopenPassthrough;
    out.backing_id = opened->backing.id();
    call.counters.passthrough_opens.Add();
  } else {
    out.open_flags |= fuse::kFopenKeepCache;
    call.counters.cached_opens.Add();
  }
  open_log_.Note(call.nid, opened->is_complete());
  // The kernel has given the open up, or is gone: it will send no RELEASE.
  if (call.reply.device->Reply(call.reply.unique, fuse::BytesOf(out)) != 0) {
    CloseFile(call.nid);
  }
  return 0;
}

int ImageServer::Note(uint64_t nid, ServedFile* file) {
  // An idle one is noted already.
  if (options_.held == nullptr || file->hold.ok()) return 0;
  const bool has_room =
      options_.held->Add(nid, file->record.digest, file->backing.id(), &file->hold);
  return has_room ? 0 : ENFILE;
}

void ImageServer::CloseFile(uint64_t nid) {
  std::shared_ptr<ServedFile> file = open_files_.Close(nid);
  if (file != nullptr && file->backing.ok()) idle_files_.Keep(nid, std::move(file));
}

int ImageServer::LookOnDisk(uint64_t nid, const ContentRecord& record, OnDisk* disk) {
  registry_.Touch(record.digest);
  disk->looked = true;
  disk->idle = idle_files_.Take(nid, record.digest);
  if (!TrustsKernel()) disk->idle.reset();
  const auto has_current = [&] {
    fuse::BeforeDisk();
    return disk->idle != nullptr &&
           files_.IsCurrent(record.digest, record.size, disk->idle->identity);
  };
  if (disk->idle != nullptr && !MayBeOutOfMemory(*disk->idle) && has_current()) return 0;
  const int error =
      FindComplete(record.digest, record.size, record.row, 0, &disk->complete, &disk->identity);
  // No descriptor to look through says nothing about a file that the kernel has already.
  if (error != 0 && has_current()) return 0;
  if (disk->complete.ok() && TrustsKernel()) {
    disk->is_readable = CanReadBeginning(disk->complete.get());
    if (disk->is_readable && disk->idle != nullptr && disk->idle->identity == disk->identity) {
      disk->complete.Reset();
      return 0;
    }
  }
  disk->idle.reset();
  return error;
}

int ImageServer::Choose(const ContentRecord& record, bool accept_partial, OnDisk* disk,
                        std::shared_ptr<ServedFile>* file) {
  // The disk may have been found out while it was looked at.
  if (disk->idle != nullptr && TrustsKernel()) {
    *file = std::move(disk->idle);
    return 0;
  }
  UniqueFd& complete = disk->complete;
  std::shared_ptr<Content> content = registry_.Acquire(record);
  if (content == nullptr) return EIO;
  // From now on the content is told.
  if (!registry_.CanRead()) complete.Reset();
  auto served = std::make_shared<ServedFile>(registry_, std::move(content), record);
  if (complete.ok()) {
    if (disk->is_readable) {
      if (const int error = Register(&complete, &served->backing); error != 0) return error;
    }
    served->file = std::move(complete);
    served->identity = disk->identity;
    *file = std::move(served);
    return 0;
  }
  registry_.MarkHoles(*served->content, index_, record);
  // A file that is opened now stays in cached mode until its last holder is gone. A small one is
  // worth the wait; without passthrough there is nothing to wait for.
  const bool worth_waiting = passthrough_.load(std::memory_order_relaxed) && !accept_partial &&
                             record.block_count <= options_.whole_blocks_max;
  if (worth_waiting && !served->content->CanServe(0, record.block_count) &&
      !HasLostBlock(describer(), record, *served->content, 0, record.block_count)) {
    return kMustWait;
  }
  *file = std::move(served);
  return 0;
}

// The kernel may read files by itself.
bool ImageServer::TrustsKernel() const {
  return passthrough_.load(std::memory_order_relaxed) && registry_.trust() == DiskTrust::kAll;
}

// Hands the file to the kernel; leaves the descriptor where the kernel will not have it.
int ImageServer::Register(UniqueFd* file, fuse::BackingId* backing) {
  if (!TrustsKernel()) return 0;
  switch (const int error = fuse::BackingId::Open(*device_, file->get(), backing)) {
    case 0:
      file->Reset();
      return 0;
    case ENOMEM:
    case ENFILE:
    case EOPNOTSUPP:
      return 0;  // this file only: read it for the kernel
    default:
      // EPERM: no privilege. ELOOP: the cache lies on a stacked file system. Both hold for all.
      (void)error;
      passthrough_.store(false, std::memory_order_relaxed);
      return 0;
  }
}

void ImageServer::ParkOpen(const Call& call, const ContentRecord& record) {
  Waiter waiter;
  waiter.kind = Waiter::Kind::kOpen;
  waiter.reply = call.reply;
  waiter.nid = call.nid;
  waiter.content = registry_.Acquire(record);
  if (waiter.content == nullptr) return AnswerError(call, EIO);
  registry_.MarkHoles(*waiter.content, index_, record);
  waiter.content_row = record.row;
  waiter.block_count = record.block_count;
  Park(call, std::move(waiter));
}

void ImageServer::Release(const Call& call) {
  // A successor may count one open too many, should we be killed in between, but never too few.
  if (options_.held != nullptr) AnswerError(call, 0);
  CloseFile(call.nid);
  if (options_.held == nullptr) AnswerError(call, 0);
}

void ImageServer::Read(const Call& call, fuse::Cursor body) {
  fuse::ReadIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  // A short answer would mean the end of the file, so that what does not fit is refused.
  if (in.size > call.buffer.size()) return AnswerError(call, EIO);
  if (options_.open_mode == OpenMode::kNone) {
    int error = 0;
    const std::shared_ptr<const ServedFile> file = FileByInode(call.nid, &error);
    if (error != 0) return AnswerError(call, error);
    return file == nullptr ? Answer(call, {}) : ReadServed(call, *file, in);
  }
  if (in.fh == OpenTable::kNoHandle) return Answer(call, {});
  const std::shared_ptr<const ServedFile> file = open_files_.Find(call.nid);
  if (file == nullptr) return AnswerError(call, doubtful_.contains(call.nid) ? EIO : EBADF);
  ReadServed(call, *file, in);
}

std::shared_ptr<const ServedFile> ImageServer::FileByInode(uint64_t nid, int* error) {
  std::shared_ptr<const ServedFile> recent = recent_files_.Find(nid);
  // One that has become complete is opened anew: its partial file is let go then.
  if (recent != nullptr && (recent->is_complete() || !recent->content->complete())) return recent;
  std::optional<ContentRecord> record;
  *error = FindContent(nid, &record);
  if (*error != 0 || !record) return nullptr;
  std::shared_ptr<ServedFile> file;
  OnDisk disk;
  *error = LookOnDisk(nid, *record, &disk);
  if (*error == 0) *error = Choose(*record, true, &disk, &file);
  if (*error != 0) return nullptr;
  std::shared_ptr<const ServedFile> served = std::move(file);
  open_log_.Note(nid, served->is_complete());
  recent_files_.Put(nid, served);
  return served;
}

void ImageServer::ReadServed(const Call& call, const ServedFile& file, const fuse::ReadIn& in) {
  if (options_.touches != nullptr && in.size > 0 && in.offset < file.record.size) {
    const uint64_t left = file.record.size - in.offset;
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(in.size, left));
    const BlockRange blocks = BlocksOf(file.record, in.offset, size);
    options_.touches->Add(file.record.row, blocks.first, blocks.count);
  }
  ReadFile(call, describer(), file, in.offset, in.size);
}

void ImageServer::Resume(Waiter waiter) {
  if (waiter.kind == Waiter::Kind::kRead) return ResumeRead(std::move(waiter));
  const Call call = ResumeCall(waiter);
  std::optional<ContentRecord> record;
  int error = FindContent(waiter.nid, &record);
  if (error == 0 && !record) error = EIO;
  if (error != 0) return Fail(std::move(waiter), error);
  error = TryOpen(call, *record, waiter.accept_partial || waiter.content->complete());
  if (error == kMustWait) return Park(call, std::move(waiter));
  if (error != 0) return Fail(std::move(waiter), error);
  registry_.Release(waiter.content);
}

void ImageServer::Lseek(const Call& call, fuse::Cursor body) {
  fuse::LseekIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  std::optional<ContentRecord> record;
  if (const int error = FindContent(call.nid, &record); error != 0) {
    return AnswerError(call, error);
  }
  if (!record) return AnswerError(call, ENXIO);
  SeekFile(call, describer(), *record, in);
}

}  // namespace g8ufs
