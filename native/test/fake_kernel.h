// The kernel's end of a FUSE connection over a socket pair that keeps message borders: sends
// requests, receives replies in any order. Replies are read by whoever asks; not thread-safe.
#ifndef G8UFS_NATIVE_TEST_FAKE_KERNEL_H_
#define G8UFS_NATIVE_TEST_FAKE_KERNEL_H_

#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "fuse/abi.h"
#include "fuse/mount.h"

namespace g8ufs::test {

struct Reply {
  int error = 0;  // positive errno
  std::string data;

  template <class T>
  T As() const {
    T value{};
    std::memcpy(&value, data.data(), std::min(sizeof(T), data.size()));
    return value;
  }
};

class FakeKernel {
 public:
  // The default offers everything but passthrough, which a socket cannot have.
  explicit FakeKernel(uint64_t offered = ~uint64_t{0} & ~fuse::kPassthrough) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    socket_.Reset(fds[0]);
    server_.Reset(fds[1]);
    fuse::InitIn init{};
    init.major = fuse::kMajor;
    init.minor = fuse::kMinor;
    init.max_readahead = 1 << 17;
    init.flags = static_cast<uint32_t>(offered);
    init.flags2 = static_cast<uint32_t>(offered >> 32);
    init_ = Send(fuse::Opcode::INIT, 0, {reinterpret_cast<const char*>(&init), sizeof(init)});
  }

  // The server's end.
  fuse::Mounted Connection() {
    fuse::Mounted mounted;
    mounted.device = fuse::Device(std::move(server_));
    return mounted;
  }
  fuse::InitOut InitReply() { return Wait(init_)->As<fuse::InitOut>(); }

  uint64_t Send(fuse::Opcode opcode, uint64_t nodeid, std::string body = {}) {
    fuse::InHeader header{};
    header.len = static_cast<uint32_t>(sizeof(header) + body.size());
    header.opcode = static_cast<uint32_t>(opcode);
    header.unique = next_ += 2;
    header.nodeid = nodeid;
    std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
    message += body;
    if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return 0;
    return header.unique;
  }
  template <class T>
  uint64_t SendStruct(fuse::Opcode opcode, uint64_t nodeid, const T& body) {
    return Send(opcode, nodeid, {reinterpret_cast<const char*>(&body), sizeof(body)});
  }
  uint64_t SendRead(uint64_t nodeid, uint64_t handle, uint64_t offset, uint32_t size) {
    fuse::ReadIn in{};
    in.fh = handle;
    in.offset = offset;
    in.size = size;
    return SendStruct(fuse::Opcode::READ, nodeid, in);
  }

  // The reply to a request, when it comes within the time.
  std::optional<Reply> Wait(uint64_t unique, int timeout_ms = 10'000) {
    while (!replies_.contains(unique)) {
      pollfd ready{socket_.get(), POLLIN, 0};
      if (::poll(&ready, 1, timeout_ms) <= 0) return std::nullopt;
      const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
      if (size < static_cast<ssize_t>(sizeof(fuse::OutHeader))) return std::nullopt;
      fuse::OutHeader header;
      std::memcpy(&header, buffer_.data(), sizeof(header));
      replies_[header.unique] = {-header.error,
                                 {buffer_.data() + sizeof(header), buffer_.data() + size}};
    }
    Reply reply = replies_[unique];
    replies_.erase(unique);
    return reply;
  }
  Reply Call(fuse::Opcode opcode, uint64_t nodeid, std::string body = {}) {
    return Wait(Send(opcode, nodeid, std::move(body))).value_or(Reply{-1, {}});
  }
  fuse::OpenOut Open(uint64_t nodeid) {
    const fuse::OpenIn in{};
    return Call(fuse::Opcode::OPEN, nodeid, {reinterpret_cast<const char*>(&in), sizeof(in)})
        .As<fuse::OpenOut>();
  }

  // A READ that was sent before, under the number that it has now.
  void Resend(uint64_t unique, uint64_t nodeid, uint64_t handle, uint64_t offset, uint32_t size) {
    const uint64_t next = next_;
    next_ = unique - 2;
    SendRead(nodeid, handle, offset, size);
    next_ = next;
  }
  // The code of a notification, when one comes within the time.
  int Notified() { return -Wait(0).value_or(Reply{}).error; }

  // What the end of the mount looks like to the server.
  void End() { socket_.Reset(); }

 private:
  UniqueFd socket_;
  UniqueFd server_;
  uint64_t next_ = 0;
  uint64_t init_ = 0;
  std::map<uint64_t, Reply> replies_;
  // For all replies: the sanitizers take long over large allocations.
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
};

}  // namespace g8ufs::test

#endif  // G8UFS_NATIVE_TEST_FAKE_KERNEL_H_
