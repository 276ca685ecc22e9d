// ImageServer: answers the kernel's requests for one image. Metadata come from the mount index,
// data from content files; what is absent is parked in the MissTable and answered from there.
//
// Thread rule: Handle is called by all workers at once, Resume and Fail by the table's thread.
// Nothing here waits, except for local files.
#ifndef G8UFS_NATIVE_DRIVER_IMAGE_SERVER_H_
#define G8UFS_NATIVE_DRIVER_IMAGE_SERVER_H_

#include <atomic>
#include <memory>
#include <unordered_set>
#include <vector>

#include "driver/content.h"
#include "driver/content_files.h"
#include "driver/content_server.h"
#include "driver/file_cache.h"
#include "driver/first_touches.h"
#include "driver/held_files.h"
#include "driver/idle_files.h"
#include "driver/magic_xattrs.h"
#include "driver/open_log.h"
#include "driver/served_file.h"
#include "tree/mount_index.h"

namespace g8ufs {

// How files are opened; passthrough may be lost later, when the kernel refuses a file.
enum class OpenMode {
  kAuto,         // a wish only: kPassthrough where it can be had, else kNone
  kPassthrough,  // OPEN is served; complete files are handed to the kernel
  kCached,       // OPEN is served; all reads come here
  kNone,         // the first OPEN ends OPEN: all reads come here, by inode
};

class ImageServer : public ContentServer {
 public:
  struct Options {
    OpenMode open_mode = OpenMode::kCached;
    size_t workers = 1;
    // Contents of at most this many blocks are made complete before their open is answered.
    uint32_t whole_blocks_max = 0;
    // Where first touches are noted; nullptr when nobody wants to know.
    std::shared_ptr<FirstTouches> touches;
    MagicXattrs magic_xattrs = MagicXattrs::kAuto;
    // Where a successor finds what is open; nullptr when there will be none. Outlives the server.
    HeldFiles* held = nullptr;
  };

  // All references outlive the server.
  ImageServer(const MountIndex& index, const ContentFiles& files, ContentRegistry& registry,
              MissTable& misses, const Options& options);

  // For backing ids: they are the connection's.
  void SetDevice(const fuse::Device& device) override { device_ = &device; }

  // Takes over what a predecessor has noted in `held`. Before the first request, after SetDevice.
  void RestoreOpens();

  void Handle(const fuse::Request& request, const fuse::Worker& worker) override;
  void Resume(Waiter waiter) override;
  void ForgetContent(const Digest& digest) override {
    recent_files_.EraseContent(digest);
    idle_files_.EraseContent(digest);
  }
  uint64_t open_files() const override { return open_files_.open_count(); }
  OpenLog& open_log() { return open_log_; }

 private:
  // Metadata: image_server.cc.
  void Lookup(const Call& call, fuse::Cursor body);
  void Getattr(const Call& call);
  void Readlink(const Call& call);
  void Readdir(const Call& call, fuse::Cursor body, bool plus);
  void Statfs(const Call& call);
  void Getxattr(const Call& call, fuse::Cursor body);
  void GetMagicXattr(const Call& call, uint32_t room, std::string_view name);
  void Listxattr(const Call& call, fuse::Cursor body, uint32_t uid);
  void AnswerXattr(const Call& call, uint32_t room, ByteSpan value);
  int FillAttr(uint64_t nid, fuse::Attr* attr) const;
  int FillEntry(uint64_t nid, fuse::EntryOut* entry) const;

  // Data: image_files.cc.
  void Open(const Call& call, fuse::Cursor body);
  void Release(const Call& call);
  void Read(const Call& call, fuse::Cursor body);
  void Lseek(const Call& call, fuse::Cursor body);
  int FindContent(uint64_t nid, std::optional<ContentRecord>* record) const;
  // Answers an OPEN, or returns what keeps it from being answered: an errno, or kMustWait.
  int TryOpen(const Call& call, const ContentRecord& record, bool accept_partial);
  void CloseFile(uint64_t nid);
  // What there is for an inode that is not open. Waits for the disk, so that no lock is held.
  struct OnDisk {
    bool looked = false;
    std::shared_ptr<ServedFile> idle;
    UniqueFd complete;
    FileIdentity identity;
    // As far as is known. What is not is read for the kernel: whoever reads is helped then.
    bool is_readable = true;
  };
  int LookOnDisk(uint64_t nid, const ContentRecord& record, OnDisk* disk);
  int Choose(const ContentRecord& record, bool accept_partial, OnDisk* disk,
             std::shared_ptr<ServedFile>* file);
  bool TrustsKernel() const;
  int Register(UniqueFd* file, fuse::BackingId* backing);
  // Notes a file for a successor. 0 or an errno.
  int Note(uint64_t nid, ServedFile* file);
  // restore_opens.cc.
  bool RestoreOpen(const HeldFiles::Snapshot& record);
  void ParkOpen(const Call& call, const ContentRecord& record);
  std::shared_ptr<const ServedFile> FileByInode(uint64_t nid, int* error);
  void ReadServed(const Call& call, const ServedFile& file, const fuse::ReadIn& in);
  Describer describer() const { return {index_}; }

  const MountIndex& index_;
  const Options options_;
  const fuse::Device* device_ = nullptr;
  std::atomic<bool> passthrough_;
  OpenTable open_files_;
  // Inodes whose records of a predecessor do not agree with the index. Nobody knows which file the kernel
  // would read: they are not opened any more.
  std::unordered_set<uint64_t> doubtful_;
  IdleFiles idle_files_;    // with passthrough only
  FileCache recent_files_;  // without OPEN only
  OpenLog open_log_;
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_IMAGE_SERVER_H_
