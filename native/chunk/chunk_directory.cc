#include "chunk/chunk_directory.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/file_io.h"
#include "base/unique_fd.h"

namespace g8ufs {
namespace {

constexpr char kTemporary[] = "tmp";
constexpr size_t kIdSizeMin = 32;
constexpr size_t kIdSizeMax = 64;
constexpr mode_t kChunkMode = 0644;
constexpr mode_t kFolderMode = 0777;

bool IsId(const std::string& id) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return id.size() >= kIdSizeMin && id.size() <= kIdSizeMax && std::ranges::all_of(id, is_digit);
}

class Writer {
 public:
  explicit Writer(const ChunkDirectory& directory) : directory_(directory) {}

  Status Open() {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    root_.Reset(::open(directory_.root.c_str(), kFlags));
    if (!root_.ok()) return Status::FromErrno(directory_.root + " cannot be opened", errno);
    temporary_.Reset(::openat(root_.get(), kTemporary, kFlags));
    if (!temporary_.ok()) return Status::FromErrno(directory_.root + "/tmp cannot be opened", errno);
    return {};
  }

  Status Write(const NamedChunk& chunk, bool& written) {
    const std::string folder = chunk.id.substr(0, 2);
    const std::string path = folder + "/" + chunk.id;
    // Chunks lie flat in directories of old.
    written = !IsThere(path) && !IsThere(chunk.id);
    if (!written) return {};
    std::array<uint8_t, 6> random = {};
    // So few bytes come whole.
    if (::getrandom(random.data(), random.size(), 0) < 0) {
      return Status::FromErrno("Random bytes cannot be had", errno);
    }
    const std::string temporary = chunk.id + "." + ToHex(random);
    Status status = WriteFile(temporary, chunk.stored);
    if (status.ok()) status = Rename(temporary, folder, path);
    if (!status.ok()) {
      ::unlinkat(temporary_.get(), temporary.c_str(), 0);
      const std::string context = "Cannot write chunk " + chunk.id + " to " + directory_.root;
      return Status::FromErrno(context, status.error());
    }
    if (directory_.fsync) folders_.insert(folder);
    return {};
  }

  // Flushes the names of what was written.
  Status Flush() {
    for (const std::string& folder : folders_) {
      const UniqueFd fd(::openat(root_.get(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!fd.ok() || ::fsync(fd.get()) != 0) {
        return Status::FromErrno(directory_.root + "/" + folder + " cannot be flushed", errno);
      }
    }
    return {};
  }

 private:
  // An empty file is what a power failure can leave of a chunk; no chunk is empty.
  bool IsThere(const std::string& path) const {
    struct stat found;
    return ::fstatat(root_.get(), path.c_str(), &found, 0) == 0 && S_ISREG(found.st_mode) &&
           found.st_size > 0;
  }

  Status WriteFile(const std::string& name, ByteSpan bytes) {
    UniqueFd fd(::openat(temporary_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                         kChunkMode));
    if (!fd.ok()) return Status::FromErrno("open", errno);
    if (Status status = WriteAt(fd.get(), 0, bytes); !status.ok()) return status;
    if (directory_.fsync && ::fsync(fd.get()) != 0) return Status::FromErrno("fsync", errno);
    // Network filesystems may tell only now that there was no room.
    if (::close(fd.Release()) != 0 && errno != EINTR) return Status::FromErrno("close", errno);
    return {};
  }

  Status Rename(const std::string& temporary, const std::string& folder, const std::string& path) {
    const auto rename = [&] {
      return ::renameat(temporary_.get(), temporary.c_str(), root_.get(), path.c_str()) == 0;
    };
    if (rename()) return {};
    if (errno != ENOENT) return Status::FromErrno("rename", errno);
    if (::mkdirat(root_.get(), folder.c_str(), kFolderMode) != 0 && errno != EEXIST) {
      return Status::FromErrno("mkdir", errno);
    }
    return rename() ? Status() : Status::FromErrno("rename", errno);
  }

  const ChunkDirectory& directory_;
  UniqueFd root_;
  UniqueFd temporary_;
  std::set<std::string> folders_;
};

}  // namespace

Status WriteChunks(const ChunkDirectory& directory, const std::vector<NamedChunk>& chunks,
                   std::vector<uint8_t>& written) {
  written.assign(chunks.size(), 0);
  Writer writer(directory);
  if (Status status = writer.Open(); !status.ok()) return status;
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (!IsId(chunks[i].id)) return Status(Code::ERR_USAGE, "A chunk's name is no id");
    bool is_new = false;
    if (Status status = writer.Write(chunks[i], is_new); !status.ok()) return status;
    written[i] = is_new ? 1 : 0;
  }
  return writer.Flush();
}

}  // namespace g8ufs
