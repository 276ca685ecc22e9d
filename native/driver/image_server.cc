#include "driver/image_server.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace g8ufs {
namespace {

using fuse::Opcode;

// Nothing ever changes under a mount, so that the kernel may keep names (absent ones too) and
// attributes as long as it likes. A day, because the kernel adds this to its clock.
constexpr uint64_t kValidSeconds = 24 * 60 * 60;
constexpr uint32_t kStatBlockSize = 4096;
constexpr size_t kNameSizeMax = 255;
// Largest list of names that the kernel passes on.
constexpr size_t kXattrListSizeMax = 64 * 1024;

uint64_t NidOf(uint64_t nodeid) { return nodeid == fuse::kRootNodeId ? erofs::kRootNid : nodeid; }

uint64_t NodeIdOf(uint64_t nid) { return nid == erofs::kRootNid ? fuse::kRootNodeId : nid; }

bool WantsNoReply(Opcode opcode) {
  return opcode == Opcode::FORGET || opcode == Opcode::BATCH_FORGET;
}

}  // namespace

ImageServer::ImageServer(const MountIndex& index, const ContentFiles& files,
                         ContentRegistry& registry, MissTable& misses, const Options& options)
    : ContentServer(files, registry, misses, options.workers),
      index_(index),
      options_(options),
      passthrough_(options.open_mode == OpenMode::kPassthrough) {}

void ImageServer::Handle(const fuse::Request& request, const fuse::Worker& worker) {
  const Call call = BeginCall(request, NidOf(request.header.nodeid), worker);
  if (WantsNoReply(request.opcode())) return;  // node ids are positions: nothing is counted
  if (call.buffer.empty()) return AnswerError(call, ENOMEM);
  switch (request.opcode()) {
    case Opcode::LOOKUP:
      return Lookup(call, request.body);
    case Opcode::GETATTR:
      return Getattr(call);
    case Opcode::READLINK:
      return Readlink(call);
    case Opcode::READDIR:
      return Readdir(call, request.body, false);
    case Opcode::READDIRPLUS:
      return Readdir(call, request.body, true);
    case Opcode::STATFS:
      return Statfs(call);
    case Opcode::GETXATTR:
      return Getxattr(call, request.body);
    case Opcode::LISTXATTR:
      return Listxattr(call, request.body, request.header.uid);
    case Opcode::OPEN:
      return Open(call, request.body);
    case Opcode::READ:
      return Read(call, request.body);
    case Opcode::LSEEK:
      return Lseek(call, request.body);
    case Opcode::RELEASE:
      return Release(call);
    case Opcode::INTERRUPT:
      return Interrupt(call, request.body);
    case Opcode::RELEASEDIR:
    case Opcode::DESTROY:
      return AnswerError(call, 0);
    case Opcode::IOCTL:
      return AnswerError(call, ENOTTY);
    case Opcode::SETATTR:
    case Opcode::SYMLINK:
    case Opcode::MKNOD:
    case Opcode::MKDIR:
    case Opcode::UNLINK:
    case Opcode::RMDIR:
    case Opcode::RENAME:
    case Opcode::RENAME2:
    case Opcode::LINK:
    case Opcode::WRITE:
    case Opcode::CREATE:
    case Opcode::TMPFILE:
    case Opcode::FALLOCATE:
    case Opcode::SETXATTR:
    case Opcode::REMOVEXATTR:
      return AnswerError(call, EROFS);
    // Once answered so, the kernel does not ask again: access(2) is checked by
    // default_permissions, OPENDIR is not needed, FLUSH and FSYNC have nothing to write, STATX
    // falls back to GETATTR, poll(2) says always ready.
    default:
      return AnswerError(call, ENOSYS);
  }
}

int ImageServer::FillAttr(uint64_t nid, fuse::Attr* attr) const {
  Attributes attributes;
  if (const int error = index_.GetAttributes(nid, &attributes); error != 0) return error;
  uint64_t data_bytes = 0;
  if (S_ISREG(attributes.mode) && attributes.size > 0) {
    std::optional<ContentRecord> content;
    if (const int error = index_.ContentOf(attributes, &content); error != 0) return error;
    data_bytes = std::min(content->data_bytes, attributes.size);
  } else if (S_ISDIR(attributes.mode)) {
    data_bytes = (attributes.size + kStatBlockSize - 1) / kStatBlockSize * kStatBlockSize;
  }
  *attr = fuse::Attr{};
  attr->ino = nid;
  attr->size = attributes.size;
  attr->blocks = (data_bytes + 511) / 512;
  attr->atime = attr->mtime = attr->ctime = static_cast<uint64_t>(attributes.mtime_seconds);
  attr->atimensec = attr->mtimensec = attr->ctimensec = attributes.mtime_nanoseconds;
  attr->mode = attributes.mode;
  attr->nlink = attributes.nlink;
  attr->uid = attributes.uid;
  attr->gid = attributes.gid;
  attr->rdev = attributes.device;
  attr->blksize = kStatBlockSize;
  return 0;
}

int ImageServer::FillEntry(uint64_t nid, fuse::EntryOut* entry) const {
  *entry = fuse::EntryOut{};
  if (const int error = FillAttr(nid, &entry->attr); error != 0) return error;
  entry->nodeid = NodeIdOf(nid);
  entry->entry_valid = kValidSeconds;
  entry->attr_valid = kValidSeconds;
  return 0;
}

void ImageServer::Lookup(const Call& call, fuse::Cursor body) {
  std::string_view name;
  if (!body.TakeName(&name)) return AnswerError(call, EINVAL);
  if (name.size() > kNameSizeMax) return AnswerError(call, ENAMETOOLONG);
  uint64_t nid = call.nid;
  const bool is_dots = name == "." || name == "..";
  // An exported file handle is asked for as its own `.`, whatever its type.
  const int error = name == "." ? 0 : index_.Lookup(call.nid, name, &nid);
  fuse::EntryOut entry{};
  if (error == ENOENT) {
    entry.entry_valid = kValidSeconds;  // a negative entry, kept as well
    return AnswerStruct(call, entry);
  }
  if (error != 0) return AnswerError(call, error);
  // The root inside the tree would be a loop.
  if (!is_dots && nid == erofs::kRootNid) return AnswerError(call, EIO);
  if (const int fill = FillEntry(nid, &entry); fill != 0) return AnswerError(call, fill);
  AnswerStruct(call, entry);
}

void ImageServer::Getattr(const Call& call) {
  fuse::AttrOut out{};
  if (const int error = FillAttr(call.nid, &out.attr); error != 0) return AnswerError(call, error);
  out.attr_valid = kValidSeconds;
  AnswerStruct(call, out);
}

void ImageServer::Readlink(const Call& call) {
  std::string_view target;
  if (const int error = index_.ReadLink(call.nid, &target); error != 0) {
    return AnswerError(call, error);
  }
  Answer(call, {reinterpret_cast<const uint8_t*>(target.data()), target.size()});
}

void ImageServer::Readdir(const Call& call, fuse::Cursor body, bool plus) {
  fuse::ReadIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  fuse::DirectoryWriter writer(call.buffer.first(std::min<size_t>(in.size, call.buffer.size())));
  DirectoryCursor cursor(index_, call.nid, in.offset);
  DirectoryEntry entry;
  int error = 0;
  while ((error = cursor.Next(&entry)) == 0) {
    if (!plus) {
      if (!writer.Add(entry.name, entry.nid, entry.type, entry.next)) break;
      continue;
    }
    fuse::EntryOut out{};
    uint32_t type = entry.type;
    const bool is_dots = entry.name == "." || entry.name == "..";
    // Dots get no node id, for they count no lookup; a broken inode neither: its own LOOKUP says
    // so.
    if (!is_dots && entry.nid != erofs::kRootNid && FillEntry(entry.nid, &out) == 0) {
      type = (out.attr.mode & S_IFMT) >> 12;
    } else {
      out = fuse::EntryOut{};
    }
    if (!writer.AddPlus(out, entry.name, entry.nid, type, entry.next)) break;
  }
  // What was read before a broken block is still true; the next call meets the block again.
  if (error != 0 && error != ENOENT && writer.bytes().empty()) return AnswerError(call, error);
  Answer(call, writer.bytes());
}

void ImageServer::Statfs(const Call& call) {
  fuse::StatfsOut out{};
  out.blocks = (index_.file_bytes() + kStatBlockSize - 1) / kStatBlockSize;
  out.files = index_.inode_count();
  out.bsize = kStatBlockSize;
  out.frsize = kStatBlockSize;
  out.namelen = kNameSizeMax;
  AnswerStruct(call, out);
}

void ImageServer::AnswerXattr(const Call& call, uint32_t room, ByteSpan value) {
  if (room == 0) {
    return AnswerStruct(call, fuse::GetxattrOut{static_cast<uint32_t>(value.size()), 0});
  }
  if (value.size() > room) return AnswerError(call, ERANGE);
  Answer(call, value);
}

void ImageServer::Getxattr(const Call& call, fuse::Cursor body) {
  if (!index_.has_visible_xattrs() && options_.magic_xattrs != MagicXattrs::kOn) {
    return AnswerError(call, ENOSYS);
  }
  fuse::GetxattrIn in;
  std::string_view name;
  if (!body.Take(&in) || !body.TakeName(&name)) return AnswerError(call, EINVAL);
  if (IsMagicXattr(name) && options_.magic_xattrs != MagicXattrs::kOff) {
    return GetMagicXattr(call, in.size, name);
  }
  ByteSpan value;
  if (const int error = index_.GetXattr(call.nid, name, &value); error != 0) {
    return AnswerError(call, error);
  }
  AnswerXattr(call, in.size, value);
}

void ImageServer::GetMagicXattr(const Call& call, uint32_t room, std::string_view name) {
  Attributes attributes;
  if (const int error = index_.GetAttributes(call.nid, &attributes); error != 0) {
    return AnswerError(call, error);
  }
  if (!S_ISREG(attributes.mode)) return AnswerError(call, ENODATA);
  std::optional<ContentRecord> record;
  if (const int error = index_.ContentOf(attributes, &record); error != 0) {
    return AnswerError(call, error);
  }
  const std::optional<std::string> value = MagicXattr({index_, files_, registry_, record}, name);
  if (!value) return AnswerError(call, ENODATA);
  AnswerXattr(call, room, {reinterpret_cast<const uint8_t*>(value->data()), value->size()});
}

void ImageServer::Listxattr(const Call& call, fuse::Cursor body, uint32_t uid) {
  if (!index_.has_visible_xattrs()) return AnswerError(call, ENOSYS);
  fuse::GetxattrIn in;
  if (!body.Take(&in)) return AnswerError(call, EINVAL);
  size_t size = 0;
  XattrCursor cursor(index_, call.nid);
  XattrView xattr;
  int error = 0;
  while ((error = cursor.Next(&xattr)) == 0) {
    // The kernel lets only root read these, and other file systems do not list them either.
    if (xattr.prefix == "trusted." && uid != 0) continue;
    const size_t record = xattr.prefix.size() + xattr.name.size() + 1;
    if (size + record > kXattrListSizeMax) return AnswerError(call, E2BIG);
    uint8_t* out = call.buffer.data() + size;
    std::memcpy(out, xattr.prefix.data(), xattr.prefix.size());
    std::memcpy(out + xattr.prefix.size(), xattr.name.data(), xattr.name.size());
    out[record - 1] = 0;
    size += record;
  }
  if (error != ENODATA) return AnswerError(call, error);
  AnswerXattr(call, in.size, call.buffer.first(size));
}

}  // namespace g8ufs
