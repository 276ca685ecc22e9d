#include "driver/mount_session.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "fuse/passthrough.h"

namespace g8ufs {
namespace {

// An overlay may lie on top of the mount, one level: the kernel allows two in all, and a
// passthrough mount counts as one.
constexpr uint32_t kMaxStackDepth = 1;
// A clean unmount ends the connection before umount(2) returns; the workers then need a moment to
// notice. Longer means that another mount namespace still has the mount.
constexpr auto kEndWait = std::chrono::seconds(1);
// Detached while busy: it lives on, unless what made it busy was gone right after.
constexpr auto kLazyEndWait = std::chrono::milliseconds(50);

uint64_t WantedFlags(OpenMode mode, const MountIndex* index) {
  uint64_t flags = fuse::kAsyncRead | fuse::kParallelDirops | fuse::kExplicitInvalData |
                   fuse::kDoReaddirplus | fuse::kCacheSymlinks | fuse::kNoOpendirSupport |
                   fuse::kHasResend | fuse::kHasExpireOnly;
  // Overlays look for contents by name, and read them by inode.
  if (index == nullptr) return flags | fuse::kNoOpenSupport;
  // Node ids are a function of the index, so a handle can be turned into a file at any time: NFS,
  // and the inode numbers that overlayfs keeps over a copy-up.
  flags |= fuse::kExportSupport;
  // Only where there are any: with ACLs every permission check leaves the kernel's fast walk.
  if (index->has_acls()) flags |= fuse::kPosixAcl;
  if (mode == OpenMode::kNone || mode == OpenMode::kAuto) flags |= fuse::kNoOpenSupport;
  if (mode == OpenMode::kPassthrough || mode == OpenMode::kAuto) flags |= fuse::kPassthrough;
  return flags;
}

// A mount as DetachAllMounts has to know it. Never destroyed: exit(3) destroys before it calls.
struct LiveMount {
  const void* session;
  std::string path;
  uint32_t device_minor;
  bool by_helper;
};
struct LiveMounts {
  Mutex mutex;
  std::vector<LiveMount> mounts GUARDED_BY(mutex);
};

LiveMounts& Live() {
  static auto* live = new LiveMounts();
  return *live;
}

void AddLiveMount(const void* session, const fuse::Mounted& mounted) {
  LiveMounts& live = Live();
  MutexLock lock(live.mutex);
  live.mounts.push_back({session, mounted.path, mounted.device_minor, mounted.by_helper});
}

void RemoveLiveMount(const void* session) {
  LiveMounts& live = Live();
  MutexLock lock(live.mutex);
  std::erase_if(live.mounts, [=](const LiveMount& mount) { return mount.session == session; });
}

}  // namespace

void DetachAllMounts() {
  std::vector<LiveMount> mounts;
  {
    LiveMounts& live = Live();
    MutexLock lock(live.mutex);
    mounts.swap(live.mounts);
  }
  for (const LiveMount& mount : mounts) {
    (void)fuse::Unmount(mount.path, mount.device_minor, mount.by_helper, fuse::UnmountMode::kLazy);
  }
}

Status MountSession::Open(const SessionOptions& options, ContentRegistry& registry,
                          Callbacks callbacks, std::unique_ptr<MountSession>* session) {
  std::unique_ptr<MountSession> opened(new MountSession());
  fuse::MountOptions mount;
  Status status = opened->OpenFiles(options, &mount.root_mode);
  if (!status.ok()) return status;
  mount.mount_point = options.mount_point;
  mount.source = options.source;
  mount.allow_other = options.allow_other;
  mount.max_read_bytes = fuse::kMaxReadBytes;
  status = fuse::Mount(mount, &opened->mounted_);
  if (!status.ok()) return status;
  opened->is_mounted_ = true;
  AddLiveMount(opened.get(), opened->mounted_);
  status = opened->Start(options, registry, std::move(callbacks));
  if (!status.ok()) return status;
  // Without root it stays at the kernel's default.
  (void)fuse::SetReadahead(opened->mounted_.device_minor, options.readahead_bytes);
  *session = std::move(opened);
  return {};
}

Status MountSession::Adopt(const SessionOptions& options, ContentRegistry& registry,
                           Callbacks callbacks, const TakeHeld& take,
                           std::unique_ptr<MountSession>* session) {
  std::unique_ptr<MountSession> opened(new MountSession());
  uint32_t root_mode = 0;
  Status status = opened->OpenFiles(options, &root_mode);
  if (!status.ok()) return status;
  HeldMount held;
  if (take(&held)) {
    status = HeldFiles::Adopt(std::move(held.table), &opened->held_);
  } else {
    status = Status(Code::ERR_MOUNT, "The connection of the mount is gone");
  }
  if (!status.ok()) return status;
  opened->is_adopted_ = true;
  opened->mounted_.device = fuse::Device(std::move(held.device));
  status = opened->Start(options, registry, std::move(callbacks));
  if (!status.ok()) return status;
  // What cannot be restored is not unmounted either: its users decide.
  opened->is_mounted_ = true;
  *session = std::move(opened);
  return {};
}

Status MountSession::Serve(const SessionOptions& options, ContentRegistry& registry,
                           Callbacks callbacks, fuse::Mounted connection,
                           std::unique_ptr<MountSession>* session) {
  std::unique_ptr<MountSession> opened(new MountSession());
  uint32_t root_mode = 0;
  Status status = opened->OpenFiles(options, &root_mode);
  if (!status.ok()) return status;
  opened->mounted_ = std::move(connection);
  status = opened->Start(options, registry, std::move(callbacks));
  if (!status.ok()) return status;
  *session = std::move(opened);
  return {};
}

Status MountSession::OpenFiles(const SessionOptions& options, uint32_t* root_mode) {
  *root_mode = S_IFDIR | 0500;
  Status status = ContentFiles::Open(options.files_dir, options.partial_dir, &files_);
  if (!status.ok() || options.index_dir.empty()) return status;
  status = MountIndex::Open(options.index_dir, &index_);
  Attributes root;
  if (status.ok() && index_->GetAttributes(erofs::kRootNid, &root) != 0) {
    status = Status(Code::ERR_FLIST_FORMAT, "Mount index has no root directory");
  }
  if (status.ok()) *root_mode = root.mode;
  return status;
}

Status MountSession::Handshake(const SessionOptions& options) {
  fuse::HandshakeOptions handshake;
  handshake.flags = WantedFlags(options.open_mode, index_.get());
  handshake.max_readahead_bytes = static_cast<uint32_t>(options.readahead_bytes);
  handshake.max_stack_depth = kMaxStackDepth;
  Status status = fuse::Handshake(mounted_.device, handshake, &negotiated_);
  if (!status.ok()) return status;
  info_.protocol_minor = negotiated_.minor;
  info_.max_read_bytes = negotiated_.max_read_bytes;
  info_.device_minor = mounted_.device_minor;
  info_.open_mode = OpenMode::kCached;
  if (negotiated_.has(fuse::kNoOpenSupport)) {
    info_.open_mode = OpenMode::kNone;
  }
  if (negotiated_.has(fuse::kPassthrough)) ProbePassthrough();
  return {};
}

// The offer does not say whether this process may use it, nor whether the cache lies on a file
// system that can be passed through. A file of the cache tells both.
void MountSession::ProbePassthrough() {
  fuse::BackingId probe;
  if (fuse::BackingId::Open(mounted_.device, index_->probe_fd(), &probe) == 0) {
    info_.open_mode = OpenMode::kPassthrough;
  }
}

Status MountSession::BeginHeld() {
  Status status = HeldFiles::Create(&held_);
  if (!status.ok()) return status;
  HeldFiles::Connection connection;
  connection.protocol_minor = negotiated_.minor;
  connection.flags = negotiated_.flags;
  connection.max_read_bytes = negotiated_.max_read_bytes;
  connection.open_mode = static_cast<uint32_t>(info_.open_mode);
  connection.device_minor = mounted_.device_minor;
  connection.by_helper = mounted_.by_helper ? 1 : 0;
  connection.path = mounted_.path;
  return held_->Begin(connection);
}

Status MountSession::RestoreConnection() {
  const HeldFiles::Connection connection = held_->connection();
  const auto mode = static_cast<OpenMode>(connection.open_mode);
  if (mode != OpenMode::kPassthrough && mode != OpenMode::kCached && mode != OpenMode::kNone) {
    return Status(Code::ERR_MOUNT, "The held mount has no open mode");
  }
  if (connection.max_read_bytes == 0 || connection.max_read_bytes > fuse::kMaxReadBytes) {
    return Status(Code::ERR_MOUNT, "The held mount has another size of requests");
  }
  negotiated_ = {connection.protocol_minor, connection.flags,
                 static_cast<size_t>(connection.max_read_bytes)};
  info_.protocol_minor = negotiated_.minor;
  info_.max_read_bytes = negotiated_.max_read_bytes;
  info_.device_minor = connection.device_minor;
  info_.open_mode = mode;
  mounted_.device_minor = connection.device_minor;
  mounted_.by_helper = connection.by_helper != 0;
  mounted_.path = connection.path;
  return {};
}

Status MountSession::Start(const SessionOptions& options, ContentRegistry& registry,
                           Callbacks callbacks) {
  Status status = is_adopted_ ? RestoreConnection() : Handshake(options);
  if (!status.ok()) return status;
  if (!is_adopted_ && options.keep && negotiated_.has(fuse::kHasResend)) {
    status = BeginHeld();
    if (!status.ok()) return status;
  }
  info_.kept = held_ != nullptr;
  std::vector<fuse::Device> devices;
  devices.push_back(std::move(mounted_.device));
  while (devices.size() < options.workers) {
    fuse::Device clone;
    // Requests that were read through a clone would end with this process.
    status = info_.kept ? devices.front().Share(&clone) : devices.front().Clone(&clone);
    if (!status.ok()) return status;
    devices.push_back(std::move(clone));
  }
  // The disk is the one thing that threads of a session wait for. Whoever owns the cache finds out what is
  // the matter.
  const auto on_stall = [&registry] {
    if (registry.CanRead()) registry.TrustDisk(DiskTrust::kAway);
  };
  misses_ = std::make_unique<MissTable>(
      registry, MissTable::Options{options.deadline, std::move(callbacks.send_need), on_stall});
  if (index_ != nullptr) {
    ImageServer::Options server;
    server.open_mode = info_.open_mode;
    server.workers = devices.size() + fuse::kSparesMax;
    server.whole_blocks_max = options.whole_blocks_max;
    server.touches = options.touches;
    server.magic_xattrs = options.magic_xattrs;
    server.held = held_.get();
    auto image = std::make_unique<ImageServer>(*index_, files_, registry, *misses_, server);
    image_ = image.get();
    server_ = std::move(image);
  } else {
    auto server = std::make_unique<ObjectServer>(files_, registry, *misses_,
                                                 devices.size() + fuse::kSparesMax);
    objects_ = server.get();
    server_ = std::move(server);
  }
  misses_->on_unwanted = [this](const Digest& digest) { server_->ForgetContent(digest); };
  fuse::StallOptions stalls;
  stalls.deadline = options.deadline;
  stalls.on_stall = on_stall;
  connection_ = std::make_unique<fuse::Session>(std::move(devices), *server_,
                                                std::move(callbacks.on_end), std::move(stalls));
  server_->SetDevice(connection_->device());
  if (is_adopted_ && image_ != nullptr) image_->RestoreOpens();
  status = misses_->Start(*server_);
  if (!status.ok() || options.paused) return status;
  return StartServing();
}

Status MountSession::StartServing() {
  // Before anything new is read: without it what the predecessor had taken is never answered.
  if (const int error = is_adopted_ ? connection_->device().AskToResend() : 0; error != 0) {
    return Status::FromErrno(Code::ERR_MOUNT, "Requests of the held mount cannot be had again",
                             error);
  }
  return connection_->Start();
}

Status MountSession::Resume() {
  MutexLock lock(parts_mutex_);
  if (server_ == nullptr) return Status(Code::ERR_MOUNT, "The held mount has ended");
  return StartServing();
}

MountSession::~MountSession() {
  MutexLock lock(life_mutex_);
  if (finished_) return;
  if (is_mounted_) {
    // Fails only when the name is gone already; whoever looks then finds a dead mount either way.
    (void)fuse::Unmount(mounted_.path, mounted_.device_minor, mounted_.by_helper,
                        fuse::UnmountMode::kLazy);
  }
  if (connection_ != nullptr) connection_->Stop();
  FinishLocked();
}

void MountSession::LeaveMounted() {
  MutexLock lock(life_mutex_);
  if (finished_) return;
  RemoveLiveMount(this);
  is_mounted_ = false;
}

Status MountSession::Close(bool lazy) {
  MutexLock lock(life_mutex_);
  if (finished_) return {};
  auto wait = std::chrono::steady_clock::duration(kEndWait);
  if (is_mounted_) {
    Status status = fuse::Unmount(mounted_.path, mounted_.device_minor, mounted_.by_helper,
                                  fuse::UnmountMode::kIfIdle);
    if (!status.ok() && lazy) {
      wait = kLazyEndWait;
      status = fuse::Unmount(mounted_.path, mounted_.device_minor, mounted_.by_helper,
                             fuse::UnmountMode::kLazy);
    }
    if (!status.ok()) return status;
  } else {
    connection_->Stop();
  }
  if (connection_->JoinUntil(std::chrono::steady_clock::now() + wait)) FinishLocked();
  return {};
}

bool MountSession::HeldDescriptors(UniqueFd* device, UniqueFd* table) {
  MutexLock lock(parts_mutex_);
  if (held_ == nullptr || server_ == nullptr) return false;
  device->Reset(::fcntl(connection_->device().fd(), F_DUPFD_CLOEXEC, 0));
  table->Reset(::fcntl(held_->fd(), F_DUPFD_CLOEXEC, 0));
  return device->ok() && table->ok();
}

void MountSession::OnHeld() { RemoveLiveMount(this); }

void MountSession::Finish() {
  MutexLock lock(life_mutex_);
  if (finished_) return;
  connection_->Join();
  FinishLocked();
}

void MountSession::FinishLocked() {
  finished_ = true;
  if (is_mounted_) RemoveLiveMount(this);
  // From the outside in: no more requests, no more answers, then what they point to. Backing ids in
  // the server are closed through a device of the connection, so that goes last.
  if (connection_ != nullptr) connection_->Join();
  if (misses_ != nullptr) misses_->Stop();
  std::unique_ptr<MissTable> misses;
  std::unique_ptr<ContentServer> server;
  {
    MutexLock lock(parts_mutex_);
    final_stats_ = CountStats();
    misses = std::move(misses_);
    server = std::move(server_);
    image_ = nullptr;
    objects_ = nullptr;
  }
  server.reset();
  misses.reset();
  connection_.reset();
  held_.reset();
  index_.reset();
}

Status MountSession::AddImage(const std::string& index_dir, uint32_t* number) {
  MutexLock lock(parts_mutex_);
  if (objects_ == nullptr) return Status(Code::ERR_MOUNT, "Mount of contents has ended");
  return objects_->AddImage(index_dir, number);
}

void MountSession::RemoveImage(uint32_t number) {
  MutexLock lock(parts_mutex_);
  if (objects_ != nullptr) objects_->RemoveImage(number);
}

SessionStats MountSession::Stats() {
  MutexLock lock(parts_mutex_);
  return CountStats();
}

std::vector<OpenLog::Entry> MountSession::TakeOpens(bool watch) {
  MutexLock lock(parts_mutex_);
  if (image_ == nullptr) return {};
  return image_->open_log().Take(watch);
}

std::set<std::pair<uint32_t, uint32_t>> MountSession::WaitedContents() {
  MutexLock lock(parts_mutex_);
  if (misses_ == nullptr) return {};
  return misses_->WaitedContents();
}

SessionStats MountSession::CountStats() {
  if (server_ == nullptr) return final_stats_;
  SessionStats stats;
  for (const Counters& counters : server_->counters()) {
    for (size_t i = 0; i < stats.requests.size(); ++i) {
      stats.requests[i] += counters.requests[i].Get();
    }
    stats.errors += counters.errors.Get();
    stats.passthrough_opens += counters.passthrough_opens.Get();
    stats.cached_opens += counters.cached_opens.Get();
    stats.bytes_read += counters.bytes_read.Get();
    stats.interrupts += counters.interrupts.Get();
    stats.read_failures += counters.read_failures.Get();
  }
  stats.open_files = server_->open_files();
  if (misses_ != nullptr) stats.misses = misses_->Stats();
  return stats;
}

}  // namespace g8ufs
