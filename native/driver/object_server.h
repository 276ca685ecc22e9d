// ObjectServer: answers the kernel's requests for the contents of all images of a node, each as one
// file `/aa/bb/<digest>` in a tree that nobody lists. Overlays look for contents here that are not
// whole in the cache, and read what is there, waiting for the rest, as through an image's mount.
//
// Files are not opened (the first OPEN is answered ENOSYS) and not passed through: what is complete
// is found before this mount is asked. An absent name is never remembered by the kernel, for it may
// belong to the next image.
//
// Thread rule: Handle is called by all workers at once, Resume and Fail by the table's thread.
#ifndef G8UFS_NATIVE_DRIVER_OBJECT_SERVER_H_
#define G8UFS_NATIVE_DRIVER_OBJECT_SERVER_H_

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "driver/content.h"
#include "driver/content_files.h"
#include "driver/content_server.h"
#include "driver/file_cache.h"
#include "driver/object_images.h"
#include "driver/served_file.h"

namespace g8ufs {

class ObjectServer : public ContentServer {
 public:
  // All references outlive the server.
  ObjectServer(const ContentFiles& files, ContentRegistry& registry, MissTable& misses,
               size_t workers);

  // The contents of the image can be asked for when this returns. ERR_FLIST_FORMAT when a file that
  // the kernel knows has another size in this image.
  Status AddImage(const std::string& directory, uint32_t* number) EXCLUDES_LOCK(mutex_);
  void RemoveImage(uint32_t number) { images_.Remove(number); }

  void Handle(const fuse::Request& request, const fuse::Worker& worker) override;
  void Resume(Waiter waiter) override { ResumeRead(std::move(waiter)); }
  void SetDevice(const fuse::Device& /*device*/) override {}
  void ForgetContent(const Digest& digest) override { recent_files_.EraseContent(digest); }
  uint64_t open_files() const override { return 0; }

 private:
  // A file that the kernel knows.
  struct Object {
    Digest digest{};
    uint64_t size = 0;
    uint64_t data_bytes = 0;
    uint64_t lookups = 0;
  };
  // What a file is read from, with the image that says what its blocks are.
  struct ObjectFile : ServedFile {
    ObjectFile(ContentRegistry& contents, std::shared_ptr<Content> used, ObjectRecord found)
        : ServedFile(contents, std::move(used), found.content), object(std::move(found)) {}
    Describer describer() const { return {*object.index, object.image}; }

    const ObjectRecord object;
  };

  // Names: object_server.cc.
  void Lookup(const Call& call, fuse::Cursor body);
  void LookupObject(const Call& call, std::string_view name);
  void AnswerEntry(const Call& call, uint64_t node, const fuse::Attr& attr);
  void Getattr(const Call& call);
  void Statfs(const Call& call);
  void Forget(uint64_t node, uint64_t count) EXCLUDES_LOCK(mutex_);
  void ForgetMany(fuse::Cursor body);
  // A file that the kernel knows, perhaps from a predecessor of this process. 0 or an errno.
  int FindObject(uint64_t node, Object* object) EXCLUDES_LOCK(mutex_);

  // Data: object_files.cc.
  void Read(const Call& call, fuse::Cursor body);
  void Lseek(const Call& call, fuse::Cursor body);
  std::shared_ptr<const ObjectFile> FileOf(uint64_t node, int* error);
  int OpenFile(uint64_t node, std::shared_ptr<const ObjectFile>* file);

  ObjectImages images_;
  FileCache recent_files_;

  Mutex mutex_;
  // By node id.
  std::unordered_map<uint64_t, Object> objects_ GUARDED_BY(mutex_);
};

}  // namespace g8ufs

#endif  // G8UFS_NATIVE_DRIVER_OBJECT_SERVER_H_
