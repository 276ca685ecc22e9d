#include "keeper/keeper.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace g8ufs::keeper {
namespace {

// A daemon, its successor, and somebody who should not be here.
constexpr size_t kConnectionsMax = 8;
// A peer that does not take its replies must not hold us up.
constexpr timeval kSendTime{2, 0};

size_t FdCount(uint32_t flags) {
  return ((flags & kDevice) != 0) + ((flags & kTable) != 0) + ((flags & kState) != 0);
}

}  // namespace

Keeper::Keeper(UniqueFd listener, Processes processes, const Delays& delays)
    : listener_(std::move(listener)),
      processes_(std::move(processes)),
      delays_(delays),
      standby_(processes_.start, processes_.kill),
      due_(Clock::now() + kComingTime) {}

bool Keeper::Step(std::chrono::milliseconds wait, int signals) {
  std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}, {signals, POLLIN, 0}};
  for (const Connection& connection : connections_) {
    polled.push_back({connection.socket.get(), POLLIN, 0});
  }
  const int ready =
      ::poll(polled.data(), polled.size(), static_cast<int>(WaitTime(wait).count()));
  if (ready < 0 && errno != EINTR) return false;
  if (ready > 0) {
    size_t i = 2;
    for (auto connection = connections_.begin(); connection != connections_.end();) {
      const auto next = std::next(connection);
      if (polled[i++].revents != 0 && !Serve(*connection)) {
        const bool was_daemon = daemon_ == &*connection;
        connections_.erase(connection);
        if (was_daemon) OnDaemonGone();
      }
      connection = next;
    }
    if (polled[0].revents != 0) Accept();
  }
  Reap();
  if (daemon_ != nullptr && Clock::now() >= heard_ + delays_.silence) LookAtDaemon();
  if (daemon_ == nullptr && !is_over_) {
    DropEnded();
    if (due_ && Clock::now() >= *due_) {
      if (child_) {
        processes_.kill(*child_);
        child_.reset();
        OnChildLost();
      } else {
        StartSuccessor();
      }
    }
    // Before the first daemon has come there is nothing to hold.
    if (entries_.empty() && !(due_ && launch_.arguments.empty())) is_over_ = true;
  }
  KeepStandby();
  return !is_over_;
}

std::chrono::milliseconds Keeper::WaitTime(std::chrono::milliseconds wait) const {
  if (daemon_ == nullptr) wait = std::min<std::chrono::milliseconds>(wait, kLookPeriod);
  std::optional<Clock::time_point> due = daemon_ == nullptr ? due_ : standby_.due();
  if (daemon_ != nullptr) due = std::min(due.value_or(Clock::time_point::max()), heard_ + delays_.silence);
  if (!due) return wait;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - Clock::now());
  return std::clamp(left, std::chrono::milliseconds(0), wait);
}

void Keeper::Accept() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.ok() || connections_.size() >= kConnectionsMax || !IsTrustedPeer(socket.get())) {
    return;
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTime, sizeof(kSendTime));
  connections_.push_back({std::move(socket)});
}

bool Keeper::Serve(Connection& connection) {
  Message request;
  std::vector<UniqueFd> fds;
  if (ReceiveMessage(connection.socket.get(), &request, &fds) != 0) return false;
  std::vector<int> reply_fds;
  const Message reply = Handle(connection, request, fds, &reply_fds);
  if (daemon_ == &connection) heard_ = Clock::now();
  if (SendMessage(connection.socket.get(), reply, reply_fds) != 0) return false;
  // Whoever breaks the protocol is not heard any further.
  return reply.error != EPROTO;
}

Message Keeper::Handle(Connection& connection, const Message& request, std::vector<UniqueFd>& fds,
                       std::vector<int>* reply_fds) {
  Message reply = request;
  reply.flags = 0;
  reply.value = 0;
  reply.error = 0;
  const auto operation = static_cast<Operation>(request.operation);
  const bool brings_fds = operation == Operation::kHold || operation == Operation::kSuccessor;
  if (!brings_fds && !fds.empty()) {
    reply.error = EPROTO;
    return reply;
  }
  if (operation == Operation::kHello) {
    if (daemon_ != nullptr && daemon_ != &connection) {
      reply.error = EBUSY;
      return reply;
    }
    daemon_ = &connection;
    daemon_killed_ = false;
    daemon_process_ = PeerProcess(connection.socket.get());
    is_ready_ = false;
    standbys_ = 0;
    hands_over_ = false;
    child_.reset();
    child_stood_by_ = false;
    due_.reset();
    DropEnded();
    takes_over_ = !entries_.empty();
    for (Entry& entry : entries_) entry.is_restoring = false;
    reply.value = static_cast<uint32_t>(entries_.size());
    return reply;
  }
  if (daemon_ != &connection) {
    reply.error = EPROTO;
    return reply;
  }
  switch (operation) {
    case Operation::kHold:
      reply.error = Hold(request, fds);
      return reply;
    case Operation::kDrop:
      std::erase_if(entries_, [&](const Entry& entry) { return entry.id == request.id; });
      return reply;
    case Operation::kTake:
      reply.error = Take(request, &reply, reply_fds);
      return reply;
    case Operation::kRestoring:
    case Operation::kRestored:
      if (Entry* entry = Find(request.id)) {
        const bool begins = operation == Operation::kRestoring;
        entry->attempts = !begins ? 0 : entry->attempts + (entry->is_restoring ? 0 : 1);
        entry->is_restoring = begins;
        reply.value = entry->attempts;
      } else if (operation == Operation::kRestoring) {
        reply.error = ENOENT;
      }
      return reply;
    case Operation::kSuccessor: {
      std::string bytes;
      const bool is_file = fds.size() == 1 && ReadAll(fds[0].get(), kLaunchSizeMax, &bytes) == 0;
      const ByteSpan span{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
      Launch launch;
      if (!is_file || !DecodeLaunch(span, &launch)) {
        reply.error = EPROTO;
        return reply;
      }
      // Those that are there were started as the last daemon said.
      if (launch != launch_) standby_.End();
      launch_ = std::move(launch);
      return reply;
    }
    case Operation::kReady:
      is_ready_ = true;
      failures_ = 0;
      kills_ = 0;
      standbys_ = 0;
      if ((request.flags & kWithStandby) != 0) {
        standbys_ = std::clamp<size_t>(request.value, 1, kStandbysMax);
      }
      reply.value = static_cast<uint32_t>(standby_.process());
      return reply;
    case Operation::kGoodbye:
      // Whoever comes may be of another version.
      standbys_ = 0;
      standby_.End();
      hands_over_ = (request.flags & kHandover) != 0;
      if (!hands_over_) entries_.clear();
      return reply;
    default:
      reply.error = EPROTO;
      return reply;
  }
}

int Keeper::Hold(const Message& request, std::vector<UniqueFd>& fds) {
  constexpr uint32_t kKnown = kDevice | kTable | kState | kWithoutDevice;
  if ((request.flags & ~kKnown) != 0 || fds.size() != FdCount(request.flags)) return EPROTO;
  Entry* entry = Find(request.id);
  if (entry == nullptr) {
    if ((request.flags & kState) == 0) return EPROTO;
    if (entries_.size() >= kEntriesMax) return ENFILE;
    entries_.push_back({});
    entry = &entries_.back();
    entry->id = request.id;
  }
  if ((request.flags & kWithoutDevice) != 0) {
    entry->device.Reset();
    entry->table.Reset();
  }
  size_t next = 0;
  if ((request.flags & kDevice) != 0) entry->device = std::move(fds[next++]);
  if ((request.flags & kTable) != 0) entry->table = std::move(fds[next++]);
  if ((request.flags & kState) != 0) entry->state = std::move(fds[next++]);
  return 0;
}

int Keeper::Take(const Message& request, Message* reply, std::vector<int>* reply_fds) const {
  if (request.value >= entries_.size()) return ENOENT;
  const Entry& entry = entries_[request.value];
  reply->id = entry.id;
  reply->value = entry.attempts;
  const std::pair<const UniqueFd*, uint32_t> kinds[] = {
      {&entry.device, kDevice}, {&entry.table, kTable}, {&entry.state, kState}};
  for (const auto& [fd, flag] : kinds) {
    if (!fd->ok()) continue;
    reply->flags |= flag;
    reply_fds->push_back(fd->get());
  }
  return 0;
}

Keeper::Entry* Keeper::Find(uint64_t id) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.id == id; });
  return found == entries_.end() ? nullptr : &*found;
}

void Keeper::LookAtDaemon() {
  heard_ = Clock::now();
  if (!processes_.is_dying(daemon_process_)) return;
  std::erase_if(connections_, [this](const Connection& each) { return &each == daemon_; });
  OnDaemonGone();
}

void Keeper::OnDaemonGone() {
  daemon_ = nullptr;
  DropEnded();
  if (entries_.empty()) return;
  const Clock::time_point now = Clock::now();
  if (hands_over_) {
    due_ = now + kComingTime;
    return;
  }
  if (!is_ready_) {
    Fail();
    if (daemon_killed_) Forgive();
    return;
  }
  deaths_.push_back(now);
  while (deaths_.front() + kDeathsTime < now) deaths_.pop_front();
  if (deaths_.size() > kFreeDeaths) {
    due_ = now + kDeathsDelay;
  } else {
    StartSuccessor();
  }
}

// The kernel says of a connection that has ended that there is an error.
void Keeper::DropEnded() {
  std::vector<pollfd> devices;
  devices.reserve(entries_.size());
  for (const Entry& entry : entries_) devices.push_back({entry.device.get(), 0, 0});
  if (::poll(devices.data(), devices.size(), 0) <= 0) return;
  size_t i = 0;
  std::erase_if(entries_, [&](const Entry&) {
    return (devices[i++].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  });
}

void Keeper::Reap() {
  for (const Ended& ended : processes_.reap()) {
    if (standby_.OnEnded(ended.process, Clock::now())) continue;
    if (child_ == ended.process) {
      child_.reset();
      // Another one may be coming: the one that was quicker.
      if (daemon_ != nullptr) continue;
      OnChildLost();
      if (ended.was_killed) Forgive();
    } else if (daemon_process_ == ended.process && ended.was_killed) {
      if (daemon_ == nullptr) Forgive();
      daemon_killed_ = daemon_ != nullptr;
    }
  }
}

void Keeper::Forgive() {
  if (is_over_ || failures_ == 0 || ++kills_ > kKillsMax) return;
  --failures_;
  for (Entry& entry : entries_) {
    if (!entry.is_restoring || entry.attempts == 0) continue;
    --entry.attempts;
    entry.is_restoring = false;
  }
  // Unless the next one was started meanwhile. Whoever kills again and again has to wait.
  if (!child_) due_ = Clock::now() + (kills_ > 1 ? delays_.first : std::chrono::milliseconds(0));
}

void Keeper::Fail() {
  if (++failures_ >= kFailuresMax) {
    entries_.clear();
    is_over_ = true;
    return;
  }
  const auto delay = delays_.first * (1 << (failures_ - 1));
  due_ = Clock::now() + std::min<Clock::duration>(delay, kDelayMax);
}

// What has stood by for long may not fit any more: the next one is new, and counts.
void Keeper::OnChildLost() {
  if (!std::exchange(child_stood_by_, false)) return Fail();
  due_ = Clock::now();
}

void Keeper::KeepStandby() {
  // While there is no daemon it may be needed in a moment.
  if (daemon_ == nullptr || !is_ready_) return;
  if (standbys_ == 0 || entries_.empty()) return standby_.End();
  const std::chrono::milliseconds delay = takes_over_ ? delays_.standby : delays_.first_standby;
  standby_.Keep(launch_, standbys_, delay, Clock::now());
}

void Keeper::StartSuccessor() {
  due_.reset();
  is_ready_ = false;
  hands_over_ = false;
  if (launch_.arguments.empty()) {
    entries_.clear();
    return;
  }
  const int standby = standby_.Use();
  child_stood_by_ = standby != 0;
  const int process = child_stood_by_ ? standby : processes_.start(launch_, -1);
  if (process < 0) return Fail();
  child_ = process;
  due_ = Clock::now() + (child_stood_by_ ? kUseTime : kHelloTime);
}

}  // namespace g8ufs::keeper
