#include "fuse/passthrough.h"

#include <sys/ioctl.h>

#include <cerrno>

#include "fuse/abi.h"

namespace g8ufs::fuse {

BackingId& BackingId::operator=(BackingId&& other) noexcept {
  if (this != &other) {
    Close();
    device_ = std::exchange(other.device_, nullptr);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

int BackingId::Open(const Device& device, int fd, BackingId* id) {
  BackingMap map{};
  map.fd = fd;
  const int result = ::ioctl(device.fd(), kIocBackingOpen, &map);
  if (result < 0) return errno;
  if (result == 0) return EIO;  // ids start at 1
  id->Close();
  id->device_ = &device;
  id->id_ = result;
  return 0;
}

void BackingId::Close() {
  if (id_ <= 0) return;
  auto id = static_cast<uint32_t>(id_);
  // Fails only when the connection has ended, and then the ids are gone with it.
  (void)::ioctl(device_->fd(), kIocBackingClose, &id);
  id_ = 0;
}

}  // namespace g8ufs::fuse
