#include "driver/content_server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "driver/read_fully.h"

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
      counters_(workers + 1) {}

ContentServer::Call ContentServer::BeginCall(const fuse::Request& request, uint64_t nid,
                                             const fuse::Worker& worker) {
  Counters& counters = counters_[worker.index];
  if (request.header.opcode < fuse::kOpcodeCount) counters.requests[request.header.opcode].Add();
  return {{worker.device, request.header.unique}, nid, counters, worker.reply_buffer};
}

ContentServer::Call ContentServer::ResumeCall(const Waiter& waiter) {
  // One that is stuck keeps its own.
  static thread_local const auto buffer =
      std::make_unique_for_overwrite<uint8_t[]>(fuse::kMaxReadBytes);
  return {waiter.reply, waiter.nid, counters_.back(), {buffer.get(), fuse::kMaxReadBytes}};
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
  if (!registry_.CanRead()) return 0;
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
  Content& content = *file.content;
  const BlockRange blocks = BlocksOf(file.record, offset, size);
  const int complete = file.file.ok() ? file.file.get() : content.complete_fd();
  const bool is_whole = complete >= 0 && !content.broken();
  if (is_whole || content.CanServe(blocks.first, blocks.count)) {
    const Source source{is_whole ? complete : content.fd(), is_whole};
    if (AnswerRange(call, content, source, offset, size)) return;
  }
  if (HasLostBlock(image, file.record, content, blocks.first, blocks.count)) {
    return AnswerError(call, EIO);
  }
  ParkRead(call, image, file, offset, size);
}

bool ContentServer::AnswerRange(const Call& call, Content& content, Source source,
                                uint64_t offset, uint32_t size) {
  const MutableByteSpan out = call.buffer.first(size);
  switch (ReadRange(content, source, offset, out)) {
    case 0:
      call.counters.bytes_read.Add(size);
      Answer(call, out);
      return true;
    case EAGAIN:
      return false;
    case ENOMEM:
      AnswerError(call, EIO);  // says nothing about the file
      return true;
    default:
      // The disk is failing, or a file was cut: neither is the reader's business. The cache is
      // asked, and lends what it fetches.
      call.counters.read_failures.Add();
      registry_.Break(content);
      return false;
  }
}

int ContentServer::ReadRange(const Content& content, Source source, uint64_t offset,
                             MutableByteSpan out) {
  const uint32_t bits = content.shape().block_size_bits;
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = offset + done;
    const auto block = static_cast<uint32_t>(at >> bits);
    const uint64_t in_block = at - (uint64_t{block} << bits);
    if (const LentBytes lent = content.Lent(block); lent != nullptr) {
      const size_t count = std::min<size_t>(out.size() - done, lent->size() - in_block);
      std::memcpy(out.data() + done, lent->data() + in_block, count);
      done += count;
      continue;
    }
    if (content.broken()) return EAGAIN;
    // As far as the next lent block; nearly always all of it.
    size_t end = std::min<size_t>(out.size(), done + ((uint64_t{1} << bits) - in_block));
    while (end < out.size() && content.Lent(static_cast<uint32_t>((offset + end) >> bits)) == nullptr) {
      end = std::min<size_t>(out.size(), end + (size_t{1} << bits));
    }
    const MutableByteSpan part = out.subspan(done, end - done);
    const auto last = static_cast<uint32_t>((offset + end - 1) >> bits);
    // What was lent a moment ago is not in the file.
    if (!source.is_whole && !content.HasBlocks(block, last - block + 1)) return EAGAIN;
    if (source.fd < 0) {
      std::memset(part.data(), 0, part.size());  // without a file only holes are present
    } else if (const int error = ReadFully(source.fd, at, part); error != 0) {
      return error;
    }
    done = end;
  }
  return 0;
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
  waiter.has_file = file.file.ok() || file.content->complete_fd() >= 0;
  registry_.AddUser(*waiter.content);
  Park(call, std::move(waiter));
}

void ContentServer::Park(const Call& call, Waiter waiter) {
  if (const int error = misses_.Park(waiter); error != 0) {
    registry_.Release(waiter.content);
    if (error != EALREADY) AnswerError(call, error);
  }
}

void ContentServer::ResumeRead(Waiter waiter) {
  const Call call = ResumeCall(waiter);
  Content& content = *waiter.content;
  Source source{content.fd(), false};
  if (!content.broken() && !content.CanServe(waiter.block, waiter.block_count)) {
    // Resumed because the content is complete: its bytes are in the other file.
    if (content.complete_fd() < 0) {
      UniqueFd file;
      int error = FindComplete(content.digest(), content.shape().size, waiter.content_row,
                               waiter.image, &file);
      if (error == 0 && !file.ok() && !waiter.asked_anew) {
        // Evicted since it was announced: asked for once more.
        waiter.asked_anew = true;
        waiter.has_file = false;
        registry_.RevokeComplete(content);
        return Park(call, std::move(waiter));
      }
      if (error == 0 && !file.ok()) error = EIO;
      if (error != 0) return Fail(std::move(waiter), error);
      registry_.AdoptComplete(content, std::move(file));
    }
    source = {content.complete_fd(), true};
  }
  if (!AnswerRange(call, content, source, waiter.offset, waiter.size)) {
    return Park(call, std::move(waiter));
  }
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
