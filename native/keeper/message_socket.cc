#include "keeper/message_socket.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace g8ufs::keeper {
namespace {

constexpr int kBacklog = 8;

int OpenSocket(const std::string& path, sockaddr_un* address, UniqueFd* socket) {
  *address = sockaddr_un{};
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof(address->sun_path)) return ENAMETOOLONG;
  std::memcpy(address->sun_path, path.data(), path.size());
  socket->Reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  return socket->ok() ? 0 : errno;
}

}  // namespace

int SendMessage(int socket, const Message& message, const std::vector<int>& fds) {
  Message copy = message;
  iovec part{&copy, sizeof(copy)};
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsMax * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    return errno == EAGAIN ? ETIMEDOUT : errno;
  }
  return 0;
}

int ReceiveMessage(int socket, Message* message, std::vector<UniqueFd>* fds) {
  fds->clear();
  iovec part{message, sizeof(*message)};
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsMax * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t size = 0;
  while ((size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == EINTR) continue;
    return errno == EAGAIN ? ETIMEDOUT : errno;
  }
  for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
       entry = CMSG_NXTHDR(&header, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(entry) + i * sizeof(int), sizeof(int));
      fds->emplace_back(fd);
    }
  }
  const bool is_cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  if (size == static_cast<ssize_t>(sizeof(*message)) && !is_cut && message->magic == kMagic) {
    return 0;
  }
  fds->clear();
  return size == 0 ? EPIPE : EPROTO;
}

int Connect(const std::string& path, UniqueFd* socket) {
  sockaddr_un address;
  if (const int error = OpenSocket(path, &address, socket); error != 0) return error;
  while (::connect(socket->get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int Listen(const std::string& path, UniqueFd* socket) {
  sockaddr_un address;
  if (const int error = OpenSocket(path, &address, socket); error != 0) return error;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno;
  // The mode of a socket comes from the mask, and nobody connects before it listens.
  const mode_t mask = ::umask(0177);
  const int bound =
      ::bind(socket->get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::umask(mask);
  if (bound != 0) return error;
  return ::listen(socket->get(), kBacklog) == 0 ? 0 : errno;
}

bool IsTrustedPeer(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

int PeerProcess(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

int ReadAll(int fd, size_t size_max, std::string* bytes) {
  struct stat attributes {};
  if (::fstat(fd, &attributes) != 0) return errno;
  // Anything but a file could make us wait.
  if (!S_ISREG(attributes.st_mode)) return EINVAL;
  if (attributes.st_size < 0 || static_cast<uint64_t>(attributes.st_size) > size_max) return EFBIG;
  bytes->resize(static_cast<size_t>(attributes.st_size));
  for (size_t done = 0; done < bytes->size();) {
    const ssize_t count =
        ::pread(fd, bytes->data() + done, bytes->size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;
    done += static_cast<size_t>(count);
  }
  return 0;
}

int MakeMemoryFile(const char* name, ByteSpan bytes, UniqueFd* file) {
  file->Reset(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file->ok()) return errno;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::write(file->get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    done += static_cast<size_t>(count);
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  return ::fcntl(file->get(), F_ADD_SEALS, kSeals) == 0 ? 0 : errno;
}

}  // namespace g8ufs::keeper
