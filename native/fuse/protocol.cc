#include "fuse/protocol.h"

#include <algorithm>
#include <array>

namespace g8ufs::fuse {
namespace {

constexpr size_t AlignUp(size_t size) { return (size + 7) & ~size_t{7}; }

constexpr std::array<const char*, kOpcodeCount> kNames = [] {
  std::array<const char*, kOpcodeCount> names{};
  const auto set = [&names](Opcode opcode, const char* name) {
    names[static_cast<size_t>(opcode)] = name;
  };
  set(Opcode::LOOKUP, "lookup");
  set(Opcode::FORGET, "forget");
  set(Opcode::GETATTR, "getattr");
  set(Opcode::SETATTR, "setattr");
  set(Opcode::READLINK, "readlink");
  set(Opcode::SYMLINK, "symlink");
  set(Opcode::MKNOD, "mknod");
  set(Opcode::MKDIR, "mkdir");
  set(Opcode::UNLINK, "unlink");
  set(Opcode::RMDIR, "rmdir");
  set(Opcode::RENAME, "rename");
  set(Opcode::LINK, "link");
  set(Opcode::OPEN, "open");
  set(Opcode::READ, "read");
  set(Opcode::WRITE, "write");
  set(Opcode::STATFS, "statfs");
  set(Opcode::RELEASE, "release");
  set(Opcode::FSYNC, "fsync");
  set(Opcode::SETXATTR, "setxattr");
  set(Opcode::GETXATTR, "getxattr");
  set(Opcode::LISTXATTR, "listxattr");
  set(Opcode::REMOVEXATTR, "removexattr");
  set(Opcode::FLUSH, "flush");
  set(Opcode::INIT, "init");
  set(Opcode::OPENDIR, "opendir");
  set(Opcode::READDIR, "readdir");
  set(Opcode::RELEASEDIR, "releasedir");
  set(Opcode::FSYNCDIR, "fsyncdir");
  set(Opcode::GETLK, "getlk");
  set(Opcode::SETLK, "setlk");
  set(Opcode::SETLKW, "setlkw");
  set(Opcode::ACCESS, "access");
  set(Opcode::CREATE, "create");
  set(Opcode::INTERRUPT, "interrupt");
  set(Opcode::BMAP, "bmap");
  set(Opcode::DESTROY, "destroy");
  set(Opcode::IOCTL, "ioctl");
  set(Opcode::POLL, "poll");
  set(Opcode::NOTIFY_REPLY, "notifyreply");
  set(Opcode::BATCH_FORGET, "batchforget");
  set(Opcode::FALLOCATE, "fallocate");
  set(Opcode::READDIRPLUS, "readdirplus");
  set(Opcode::RENAME2, "rename2");
  set(Opcode::LSEEK, "lseek");
  set(Opcode::COPY_FILE_RANGE, "copyfilerange");
  set(Opcode::SETUPMAPPING, "setupmapping");
  set(Opcode::REMOVEMAPPING, "removemapping");
  set(Opcode::SYNCFS, "syncfs");
  set(Opcode::TMPFILE, "tmpfile");
  set(Opcode::STATX, "statx");
  set(Opcode::COPY_FILE_RANGE_64, "copyfilerange64");
  return names;
}();

}  // namespace

const char* OpcodeName(uint32_t opcode) { return opcode < kOpcodeCount ? kNames[opcode] : nullptr; }

bool Cursor::TakeName(std::string_view* name) {
  const auto end = std::find(bytes_.begin(), bytes_.end(), uint8_t{0});
  if (end == bytes_.end()) return false;
  const auto size = static_cast<size_t>(end - bytes_.begin());
  *name = {reinterpret_cast<const char*>(bytes_.data()), size};
  bytes_ = bytes_.subspan(size + 1);
  return true;
}

std::optional<Request> DecodeRequest(ByteSpan message) {
  Request request{};
  Cursor cursor(message);
  if (!cursor.Take(&request.header) || request.header.len != message.size()) return std::nullopt;
  const size_t extensions = size_t{request.header.total_extlen} * 8;
  const ByteSpan body = cursor.left();
  if (extensions > body.size()) return std::nullopt;
  request.body = Cursor(body.first(body.size() - extensions));
  return request;
}

bool TakeInit(Cursor* body, InitIn* init) {
  *init = InitIn{};
  const ByteSpan bytes = body->left();
  if (bytes.size() < kInitInSizeMin) return false;
  std::memcpy(init, bytes.data(), std::min(bytes.size(), sizeof(InitIn)));
  return true;
}

bool DirectoryWriter::Add(std::string_view name, uint64_t ino, uint32_t type, uint64_t next) {
  return Append(nullptr, name, {ino, next, static_cast<uint32_t>(name.size()), type});
}

bool DirectoryWriter::AddPlus(const EntryOut& entry, std::string_view name, uint64_t ino,
                              uint32_t type, uint64_t next) {
  return Append(&entry, name, {ino, next, static_cast<uint32_t>(name.size()), type});
}

bool DirectoryWriter::Append(const EntryOut* entry, std::string_view name, const Dirent& dirent) {
  const size_t head = (entry == nullptr ? 0 : sizeof(EntryOut)) + sizeof(Dirent);
  const size_t record = AlignUp(head + name.size());
  if (record > buffer_.size() - size_) return false;
  uint8_t* out = buffer_.data() + size_;
  if (entry != nullptr) {
    std::memcpy(out, entry, sizeof(EntryOut));
    out += sizeof(EntryOut);
  }
  std::memcpy(out, &dirent, sizeof(Dirent));
  std::memcpy(out + sizeof(Dirent), name.data(), name.size());
  // Zeros, so that nothing of an earlier reply leaks into the padding.
  std::memset(buffer_.data() + size_ + head + name.size(), 0, record - head - name.size());
  size_ += record;
  return true;
}

}  // namespace g8ufs::fuse
