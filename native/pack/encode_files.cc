#include "pack/encode_files.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/beneath.h"
#include "base/unique_fd.h"
#include "scan/scan.h"

namespace g8ufs {
namespace {

bool IsSame(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// A file that is the same after reading as it was when scanned has not changed in between either.
bool IsUnchanged(const struct stat& now, const SmallFile& file) {
  return now.st_ino == file.ino && now.st_size == file.size && IsSame(now.st_mtim, file.mtime) &&
         IsSame(now.st_ctim, file.ctime);
}

// The directory that was opened last: files of one directory follow each other.
class ParentDirectory {
 public:
  Status Open(const Place& place, std::string& name) {
    const size_t slash = place.path.rfind('/');
    const std::string_view path =
        slash == place.path.npos ? std::string_view() : place.path.substr(0, slash);
    if (fd_.ok() && path == path_ && slash != place.path.npos) {
      name = place.path.substr(slash + 1);
      return {};
    }
    path_ = path;
    return OpenParent(place, fd_, name);
  }
  int get() const { return fd_.get(); }

 private:
  std::string path_;
  UniqueFd fd_;
};

Status EncodeFile(const Place& place, const SmallFile& file, ParentDirectory& parent,
                  ChunkCodec codec, int level, FileChunk& chunk) {
  std::string name;
  UniqueFd fd;
  if (Status status = parent.Open(place, name); !status.ok()) return status;
  if (Status status = OpenFileAt(place, parent.get(), name, fd); !status.ok()) return status;
  Status encoded =
      EncodeChunkFromFile(fd.get(), 0, static_cast<size_t>(file.size), codec, level, chunk);
  struct stat now;
  if (::fstat(fd.get(), &now) != 0) return place.Fail(errno, "cannot be read");
  // Before the status of reading: a file that became shorter is one that changed.
  if (!IsUnchanged(now, file)) return place.Fail(Code::ERR_IO, "changed while it was read");
  if (encoded.error() != 0) return place.Fail(encoded.error(), "cannot be read");
  return encoded;
}

}  // namespace

Status EncodeFiles(const std::string& root, const std::vector<SmallFile>& files, ChunkCodec codec,
                   int level, std::vector<FileChunk>& chunks) {
  ParentDirectory parent;
  chunks.resize(files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const Place place{root, files[i].path};
    Status status = EncodeFile(place, files[i], parent, codec, level, chunks[i]);
    if (!status.ok()) return status;
  }
  return {};
}

Status StoreFiles(const std::string& root, const std::vector<SmallFile>& files, ChunkCodec codec,
                  int level, const ChunkDirectory& directory, std::vector<StoredFile>& stored) {
  ParentDirectory parent;
  ChunkDirectoryWriter writer(directory);
  if (Status status = writer.Open(); !status.ok()) return status;
  stored.resize(files.size());
  FileChunk chunk;
  for (size_t i = 0; i < files.size(); ++i) {
    const Place place{root, files[i].path};
    Status status = EncodeFile(place, files[i], parent, codec, level, chunk);
    if (!status.ok()) return status;
    StoredFile& file = stored[i];
    file.hole = chunk.hole;
    if (chunk.hole) continue;
    file.plain_digest = chunk.plain_digest;
    file.id = chunk.id;
    file.stored_size = chunk.stored.size();
    status = writer.Write({ToHex(chunk.id.span()), chunk.stored}, file.written);
    if (!status.ok()) return status;
  }
  return writer.Flush();
}

}  // namespace g8ufs
