#include "guest/server.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace g8ufs::guest {
namespace {

// A block that the protocol's clients read at once.
constexpr size_t kReadSizeMax = size_t{512} << 10;
// Files of /proc and configuration files are far smaller.
constexpr size_t kLookSizeMax = size_t{4} << 20;

enum LookKind : uint32_t { kContent = 0, kNames = 1, kLink = 2 };

// Returns false at the end of the input; `count` is what was read until then.
bool ReadFully(int fd, MutableByteSpan room, size_t& count) {
  count = 0;
  while (count < room.size()) {
    const ssize_t result = ::read(fd, room.data() + count, room.size() - count);
    if (result < 0 && errno == EINTR) continue;
    if (result <= 0) return false;
    count += static_cast<size_t>(result);
  }
  return true;
}

bool WriteFully(int fd, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

bool Server::Run() {
  Buffer frame;
  while (!broken_) {
    uint8_t head[4];
    size_t count;
    if (!ReadFully(input_, head, count)) return count == 0;
    const size_t size = LoadLe32(head);
    if (size < kFrameHeadSize || size > kFrameSizeMax) return false;
    frame.Resize(size);
    if (!ReadFully(input_, frame.span(), count) || !Handle(frame.span())) return false;
  }
  return false;
}

bool Server::Handle(ByteSpan request) {
  if (request.size() < kFrameHeadSize) return false;
  const uint32_t id = LoadLe32(request.data());
  const auto operation = static_cast<Operation>(request[4]);
  FieldReader fields(request.subspan(kFrameHeadSize));
  switch (operation) {
    case Operation::kRemove:
    case Operation::kChmod:
    case Operation::kChown:
      return HandleTree(id, operation, fields);
    case Operation::kLook:
      return HandleLook(id, fields);
    default:
      return HandleFile(id, operation, fields);
  }
}

bool Server::HandleFile(uint32_t id, Operation operation, FieldReader& fields) {
  FieldWriter reply;
  int error = 0;
  switch (operation) {
    case Operation::kOpen: {
      const std::string path = fields.Text();
      const uint32_t flags = fields.U32();
      const uint32_t mode = fields.U32();
      if (!fields.IsComplete()) return false;
      uint32_t handle = 0;
      error = files_.Open(path, static_cast<int>(flags), mode, handle);
      reply.U32(handle);
      break;
    }
    case Operation::kRead: {
      const uint32_t handle = fields.U32();
      const size_t size = std::min<size_t>(fields.U32(), kReadSizeMax);
      if (!fields.IsComplete()) return false;
      Buffer room;
      room.Resize(size);
      size_t count = 0;
      error = files_.Read(handle, room.span(), count);
      reply.Bytes(room.span().first(count));
      break;
    }
    case Operation::kWrite: {
      const uint32_t handle = fields.U32();
      const ByteSpan bytes = fields.Bytes();
      if (!fields.IsComplete()) return false;
      error = files_.Write(handle, bytes);
      break;
    }
    case Operation::kClose: {
      const uint32_t handle = fields.U32();
      if (!fields.IsComplete()) return false;
      files_.Close(handle);
      break;
    }
    case Operation::kExists: {
      const std::string path = fields.Text();
      if (!fields.IsComplete()) return false;
      bool exists = false;
      error = Exists(path, exists);
      reply.U32(exists ? 1 : 0);
      break;
    }
    case Operation::kList: {
      const std::string path = fields.Text();
      if (!fields.IsComplete()) return false;
      error = List(id, path, reply);
      break;
    }
    case Operation::kMakeFolder: {
      const std::string path = fields.Text();
      if (!fields.IsComplete()) return false;
      error = MakeFolder(path);
      break;
    }
    case Operation::kMove: {
      const std::string path = fields.Text();
      const std::string destination = fields.Text();
      if (!fields.IsComplete()) return false;
      error = ::rename(path.c_str(), destination.c_str()) == 0 ? 0 : errno;
      break;
    }
    case Operation::kKill: {
      const uint32_t pid = fields.U32();
      const uint32_t signal = fields.U32();
      if (!fields.IsComplete()) return false;
      // Zero and what is negative would be a whole group, one the first process of the place.
      if (pid <= 1 || pid > INT32_MAX) error = EPERM;
      else error = ::kill(static_cast<pid_t>(pid), static_cast<int>(signal)) == 0 ? 0 : errno;
      break;
    }
    default:
      return false;
  }
  if (error != 0) {
    Answer(id, error);
  } else {
    Send(id, ReplyKind::kEnd, reply);
  }
  return true;
}

bool Server::HandleTree(uint32_t id, Operation operation, FieldReader& fields) {
  const std::string path = fields.Text();
  if (operation == Operation::kRemove) {
    if (!fields.IsComplete()) return false;
    RunBeside(id, [path] { return Remove(path); });
    return true;
  }
  if (operation == Operation::kChmod) {
    const uint32_t mode = fields.U32();
    const bool recursive = fields.U32() != 0;
    if (!fields.IsComplete()) return false;
    RunBeside(id, [path, mode, recursive] { return ChangeMode(path, mode, recursive); });
    return true;
  }
  const std::string user = fields.Text();
  const std::string group = fields.Text();
  const bool recursive = fields.U32() != 0;
  if (!fields.IsComplete()) return false;
  RunBeside(id, [path, user, group, recursive] {
    uint32_t uid;
    uint32_t gid;
    if (const int error = FindId("/etc/passwd", user, uid)) return error;
    if (const int error = FindId("/etc/group", group, gid)) return error;
    return ChangeOwner(path, uid, gid, recursive);
  });
  return true;
}

bool Server::HandleLook(uint32_t id, FieldReader& fields) {
  const uint32_t count = fields.U32();
  for (uint32_t index = 0; index < count; ++index) {
    const uint32_t kind = fields.U32();
    const std::string path = fields.Text();
    if (!fields.ok() || kind > kLink) return false;
    if (const int error = LookAt(id, index, kind, path)) {
      Send(id, ReplyKind::kPart,
           FieldWriter().U32(index).U32(static_cast<uint32_t>(error)).Bytes({}));
    }
  }
  if (!fields.IsComplete()) return false;
  Answer(id, 0);
  return true;
}

int Server::LookAt(uint32_t id, uint32_t index, uint32_t kind, const std::string& path) {
  const auto send = [&](ByteSpan bytes) {
    Send(id, ReplyKind::kPart, FieldWriter().U32(index).U32(0).Bytes(bytes));
  };
  const auto send_text = [&](const std::string& text) {
    send({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  if (kind == kContent) {
    // Also an empty file is one that was read.
    bool sent = false;
    const int error = ReadContent(path, kLookSizeMax, [&](ByteSpan piece) {
      send(piece);
      sent = true;
    });
    if (error == 0 && !sent) send({});
    return error;
  }
  std::string text;
  if (kind == kLink) {
    if (const int error = ReadLink(path, text)) return error;
    send_text(text);
    return 0;
  }
  const int error = EachName(path, [&](int, const std::string& name) {
    text.append(name).push_back('\0');
    if (text.size() >= kPartSize) {
      send_text(text);
      text.clear();
    }
    return broken_ ? EPIPE : 0;
  });
  if (error == 0) send_text(text);
  return error;
}

int Server::List(uint32_t id, const std::string& path, FieldWriter& rest) {
  return EachName(path, [&](int folder, const std::string& name) {
    struct stat status;
    // Gone since it was listed.
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
    rest.U32(S_ISDIR(status.st_mode) ? 1 : 0).U32(status.st_mode & 07777);
    rest.U64(static_cast<uint64_t>(status.st_size)).Text(name);
    if (rest.size() >= kPartSize) {
      Send(id, ReplyKind::kPart, rest);
      rest.Clear();
    }
    return broken_ ? EPIPE : 0;
  });
}

void Server::RunBeside(uint32_t id, std::function<int()> task) {
  if (tree_tasks_.fetch_add(1) >= kTreeTasksMax) {
    --tree_tasks_;
    Answer(id, EAGAIN);
    return;
  }
  // The server outlives it: the process ends with _exit.
  std::thread([this, id, run = std::move(task)] {
    Answer(id, run());
    --tree_tasks_;
  }).detach();
}

void Server::Answer(uint32_t id, int error) {
  if (error == 0) {
    Send(id, ReplyKind::kEnd, FieldWriter());
  } else {
    Send(id, ReplyKind::kError, FieldWriter().U32(static_cast<uint32_t>(error)));
  }
}

void Server::Send(uint32_t id, ReplyKind kind, const FieldWriter& fields) {
  uint8_t head[4 + kFrameHeadSize];
  StoreLe32(head, static_cast<uint32_t>(kFrameHeadSize + fields.size()));
  StoreLe32(head + 4, id);
  head[8] = static_cast<uint8_t>(kind);
  MutexLock lock(output_mutex_);
  if (!WriteFully(output_, head) || !WriteFully(output_, fields.span())) broken_ = true;
}

}  // namespace g8ufs::guest
