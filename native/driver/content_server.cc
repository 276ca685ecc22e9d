#include "driver/content_server.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace g8ufs {
namespace {

constexpr uint32_t kSeekData = 3;
constexpr uint32_t kSeekHole = 4;

// Answers that are part of the protocol or the user's doing are no failures.
bool IsFailure(int error) {
  switch (error) {
    case 0:
    case EINTR:
    case EINVAL:
    case ENAMETOOLONG:
    case ENODATA:
    case ENOENT:
    case ENOSYS:
    case ENOTDIR:
    case ENOTTY:
    case ENXIO:
    case ERANGE:
    case EROFS:
    case EAGAIN:
    case ESTALE:
      return false;
    default:
      return true;
  }
}

}  // namespace

BlockRange BlocksOf(const ContentRecord& record, uint64_t offset, uint32_t size) {
  const uint32_t bits = record.block_size_bits;
  const auto first = static_cast<uint32_t>(offset >> bits);
  return {first, static_cast<uint32_t>(((offset + size - 1) >> bits) - first + 1)};
}

ContentServer::ContentServer(const ContentFiles& files, ContentRegistry& registry,
                             MissTable& misses, size_t workers)
    : files_(files),
      registry_(registry),
      misses_(misses),
      counters_(workers + 1),
      resume_buffer_(std::make_unique_for_overwrite<uint8_t[]>(fuse::kMaxReadBytes)) {}

ContentServer::Call ContentServer::BeginCall(const fuse::Request& request, uint64_t nid,
                                             const fuse::Worker& worker) {
  Counters& counters = counters_[worker.index];
  if (request.header.opcode < fuse::kOpcodeCount) counters.requests[request.header.opcode].Add();
  return {{&worker.device, request.header.unique}, nid, counters, worker.reply_buffer};
}

ContentServer::Call ContentServer::ResumeCall(const Waiter& waiter) {
  return {waiter.reply, waiter.nid, counters_.back(), {resume_buffer_.get(), fuse::kMaxReadBytes}};
}

void ContentServer::Answer(const Call& call, ByteSpan data, ByteSpan more) {
  // Fails when the kernel has given the request up or the connection has ended: nobody to tell.
  (void)call.reply.device->Reply(call.reply.unique, data, more);
}

void ContentServer::AnswerError(const Call& call, int error) {
  if (IsFailure(error)) call.counters.errors.Add();
  (void)call.reply.device->ReplyError(call.reply.unique, error);
}

void ContentServer::Interrupt(const Call& call, fuse::Cursor body) {
  fuse::InterruptIn in;
  if (!body.Take(&in)) return;
  Waiter waiter;
  if (misses_.Interrupt(in.unique, &waiter)) {
    call.counters.interrupts.Add();
    return Fail(std::move(waiter), EINTR);
  }
  // Not parked: answered, or about to be by another worker, or about to be parked. EAGAIN makes the
  // kernel send this again for as long as the request exists.
  AnswerError(call, EAGAIN);
}

void ContentServer::Fail(Waiter waiter, int error) {
  // EINTR comes from a worker, everything else from the table's thread: each counts for itself.
  if (error == EINTR) {
    (void)waiter.reply.device->ReplyError(waiter.reply.unique, error);
  } else {
    AnswerError(ResumeCall(waiter), error);
  }
  registry_.Release(waiter.content);
}

int ContentServer::FindComplete(const Digest& digest, uint64_t size, uint32_t row, uint32_t image,
                                UniqueFd* file, FileIdentity* identity) {
  ContentFiles::Found found{};
  if (const int error = files_.Find(digest, size, &found, file, identity); error != 0) return error;
  if (found == ContentFiles::Found::kUnsealed) misses_.Ask({.content = row, .image = image});
  return 0;
}

bool ContentServer::HasLostBlock(const Describer& image, const ContentRecord& record,
                                 const Content& content, uint32_t block, uint32_t count) {
  for (uint32_t i = block; i < block + count; ++i) {
    if (!content.HasBlock(i) && image.index.KindOf(record, i) == BlockKind::kLost) return true;
  }
  return false;
}

void ContentServer::ReadFile(const Call& call, const Describer& image, const ServedFile& file,
                             uint64_t offset, uint32_t size) {
  if (offset >= file.record.size) return Answer(call, {});
  size = static_cast<uint32_t>(std::min<uint64_t>(size, file.record.size - offset));
  if (size == 0) return Answer(call, {});
  if (file.file.ok()) return ReadFrom(call, file.file.get(), offset, size);
  const Content& content = *file.content;
  if (content.complete_fd() >= 0) return ReadFrom(call, content.complete_fd(), offset, size);
  const BlockRange blocks = BlocksOf(file.record, offset, size);
  if (content.HasBlocks(blocks.first, blocks.count)) {
    const int fd = content.fd();
    if (fd >= 0) return ReadFrom(call, fd, offset, size);
    // Without a file only holes are present.
    std::memset(call.buffer.data(), 0, size);
    return Answer(call, call.buffer.first(size));
  }
  if (HasLostBlock(image, file.record, content, blocks.first, blocks.count)) {
    return AnswerError(call, EIO);
  }
  ParkRead(call, image, file, offset, size);
}

void ContentServer::ReadFrom(const Call& call, int fd, uint64_t offset, uint32_t size) {
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

void ContentServer::ParkRead(const Call& call, const Describer& image, const ServedFile& file,
                             uint64_t offset, uint32_t size) {
  const BlockRange blocks = BlocksOf(file.record, offset, size);
  Waiter waiter;
  waiter.kind = Waiter::Kind::kRead;
  waiter.reply = call.reply;
  waiter.nid = call.nid;
  waiter.offset = offset;
  waiter.size = size;
  waiter.content = file.content;
  waiter.content_row = file.record.row;
  waiter.image = image.number;
  waiter.block = blocks.first;
  waiter.block_count = blocks.count;
  registry_.AddUser(*waiter.content);
  Park(call, std::move(waiter));
}

void ContentServer::Park(const Call& call, Waiter waiter) {
  if (const int error = misses_.Park(waiter); error != 0) {
    registry_.Release(waiter.content);
    AnswerError(call, error);
  }
}

void ContentServer::ResumeRead(Waiter waiter) {
  const Call call = ResumeCall(waiter);
  Content& content = *waiter.content;
  int fd = content.fd();
  if (fd < 0 || !content.HasBlocks(waiter.block, waiter.block_count)) {
    // Resumed because the content is complete: its bytes are in the other file.
    if (content.complete_fd() < 0) {
      UniqueFd file;
      int error = FindComplete(content.digest(), content.shape().size, waiter.content_row,
                               waiter.image, &file);
      if (error == 0 && !file.ok() && !waiter.asked_anew) {
        // Evicted since it was announced: asked for once more.
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

void ContentServer::SeekFile(const Call& call, const Describer& image, const ContentRecord& record,
                             const fuse::LseekIn& in) {
  if (in.whence != kSeekData && in.whence != kSeekHole) return AnswerError(call, EINVAL);
  if (in.offset >= record.size) return AnswerError(call, ENXIO);
  const uint32_t bits = record.block_size_bits;
  const bool want_hole = in.whence == kSeekHole;
  auto block = static_cast<uint32_t>(in.offset >> bits);
  while (block < record.block_count &&
         (image.index.KindOf(record, block) == BlockKind::kHole) != want_hole) {
    ++block;
  }
  // Every file ends in a hole that begins at its end.
  if (block == record.block_count && !want_hole) return AnswerError(call, ENXIO);
  const uint64_t start =
      block == record.block_count ? record.size : std::max(in.offset, uint64_t{block} << bits);
  AnswerStruct(call, fuse::LseekOut{start});
}

}  // namespace g8ufs
