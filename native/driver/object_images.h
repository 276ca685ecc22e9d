// ObjectImages: the images whose contents an ObjectServer can give, by number. A content is found
// by its digest in the sorted tables of the mounted images, so that adding an image costs the same
// for ten files and for ten million.
//
// Thread rule: all methods may be called by any thread. An image that is removed lives on for those
// who hold it.
#ifndef G8UFS_NATIVE_DRIVER_OBJECT_IMAGES_H_
#define G8UFS_NATIVE_DRIVER_OBJECT_IMAGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "tree/mount_index.h"

namespace g8ufs {

// A content as one of the images describes it.
struct ObjectRecord {
  uint32_t image = 0;
  std::shared_ptr<const MountIndex> index;
  ContentRecord content;
};

// The node id of a content: from its digest, so that a daemon that takes the connection over knows it.
// Digests are uniformly distributed; two that share these 62 bits are made so, and then neither is read.
inline constexpr uint64_t kObjectNodes = uint64_t{1} << 62;
uint64_t NodeOfDigest(const Digest& digest);

class ObjectImages {
 public:
  // Maps the mount index in `directory`. Errors as MountIndex::Open.
  Status Add(const std::string& directory, uint32_t* number) EXCLUDES_LOCK(mutex_);
  // Unknown numbers are ignored.
  void Remove(uint32_t number) EXCLUDES_LOCK(mutex_);

  // 0 with a record; ENOENT when no image has the content; EIO when two disagree about its size,
  // or a table is broken. The first image that was added gives the record.
  int Find(const Digest& digest, ObjectRecord* record) const EXCLUDES_LOCK(mutex_);
  // The same by the number that stands for the content as a file; see NodeOfDigest. EIO also when it
  // stands for two contents.
  int FindNode(uint64_t node, ObjectRecord* record) const EXCLUDES_LOCK(mutex_);

 private:
  mutable Mutex mutex_;
  uint32_t next_number_ GUARDED_BY(mutex_) = 1;
  std::map<uint32_t, std::shared_ptr<const MountIndex>> images_ GUARDED_BY(mutex_);
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_OBJECT_IMAGES_H_
