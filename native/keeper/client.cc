#include "keeper/client.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

#include "keeper/message_socket.h"

namespace g8ufs::keeper {
namespace {

Message Request(Operation operation, uint64_t id = 0, uint32_t flags = 0, uint32_t value = 0) {
  Message message;
  message.operation = static_cast<uint32_t>(operation);
  message.id = id;
  message.flags = flags;
  message.value = value;
  return message;
}

Status Failure(int error) {
  return Status::FromErrno(Code::ERR_IO, "The keeper of the mounts does not answer", error);
}

ByteSpan BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

Status KeeperClient::Connect(const std::string& path, bool* connected, std::vector<Held>* held) {
  *connected = false;
  MutexLock lock(mutex_);
  taken_.clear();
  UniqueFd socket;
  const int error = keeper::Connect(path, &socket);
  if (error == ENOENT || error == ECONNREFUSED) return {};
  if (error != 0) return Failure(error);
  if (!IsTrustedPeer(socket.get())) {
    return Status(Code::ERR_PERMISSION, "The keeper of the mounts belongs to another user");
  }
  const timeval time{static_cast<time_t>(kReplyTime.count()), 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    ::setsockopt(socket.get(), SOL_SOCKET, option, &time, sizeof(time));
  }
  socket_ = std::move(socket);
  Message reply;
  std::vector<UniqueFd> fds;
  Status status = CallLocked(Request(Operation::kHello), {}, &reply, &fds);
  if (status.error() == EBUSY) {
    status = Status(Code::ERR_CACHE_LOCKED, "Another daemon is connected to the keeper");
  }
  // One that was just about to end is none.
  if (status.error() == EPIPE || status.error() == ECONNRESET) {
    socket_.Reset();
    return {};
  }
  if (status.ok()) status = TakeAll(reply.value, held);
  *connected = status.ok();
  if (!status.ok()) socket_.Reset();
  return status;
}

Status KeeperClient::TakeAll(uint32_t count, std::vector<Held>* held) {
  for (uint32_t i = 0; i < count; ++i) {
    Message reply;
    std::vector<UniqueFd> fds;
    Status status = CallLocked(Request(Operation::kTake, 0, 0, i), {}, &reply, &fds);
    if (!status.ok()) return status;
    Held entry;
    entry.id = reply.id;
    entry.attempts = reply.value;
    Descriptors descriptors;
    for (const uint32_t kind : {kDevice, kTable, kState}) {
      if ((reply.flags & kind) == 0) continue;
      if (fds.empty()) return Failure(EPROTO);
      if (kind == kDevice) descriptors.device = std::move(fds.front());
      if (kind == kTable) descriptors.table = std::move(fds.front());
      // One that cannot be read is empty, which nobody can restore.
      if (kind == kState) (void)ReadAll(fds.front().get(), kStateSizeMax, &entry.state);
      fds.erase(fds.begin());
    }
    entry.has_device = descriptors.device.ok();
    if (entry.has_device) taken_[entry.id] = std::move(descriptors);
    held->push_back(std::move(entry));
  }
  return {};
}

Status KeeperClient::Hold(uint64_t id, int device, int table, const std::string& state) {
  if (state.size() > kStateSizeMax) return Failure(EFBIG);
  UniqueFd file;
  if (const int error = MakeMemoryFile("g8ufs-state", BytesOf(state), &file); error != 0) {
    return Failure(error);
  }
  uint32_t flags = kState;
  std::vector<int> fds;
  if (device >= 0) flags |= kDevice;
  if (device >= 0) fds.push_back(device);
  if (table >= 0) flags |= kTable;
  if (table >= 0) fds.push_back(table);
  fds.push_back(file.get());
  return Call(Request(Operation::kHold, id, flags), fds);
}

Status KeeperClient::HoldStateOnly(uint64_t id, const std::string& state) {
  UniqueFd file;
  if (const int error = MakeMemoryFile("g8ufs-state", BytesOf(state), &file); error != 0) {
    return Failure(error);
  }
  {
    MutexLock lock(mutex_);
    taken_.erase(id);
  }
  return Call(Request(Operation::kHold, id, kState | kWithoutDevice), {file.get()});
}

Status KeeperClient::Drop(uint64_t id) {
  {
    MutexLock lock(mutex_);
    taken_.erase(id);
  }
  return Call(Request(Operation::kDrop, id));
}

Status KeeperClient::Restoring(uint64_t id) { return Call(Request(Operation::kRestoring, id)); }

Status KeeperClient::Restored(uint64_t id) { return Call(Request(Operation::kRestored, id)); }

Status KeeperClient::Successor(const Launch& launch) {
  UniqueFd file;
  const std::string bytes = EncodeLaunch(launch);
  if (const int error = MakeMemoryFile("g8ufs-launch", BytesOf(bytes), &file); error != 0) {
    return Failure(error);
  }
  return Call(Request(Operation::kSuccessor), {file.get()});
}

Status KeeperClient::Ready(uint32_t standbys, int* standby) {
  MutexLock lock(mutex_);
  Message reply;
  std::vector<UniqueFd> reply_fds;
  Message request = Request(Operation::kReady, 0, standbys > 0 ? kWithStandby : 0);
  request.value = standbys;
  Status status = CallLocked(request, {}, &reply, &reply_fds);
  if (standby != nullptr) *standby = status.ok() ? static_cast<int>(reply.value) : 0;
  return status;
}

Status KeeperClient::Goodbye(bool handover) {
  return Call(Request(Operation::kGoodbye, 0, handover ? kHandover : 0));
}

bool KeeperClient::TakeDevice(uint64_t id, UniqueFd* device, UniqueFd* table) {
  MutexLock lock(mutex_);
  const auto found = taken_.find(id);
  if (found == taken_.end()) return false;
  *device = std::move(found->second.device);
  *table = std::move(found->second.table);
  taken_.erase(found);
  return true;
}

Status KeeperClient::Call(const Message& request, const std::vector<int>& fds) {
  MutexLock lock(mutex_);
  Message reply;
  std::vector<UniqueFd> reply_fds;
  return CallLocked(request, fds, &reply, &reply_fds);
}

Status KeeperClient::CallLocked(const Message& request, const std::vector<int>& fds, Message* reply,
                                std::vector<UniqueFd>* reply_fds) {
  if (!socket_.ok()) return Failure(ENOTCONN);
  int error = SendMessage(socket_.get(), request, fds);
  if (error == 0) error = ReceiveMessage(socket_.get(), reply, reply_fds);
  if (error == 0 && reply->operation != request.operation) error = EPROTO;
  // What comes later would be taken for the answer to something else.
  if (error != 0) socket_.Reset();
  return error != 0 ? Failure(error) : reply->error != 0 ? Failure(reply->error) : Status();
}

}  // namespace g8ufs::keeper
