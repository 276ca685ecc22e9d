// The part of ImageServer that opens, reads and seeks in regular files.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "driver/image_server.h"

namespace g8ufs {
namespace {

// Not an errno: the content has to be made complete first.
constexpr int kMustWait = -1;
constexpr uint32_t kSeekData = 3;
constexpr uint32_t kSeekHole = 4;

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
  OpenTable::Opened opened;
  const int error = open_files_.Open(
      call.nid,
      [&](std::unique_ptr<ServedFile>* file) {
        return Choose(call.nid, record, accept_partial, file);
      },
      &opened);
  if (error != 0) return error;
  fuse::OpenOut out{opened.handle, fuse::kFopenNoflush, 0};
  if (opened.file->backing.ok()) {
    out.open_flags |= fuse::kFopenPassthrough;
    out.backing_id = opened.file->backing.id();
    call.counters.passthrough_opens.Add();
  } else {
    out.open_flags |= fuse::kFopenKeepCache;
    call.counters.cached_opens.Add();
  }
  open_log_.Note(call.nid, opened.file->is_complete());
  // The kernel has given the open up, or is gone: it will send no RELEASE.
  if (call.reply.device->Reply(call.reply.unique, fuse::BytesOf(out)) != 0) {
    CloseFile(call.nid);
  }
  return 0;
}

void ImageServer::CloseFile(uint64_t nid) {
  std::unique_ptr<ServedFile> file = open_files_.Close(nid);
  if (file != nullptr && file->backing.ok()) idle_files_.Keep(nid, std::move(file));
}

int ImageServer::Choose(uint64_t nid, const ContentRecord& record, bool accept_partial,
                        std::unique_ptr<ServedFile>* file) {
  registry_.Touch(record.digest);
  std::unique_ptr<ServedFile> idle = idle_files_.Take(nid, record.digest);
  if (idle != nullptr && files_.IsCurrent(record.digest, record.size, idle->identity)) {
    *file = std::move(idle);
    return 0;
  }
  idle.reset();
  UniqueFd complete;
  FileIdentity identity;
  if (const int error = FindComplete(record, &complete, &identity); error != 0) return error;
  std::shared_ptr<Content> content = registry_.Acquire(record);
  if (content == nullptr) return EIO;
  auto served = std::make_unique<ServedFile>(registry_, std::move(content), record);
  if (complete.ok()) {
    if (const int error = Register(&complete, &served->backing); error != 0) return error;
    served->file = std::move(complete);
    served->identity = identity;
    *file = std::move(served);
    return 0;
  }
  registry_.MarkHoles(*served->content, index_, record);
  // A file that is opened now stays in cached mode until its last holder is gone. A small one is
  // worth the wait; without passthrough there is nothing to wait for.
  const bool worth_waiting = passthrough_.load(std::memory_order_relaxed) && !accept_partial &&
                             record.block_count <= options_.whole_blocks_max;
  if (worth_waiting && !served->content->HasBlocks(0, record.block_count) &&
      !HasLostBlock(record, *served->content, 0, record.block_count)) {
    return kMustWait;
  }
  *file = std::move(served);
  return 0;
}

int ImageServer::FindComplete(const ContentRecord& record, UniqueFd* file,
                              FileIdentity* identity) {
  ContentFiles::Found found{};
  if (const int error = files_.Find(record.digest, record.size, &found, file, identity);
      error != 0) {
    return error;
  }
  if (found == ContentFiles::Found::kUnsealed) misses_.Ask({.content = record.row});
  return 0;
}

// Hands the file to the kernel; leaves the descriptor where the kernel will not have it.
int ImageServer::Register(UniqueFd* file, fuse::BackingId* backing) {
  if (!passthrough_.load(std::memory_order_relaxed)) return 0;
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

bool ImageServer::HasLostBlock(const ContentRecord& record, const Content& content, uint32_t block,
                               uint32_t count) const {
  for (uint32_t i = block; i < block + count; ++i) {
    if (!content.HasBlock(i) && index_.KindOf(record, i) == BlockKind::kLost) return true;
  }
  return false;
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

void ImageServer::Park(const Call& call, Waiter waiter) {
  if (const int error = misses_.Park(waiter); error != 0) {
    registry_.Release(waiter.content);
    AnswerError(call, error);
  }
}

void ImageServer::Release(const Call& call) {
  CloseFile(call.nid);
  AnswerError(call, 0);
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
    return file == nullptr ? Answer(call, {}) : ReadFile(call, *file, in.offset, in.size);
  }
  if (in.fh == OpenTable::kNoHandle) return Answer(call, {});
  const ServedFile* file = open_files_.Find(in.fh, call.nid);
  if (file == nullptr) return AnswerError(call, EBADF);
  ReadFile(call, *file, in.offset, in.size);
}

std::shared_ptr<const ServedFile> ImageServer::FileByInode(uint64_t nid, int* error) {
  std::shared_ptr<const ServedFile> recent = recent_files_.Find(nid);
  // One that has become complete is opened anew: its partial file is let go then.
  if (recent != nullptr && (recent->is_complete() || !recent->content->complete())) return recent;
  std::optional<ContentRecord> record;
  *error = FindContent(nid, &record);
  if (*error != 0 || !record) return nullptr;
  std::unique_ptr<ServedFile> file;
  *error = Choose(nid, *record, true, &file);
  if (*error != 0) return nullptr;
  std::shared_ptr<const ServedFile> served = std::move(file);
  open_log_.Note(nid, served->is_complete());
  recent_files_.Put(nid, served);
  return served;
}

void ImageServer::ReadFile(const Call& call, const ServedFile& file, uint64_t offset,
                           uint32_t size) {
  if (offset >= file.record.size) return Answer(call, {});
  size = static_cast<uint32_t>(std::min<uint64_t>(size, file.record.size - offset));
  if (size == 0) return Answer(call, {});
  const uint32_t bits = file.record.block_size_bits;
  const auto first = static_cast<uint32_t>(offset >> bits);
  const auto count = static_cast<uint32_t>(((offset + size - 1) >> bits) - first + 1);
  if (options_.touches != nullptr) options_.touches->Add(file.record.row, first, count);
  if (file.file.ok()) return ReadFrom(call, file.file.get(), offset, size);
  const Content& content = *file.content;
  if (content.complete_fd() >= 0) return ReadFrom(call, content.complete_fd(), offset, size);
  if (content.HasBlocks(first, count)) {
    const int fd = content.fd();
    if (fd >= 0) return ReadFrom(call, fd, offset, size);
    // Without a file only holes are present.
    std::memset(call.buffer.data(), 0, size);
    return Answer(call, call.buffer.first(size));
  }
  if (HasLostBlock(file.record, content, first, count)) return AnswerError(call, EIO);
  ParkRead(call, file, offset, size);
}

void ImageServer::ReadFrom(const Call& call, int fd, uint64_t offset, uint32_t size) {
  size_t done = 0;
  while (done < size) {
    const iovec rest{call.buffer.data() + done, size - done};
    const auto place = static_cast<off_t>(offset + done);
    // What is in memory needs no waiting; not all file systems can tell.
    ssize_t count = ::preadv2(fd, &rest, 1, place, RWF_NOWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)) {
      fuse::BeforeWait();
      count = ::pread(fd, rest.iov_base, rest.iov_len, place);
    }
    if (count < 0 && errno == EINTR) continue;
    // A file that ends early has been tampered with; zeros in its place would be a lie.
    if (count <= 0) return AnswerError(call, EIO);
    done += static_cast<size_t>(count);
  }
  call.counters.bytes_read.Add(size);
  Answer(call, call.buffer.first(size));
}

void ImageServer::ParkRead(const Call& call, const ServedFile& file, uint64_t offset,
                           uint32_t size) {
  const uint32_t bits = file.record.block_size_bits;
  Waiter waiter;
  waiter.kind = Waiter::Kind::kRead;
  waiter.reply = call.reply;
  waiter.nid = call.nid;
  waiter.offset = offset;
  waiter.size = size;
  waiter.content = file.content;
  waiter.content_row = file.record.row;
  waiter.block = static_cast<uint32_t>(offset >> bits);
  waiter.block_count = static_cast<uint32_t>(((offset + size - 1) >> bits) - waiter.block + 1);
  registry_.AddUser(*waiter.content);
  Park(call, std::move(waiter));
}

void ImageServer::Resume(Waiter waiter) {
  const Call call{
      waiter.reply, waiter.nid, counters_.back(), {resume_buffer_.get(), fuse::kMaxReadBytes}};
  std::optional<ContentRecord> record;
  int error = FindContent(waiter.nid, &record);
  if (error == 0 && !record) error = EIO;
  if (error != 0) return Fail(std::move(waiter), error);
  if (waiter.kind == Waiter::Kind::kOpen) {
    error = TryOpen(call, *record, waiter.accept_partial || waiter.content->complete());
    if (error == kMustWait) return Park(call, std::move(waiter));
    if (error != 0) return Fail(std::move(waiter), error);
    return registry_.Release(waiter.content);
  }
  Content& content = *waiter.content;
  int fd = content.fd();
  if (fd < 0 || !content.HasBlocks(waiter.block, waiter.block_count)) {
    // Resumed because the content is complete: its bytes are in the other file.
    if (content.complete_fd() < 0) {
      UniqueFd file;
      error = FindComplete(*record, &file, nullptr);
      if (error == 0 && !file.ok() && !waiter.asked_anew) {
        waiter.asked_anew = true;
        registry_.RevokeComplete(content);
        return Park(call, std::move(waiter));
      }
      if (error == 0 && !file.ok()) error = EIO;
      if (error != 0) return Fail(std::move(waiter), error);
      registry_.AdoptComplete(content, std::move(file));
    }
    fd = content.complete_fd();
  }
  ReadFrom(call, fd, waiter.offset, waiter.size);
  registry_.Release(waiter.content);
}

void ImageServer::Fail(Waiter waiter, int error) {
  // EINTR comes from a worker, everything else from the table's thread: each counts for itself.
  if (error == EINTR) {
    (void)waiter.reply.device->ReplyError(waiter.reply.unique, error);
  } else {
    AnswerError({waiter.reply, waiter.nid, counters_.back(), {}}, error);
  }
  registry_.Release(waiter.content);
}

void ImageServer::Lseek(const Call& call, fuse::Cursor body) {
  fuse::LseekIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  if (in.whence != kSeekData && in.whence != kSeekHole) return AnswerError(call, EINVAL);
  std::optional<ContentRecord> record;
  if (const int error = FindContent(call.nid, &record); error != 0) {
    return AnswerError(call, error);
  }
  if (!record || in.offset >= record->size) return AnswerError(call, ENXIO);
  const uint32_t bits = record->block_size_bits;
  const bool want_hole = in.whence == kSeekHole;
  auto block = static_cast<uint32_t>(in.offset >> bits);
  while (block < record->block_count &&
         (index_.KindOf(*record, block) == BlockKind::kHole) != want_hole) {
    ++block;
  }
  // Every file ends in a hole that begins at its end.
  if (block == record->block_count && !want_hole) return AnswerError(call, ENXIO);
  const uint64_t start =
      block == record->block_count ? record->size : std::max(in.offset, uint64_t{block} << bits);
  AnswerStruct(call, fuse::LseekOut{start});
}

}  // namespace g8ufs
