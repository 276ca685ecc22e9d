// The part of ObjectServer that knows names, nodes and attributes.
#include "driver/object_server.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace g8ufs {
namespace {

using fuse::Opcode;

// A content never changes. A day, because the kernel adds this to its clock.
constexpr uint64_t kValidSeconds = 24 * 60 * 60;
constexpr uint32_t kStatBlockSize = 4096;
constexpr uint32_t kFolderMode = S_IFDIR | 0500;
constexpr uint32_t kFileMode = S_IFREG | 0444;

// Node ids. The root is 1; `aa` is 0x100 and `aa/bb` 0x10000 plus their bytes; for objects see NodeOfDigest.
constexpr uint64_t kOuterFolders = 0x100;
constexpr uint64_t kInnerFolders = 0x10000;
// An empty file in the root, for the first open of the mount.
constexpr uint64_t kProbeNode = 2;
constexpr std::string_view kProbeName = "probe";

bool IsFolder(uint64_t node) {
  return node == fuse::kRootNodeId || (node >= kOuterFolders && node < kOuterFolders + 0x100) ||
         (node >= kInnerFolders && node < kInnerFolders + 0x10000);
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Lower-case hex of exactly this many bytes.
bool ParseHex(std::string_view text, MutableByteSpan bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int high = HexValue(text[2 * i]);
    const int low = HexValue(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

fuse::Attr AttrOf(uint64_t node, uint32_t mode, uint64_t size, uint64_t data_bytes) {
  fuse::Attr attr{};
  attr.ino = node;
  attr.size = size;
  attr.blocks = (data_bytes + 511) / 512;
  attr.mode = mode;
  attr.nlink = 1;
  attr.blksize = kStatBlockSize;
  return attr;
}

}  // namespace

ObjectServer::ObjectServer(const ContentFiles& files, ContentRegistry& registry, MissTable& misses,
                           size_t workers)
    : ContentServer(files, registry, misses, workers) {}

Status ObjectServer::AddImage(const std::string& directory, uint32_t* number) {
  Status status = images_.Add(directory, number);
  if (!status.ok()) return status;
  // The kernel keeps sizes. A content of one chunk can be claimed with a wrong one, and nobody
  // could tell before it is fetched: two images that disagree are not shown side by side.
  MutexLock lock(mutex_);
  for (const auto& [node, object] : objects_) {
    ObjectRecord record;
    const int error = images_.Find(object.digest, &record);
    if (error == ENOENT || (error == 0 && record.content.size == object.size)) continue;
    images_.Remove(*number);
    return Status(Code::ERR_FLIST_FORMAT,
                  "Content " + ToHex(object.digest) + " has another size in an image that is mounted");
  }
  return {};
}

void ObjectServer::Handle(const fuse::Request& request, const fuse::Worker& worker) {
  const Call call = BeginCall(request, request.header.nodeid, worker);
  switch (request.opcode()) {
    case Opcode::FORGET: {
      fuse::Cursor body = request.body;
      uint64_t count = 0;
      if (body.Take(&count)) Forget(call.nid, count);
      return;
    }
    case Opcode::BATCH_FORGET:
      return ForgetMany(request.body);
    case Opcode::LOOKUP:
      return Lookup(call, request.body);
    case Opcode::GETATTR:
      return Getattr(call);
    case Opcode::READ:
      return call.buffer.empty() ? AnswerError(call, ENOMEM) : Read(call, request.body);
    case Opcode::LSEEK:
      return Lseek(call, request.body);
    case Opcode::STATFS:
      return Statfs(call);
    case Opcode::INTERRUPT:
      return Interrupt(call, request.body);
    // The names are known to those who look them up.
    case Opcode::READDIR:
    case Opcode::READDIRPLUS:
      return Answer(call, {});
    case Opcode::RELEASE:
    case Opcode::RELEASEDIR:
    case Opcode::DESTROY:
      return AnswerError(call, 0);
    case Opcode::IOCTL:
      return AnswerError(call, ENOTTY);
    // OPEN among them: answered so once, the kernel does not ask again. Nothing can be written: the
    // mount is read-only.
    default:
      return AnswerError(call, ENOSYS);
  }
}

void ObjectServer::Lookup(const Call& call, fuse::Cursor body) {
  std::string_view name;
  if (!body.TakeName(&name)) return AnswerError(call, EINVAL);
  const bool is_root = call.nid == fuse::kRootNodeId;
  if (is_root && name == kProbeName) {
    return AnswerEntry(call, kProbeNode, AttrOf(kProbeNode, kFileMode, 0, 0));
  }
  const bool is_outer = call.nid >= kOuterFolders && call.nid < kOuterFolders + 0x100;
  if (!is_root && !is_outer) return LookupObject(call, name);
  uint8_t byte = 0;
  if (!ParseHex(name, {&byte, 1})) return AnswerError(call, ENOENT);
  const uint64_t node =
      is_root ? kOuterFolders + byte : kInnerFolders + ((call.nid - kOuterFolders) << 8 | byte);
  AnswerEntry(call, node, AttrOf(node, kFolderMode, 0, 0));
}

void ObjectServer::LookupObject(const Call& call, std::string_view name) {
  Digest digest;
  // An error instead of an empty entry: what is absent now may come with the next image.
  if (!IsFolder(call.nid) || !ParseHex(name, digest)) return AnswerError(call, ENOENT);
  const uint64_t folder = uint64_t{digest[0]} << 8 | digest[1];
  if (call.nid != kInnerFolders + folder) return AnswerError(call, ENOENT);
  ObjectRecord record;
  if (const int error = images_.Find(digest, &record); error != 0) return AnswerError(call, error);
  registry_.Touch(digest);
  const uint64_t node = NodeOfDigest(digest);
  Object object;
  {
    MutexLock lock(mutex_);
    const Object fresh{digest, record.content.size, record.content.data_bytes, 0};
    Object& known = objects_.try_emplace(node, fresh).first->second;
    if (known.digest == digest && known.size == record.content.size) ++known.lookups;
    object = known;
  }
  // Known from an image that is gone and was wrong about it (AddImage has looked at all others), or another
  // content that somebody has made to look the same.
  if (object.size != record.content.size || object.digest != digest) return AnswerError(call, EIO);
  const uint64_t data_bytes = std::min(object.data_bytes, object.size);
  AnswerEntry(call, node, AttrOf(node, kFileMode, object.size, data_bytes));
}

void ObjectServer::AnswerEntry(const Call& call, uint64_t node, const fuse::Attr& attr) {
  fuse::EntryOut entry{};
  entry.nodeid = node;
  entry.entry_valid = kValidSeconds;
  entry.attr_valid = kValidSeconds;
  entry.attr = attr;
  // Not taken: the kernel does not count the lookup either.
  if (call.reply.device->Reply(call.reply.unique, fuse::BytesOf(entry)) != 0) Forget(node, 1);
}

void ObjectServer::Getattr(const Call& call) {
  fuse::AttrOut out{};
  out.attr_valid = kValidSeconds;
  Object object;
  if (IsFolder(call.nid)) {
    out.attr = AttrOf(call.nid, kFolderMode, 0, 0);
  } else if (call.nid == kProbeNode) {
    out.attr = AttrOf(call.nid, kFileMode, 0, 0);
  } else if (const int error = FindObject(call.nid, &object); error == 0) {
    out.attr = AttrOf(call.nid, kFileMode, object.size, std::min(object.data_bytes, object.size));
  } else {
    return AnswerError(call, error);
  }
  AnswerStruct(call, out);
}

void ObjectServer::Statfs(const Call& call) {
  fuse::StatfsOut out{};
  out.bsize = kStatBlockSize;
  out.frsize = kStatBlockSize;
  out.namelen = 255;
  AnswerStruct(call, out);
}

void ObjectServer::Forget(uint64_t node, uint64_t count) {
  MutexLock lock(mutex_);
  const auto found = objects_.find(node);
  if (found == objects_.end()) return;
  found->second.lookups -= std::min(count, found->second.lookups);
  if (found->second.lookups > 0) return;
  objects_.erase(found);
}

void ObjectServer::ForgetMany(fuse::Cursor body) {
  fuse::BatchForgetIn in;
  if (!body.Take(&in)) return;
  fuse::ForgetOne one;
  for (uint32_t i = 0; i < in.count && body.Take(&one); ++i) Forget(one.nodeid, one.nlookup);
}

int ObjectServer::FindObject(uint64_t node, Object* object) {
  {
    MutexLock lock(mutex_);
    const auto found = objects_.find(node);
    if (found != objects_.end()) {
      *object = found->second;
      return 0;
    }
  }
  // Looked up by a predecessor: how often nobody knows, and it does not matter. Whoever forgets it too
  // early finds it again like this.
  ObjectRecord record;
  if (node < kObjectNodes) return ESTALE;
  if (const int error = images_.FindNode(node, &record); error != 0) {
    return error == ENOENT ? ESTALE : error;
  }
  const ContentRecord& content = record.content;
  MutexLock lock(mutex_);
  *object = objects_.try_emplace(node, Object{content.digest, content.size, content.data_bytes, 0})
                .first->second;
  return 0;
}

}  // namespace g8ufs
