// The part of ObjectServer that reads contents and waits for what is absent.
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "driver/object_server.h"

namespace g8ufs {
namespace {

constexpr uint32_t kSeekData = 3;
constexpr uint32_t kSeekHole = 4;

}  // namespace

void ObjectServer::Read(const Call& call, fuse::Cursor body) {
  fuse::ReadIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  // A short answer would mean the end of the file, so that what does not fit is refused.
  if (in.size > call.buffer.size()) return AnswerError(call, EIO);
  int error = 0;
  const std::shared_ptr<const ObjectFile> file = FileOf(call.node, &error);
  if (file == nullptr) return error == 0 ? Answer(call, {}) : AnswerError(call, error);
  if (in.size == 0 || in.offset >= file->record.size) return Answer(call, {});
  const auto size =
      static_cast<uint32_t>(std::min<uint64_t>(in.size, file->record.size - in.offset));
  if (file->file.ok()) return ReadFrom(call, file->file.get(), in.offset, size);
  const uint32_t bits = file->record.block_size_bits;
  const auto first = static_cast<uint32_t>(in.offset >> bits);
  const auto count = static_cast<uint32_t>(((in.offset + size - 1) >> bits) - first + 1);
  const Content& content = *file->content;
  if (content.complete_fd() >= 0) return ReadFrom(call, content.complete_fd(), in.offset, size);
  if (content.HasBlocks(first, count)) {
    if (content.fd() >= 0) return ReadFrom(call, content.fd(), in.offset, size);
    // Without a file only holes are present.
    std::memset(call.buffer.data(), 0, size);
    return Answer(call, call.buffer.first(size));
  }
  if (HasLostBlock(*file, first, count)) return AnswerError(call, EIO);
  Park(call, *file, in.offset, size);
}

std::shared_ptr<const ObjectServer::ObjectFile> ObjectServer::FileOf(uint64_t node, int* error) {
  // Everything in there is put there below.
  auto recent = std::static_pointer_cast<const ObjectFile>(recent_files_.Find(node));
  // One that has become complete is opened anew: its partial file is let go then.
  if (recent != nullptr && (recent->is_complete() || !recent->content->complete())) return recent;
  std::shared_ptr<const ObjectFile> file;
  *error = OpenFile(node, &file);
  if (file != nullptr) recent_files_.Put(node, file);
  return file;
}

int ObjectServer::OpenFile(uint64_t node, std::shared_ptr<const ObjectFile>* file) {
  Object known;
  if (!FindObject(node, &known)) return node < 0x100 ? 0 : ESTALE;
  ObjectRecord object;
  // Absent: the last image that has it was unmounted, so that nobody can fetch it.
  if (images_.Find(known.digest, &object) != 0 || object.content.size != known.size) return EIO;
  registry_.Touch(known.digest);
  UniqueFd complete;
  if (const int error = FindComplete(object, &complete); error != 0) return error;
  std::shared_ptr<Content> content = registry_.Acquire(object.content);
  if (content == nullptr) return EIO;
  if (!complete.ok()) registry_.MarkHoles(*content, *object.index, object.content);
  auto opened = std::make_shared<ObjectFile>(registry_, std::move(content), std::move(object));
  opened->file = std::move(complete);
  *file = std::move(opened);
  return 0;
}

int ObjectServer::FindComplete(const ObjectRecord& object, UniqueFd* file) {
  ContentFiles::Found found{};
  const ContentRecord& content = object.content;
  if (const int error = files_.Find(content.digest, content.size, &found, file); error != 0) {
    return error;
  }
  if (found == ContentFiles::Found::kUnsealed) misses_.Ask({.content = content.row, .image = object.image});
  return 0;
}

bool ObjectServer::HasLostBlock(const ObjectFile& file, uint32_t block, uint32_t count) const {
  for (uint32_t i = block; i < block + count; ++i) {
    const bool is_lost = file.object.index->KindOf(file.record, i) == BlockKind::kLost;
    if (is_lost && !file.content->HasBlock(i)) return true;
  }
  return false;
}

void ObjectServer::ReadFrom(const Call& call, int fd, uint64_t offset, uint32_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(fd, call.buffer.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    // A file that ends early has been tampered with; zeros in its place would be a lie.
    if (count <= 0) return AnswerError(call, EIO);
    done += static_cast<size_t>(count);
  }
  call.counters.bytes_read.Add(size);
  Answer(call, call.buffer.first(size));
}

void ObjectServer::Park(const Call& call, const ObjectFile& file, uint64_t offset, uint32_t size) {
  const uint32_t bits = file.record.block_size_bits;
  Waiter waiter;
  waiter.kind = Waiter::Kind::kRead;
  waiter.reply = call.reply;
  waiter.nid = call.node;
  waiter.offset = offset;
  waiter.size = size;
  waiter.content = file.content;
  waiter.content_row = file.record.row;
  waiter.image = file.object.image;
  waiter.block = static_cast<uint32_t>(offset >> bits);
  waiter.block_count = static_cast<uint32_t>(((offset + size - 1) >> bits) - waiter.block + 1);
  registry_.AddUser(*waiter.content);
  if (const int error = misses_.Park(waiter); error != 0) {
    registry_.Release(waiter.content);
    AnswerError(call, error);
  }
}

void ObjectServer::Resume(Waiter waiter) {
  const Call call{
      waiter.reply, waiter.nid, counters_.back(), {resume_buffer_.get(), fuse::kMaxReadBytes}};
  Content& content = *waiter.content;
  int fd = content.fd();
  if (fd < 0 || !content.HasBlocks(waiter.block, waiter.block_count)) {
    // Resumed because the content is complete: its bytes are in the other file.
    if (content.complete_fd() < 0) {
      UniqueFd file;
      ContentFiles::Found found{};
      int error = files_.Find(content.digest(), content.shape().size, &found, &file);
      if (error == 0 && !file.ok() && !waiter.asked_anew) {
        // Evicted since it was announced: asked for once more.
        waiter.asked_anew = true;
        registry_.RevokeComplete(content);
        error = misses_.Park(waiter);
        if (error == 0) return;
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

void ObjectServer::Fail(Waiter waiter, int error) {
  // EINTR comes from a worker, everything else from the table's thread: each counts for itself.
  if (error == EINTR) {
    (void)waiter.reply.device->ReplyError(waiter.reply.unique, error);
  } else {
    AnswerError({waiter.reply, waiter.nid, counters_.back(), {}}, error);
  }
  registry_.Release(waiter.content);
}

void ObjectServer::Lseek(const Call& call, fuse::Cursor body) {
  fuse::LseekIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  if (in.whence != kSeekData && in.whence != kSeekHole) return AnswerError(call, EINVAL);
  int error = 0;
  const std::shared_ptr<const ObjectFile> file = FileOf(call.node, &error);
  if (error != 0) return AnswerError(call, error);
  if (file == nullptr || in.offset >= file->record.size) return AnswerError(call, ENXIO);
  const ContentRecord& record = file->record;
  const uint32_t bits = record.block_size_bits;
  const bool want_hole = in.whence == kSeekHole;
  auto block = static_cast<uint32_t>(in.offset >> bits);
  while (block < record.block_count &&
         (file->object.index->KindOf(record, block) == BlockKind::kHole) != want_hole) {
    ++block;
  }
  // Every file ends in a hole that begins at its end.
  if (block == record.block_count && !want_hole) return AnswerError(call, ENXIO);
  const uint64_t start =
      block == record.block_count ? record.size : std::max(in.offset, uint64_t{block} << bits);
  const fuse::LseekOut out{start};
  Answer(call, fuse::BytesOf(out));
}

}  // namespace g8ufs
