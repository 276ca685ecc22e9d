// MountSession: one image, or the contents of all, mounted and served. Joins the mount, the connection, the server and the
// table of waiting requests, and takes them down in the right order.
//
// Life: Open; then either Close (unmount) or an unmount from outside, which is told by `on_end`;
// then Finish, which joins the threads. The destructor does whatever of this is still to be done,
// without waiting for users of the mount: it detaches the mount and aborts the connection.
//
// Thread rule: Open on any thread that may wait. The other methods by any thread but the session's
// own; they exclude each other.
#ifndef G8UFS_NATIVE_DRIVER_MOUNT_SESSION_H_
#define G8UFS_NATIVE_DRIVER_MOUNT_SESSION_H_

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/mutex.h"
#include "driver/content.h"
#include "driver/content_files.h"
#include "driver/held_files.h"
#include "driver/image_server.h"
#include "driver/miss_table.h"
#include "driver/object_server.h"
#include "fuse/mount.h"
#include "fuse/session.h"
#include "tree/mount_index.h"

namespace g8ufs {

struct SessionOptions {
  std::string mount_point;
  // Mount index of the image that is shown; empty for the contents of all images, which are added
  // by AddImage.
  std::string index_dir;
  std::string files_dir;
  std::string source;
  bool allow_other = false;
  // kPassthrough becomes kCached where it cannot be had, kAuto then becomes kNone.
  OpenMode open_mode = OpenMode::kPassthrough;
  size_t workers = 2;
  std::chrono::milliseconds deadline{30'000};
  size_t readahead_bytes = 1 << 20;
  uint32_t whole_blocks_max = 0;
  // Where first touches are noted, for sessions that record. All reads have to come here then:
  // open_mode is kCached.
  std::shared_ptr<FirstTouches> touches;
  // Where the cache fills files; may be empty.
  std::string partial_dir;
  MagicXattrs magic_xattrs = MagicXattrs::kAuto;
  // The mount shall outlive the process: what a successor needs is kept where a keeper can hold it. Has no
  // effect where the kernel cannot send requests again.
  bool keep = false;
  // Of a mount that is adopted: nothing is served before Resume.
  bool paused = false;
};

// What a keeper has held of a mount.
struct HeldMount {
  UniqueFd device;
  UniqueFd table;
};
// False when it is gone.
using TakeHeld = std::function<bool(HeldMount*)>;

struct SessionInfo {
  uint32_t protocol_minor = 0;
  OpenMode open_mode = OpenMode::kCached;
  size_t max_read_bytes = 0;
  uint32_t device_minor = 0;
  // A keeper can hold it.
  bool kept = false;
};

struct SessionStats {
  std::array<uint64_t, fuse::kOpcodeCount> requests{};
  uint64_t errors = 0;
  uint64_t open_files = 0;
  uint64_t passthrough_opens = 0;
  uint64_t cached_opens = 0;
  uint64_t bytes_read = 0;
  uint64_t interrupts = 0;
  uint64_t read_failures = 0;
  MissStats misses;
};

// Detaches every mount of this process that is still there. For exit(3), where nothing else runs
// any more: a mount whose server is gone answers its users with errors until somebody unmounts it.
void DetachAllMounts();

class MountSession {
 public:
  struct Callbacks {
    MissTable::SendNeed send_need;
    // On a worker's thread, once, when the connection has ended. Must not call the session.
    std::function<void()> on_end;
  };

  // `registry` outlives the session. Errors: ERR_FLIST_FORMAT, ERR_FLIST_VERSION, ERR_NO_INPUT,
  // ERR_NO_FUSE, ERR_PERMISSION, ERR_MOUNT.
  static Status Open(const SessionOptions& options, ContentRegistry& registry, Callbacks callbacks,
                     std::unique_ptr<MountSession>* session);
  // Goes on with the mount of a predecessor; the options are those it was opened with, but for the
  // place and the source. `take` is called when the index is open: whoever has to wait for its disk has not taken
  // the connection, and others may let go of it. ERR_MOUNT when what was held cannot be used.
  static Status Adopt(const SessionOptions& options, ContentRegistry& registry, Callbacks callbacks,
                      const TakeHeld& take, std::unique_ptr<MountSession>* session);
  // As Open, over a connection that exists (tests serve a socket pair): nothing is mounted.
  static Status Serve(const SessionOptions& options, ContentRegistry& registry, Callbacks callbacks,
                      fuse::Mounted connection, std::unique_ptr<MountSession>* session);
  ~MountSession();

  // Unmounts; when the mount is busy, detaches it if `lazy`, else ERR_MOUNT. Has joined all threads
  // on return unless files are still open on the detached mount: those are served until they are
  // closed, then `on_end` tells.
  Status Close(bool lazy) EXCLUDES_LOCK(life_mutex_);
  // Leaves the mount where it is when the connection is closed: its users get errors, nobody sees what it lies on.
  void LeaveMounted() EXCLUDES_LOCK(life_mutex_);
  // After the end: joins threads and lets everything go but the numbers. Idempotent.
  void Finish() EXCLUDES_LOCK(life_mutex_);

  // Lets a session without an index of its own serve the contents of an image; see ObjectServer.
  // ERR_MOUNT once the session has ended.
  Status AddImage(const std::string& index_dir, uint32_t* number) EXCLUDES_LOCK(parts_mutex_);
  void RemoveImage(uint32_t number) EXCLUDES_LOCK(parts_mutex_);

  // Begins to serve a session that was adopted paused. Once.
  Status Resume() EXCLUDES_LOCK(parts_mutex_);

  const SessionInfo& info() const { return info_; }
  // Duplicates of what a keeper needs; false when the session is not kept, or has ended.
  bool HeldDescriptors(UniqueFd* device, UniqueFd* table) EXCLUDES_LOCK(parts_mutex_);
  // A keeper holds it: the end of the process does not take the mount away.
  void OnHeld();
  SessionStats Stats() EXCLUDES_LOCK(parts_mutex_);
  // See MissTable::WaitedContents. Empty after the end.
  std::set<std::pair<uint32_t, uint32_t>> WaitedContents() EXCLUDES_LOCK(parts_mutex_);
  // See OpenLog::Take. Empty after the end.
  std::vector<OpenLog::Entry> TakeOpens(bool watch) EXCLUDES_LOCK(parts_mutex_);

 private:
  MountSession() = default;

  // Opens what the session serves from.
  Status OpenFiles(const SessionOptions& options, uint32_t* root_mode);
  Status Handshake(const SessionOptions& options);
  // Makes the table that outlives the process.
  Status BeginHeld();
  Status StartServing();
  // Takes what was negotiated from it.
  Status RestoreConnection();
  Status Start(const SessionOptions& options, ContentRegistry& registry, Callbacks callbacks);
  void ProbePassthrough();
  void FinishLocked() REQUIRES_LOCK(life_mutex_) EXCLUDES_LOCK(parts_mutex_);
  SessionStats CountStats() REQUIRES_LOCK(parts_mutex_);

  SessionInfo info_;
  fuse::Mounted mounted_;
  bool is_mounted_ = false;  // by Open; says nothing of whether it still is

  // Held while the session is taken down; the order of locks is life_mutex_, parts_mutex_.
  Mutex life_mutex_;
  bool finished_ GUARDED_BY(life_mutex_) = false;
  fuse::Negotiated negotiated_;
  std::unique_ptr<MountIndex> index_;
  ContentFiles files_;
  // Before the server, whose files have records in it.
  std::unique_ptr<HeldFiles> held_;
  bool is_adopted_ = false;
  std::unique_ptr<fuse::Session> connection_;

  // Guards the parts against Stats() while they go away.
  Mutex parts_mutex_;
  std::unique_ptr<MissTable> misses_;
  std::unique_ptr<ContentServer> server_;
  // One of them is server_, the other is null.
  ImageServer* image_ = nullptr;
  ObjectServer* objects_ = nullptr;
  SessionStats final_stats_ GUARDED_BY(parts_mutex_);
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_MOUNT_SESSION_H_
