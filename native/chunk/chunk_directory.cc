#include "chunk/chunk_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/file_io.h"

namespace g8ufs {
namespace {

constexpr char kTemporary[] = "tmp";
constexpr size_t kIdSizeMin = 32;
constexpr size_t kIdSizeMax = 64;
constexpr mode_t kChunkMode = 0644;
constexpr mode_t kFolderMode = 0777;
constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
// The folders of two digits and `tmp`, and as much again of what is none of ours.
constexpr size_t kNamesMax = 512;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Chunks lie flat in directories of old. In all others one look at the names saves one at each chunk.
bool HasFlatChunks(int root) {
  const int fd = ::openat(root, ".", kOpenFolder);
  const std::unique_ptr<DIR, CloseDirectory> names(fd < 0 ? nullptr : ::fdopendir(fd));
  if (names == nullptr) return true;
  for (size_t i = 0; i < kNamesMax; ++i) {
    const dirent* entry = ::readdir(names.get());
    if (entry == nullptr) return false;
    if (IsChunkId(entry->d_name)) return true;
  }
  return true;
}

Status BadId() { return Status(Code::ERR_USAGE, "A chunk's name is no id"); }

bool IsFile(int root, const std::string& path, struct stat& found) {
  // An empty file is what a power failure can leave of a chunk; no chunk is empty.
  return ::fstatat(root, path.c_str(), &found, 0) == 0 && S_ISREG(found.st_mode) &&
         found.st_size > 0;
}

// Nothing, and a size of 0, unless it is a chunk of at most `size_max` bytes.
UniqueFd OpenChunk(int root, const std::string& id, size_t size_max, size_t& size) {
  for (const std::string& path : {ChunkPathOf(id), id}) {
    // O_NONBLOCK: a FIFO would wait for its writer.
    UniqueFd fd(::openat(root, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat file;
    if (!fd.ok() || ::fstat(fd.get(), &file) != 0) continue;
    if (!S_ISREG(file.st_mode) || file.st_size <= 0) continue;
    if (static_cast<size_t>(file.st_size) > size_max) continue;
    size = static_cast<size_t>(file.st_size);
    return fd;
  }
  size = 0;
  return UniqueFd();
}

}  // namespace

bool IsChunkId(std::string_view id) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return id.size() >= kIdSizeMin && id.size() <= kIdSizeMax && std::ranges::all_of(id, is_digit);
}

std::string ChunkPathOf(const std::string& id) { return id.substr(0, 2) + "/" + id; }

Status ChunkDirectoryWriter::Open() {
  root_.Reset(::open(directory_.root.c_str(), kOpenFolder));
  if (!root_.ok()) return Status::FromErrno(directory_.root + " cannot be opened", errno);
  temporary_.Reset(::openat(root_.get(), kTemporary, kOpenFolder));
  if (!temporary_.ok()) return Status::FromErrno(directory_.root + "/tmp cannot be opened", errno);
  has_flat_chunks_ = HasFlatChunks(root_.get());
  std::array<uint8_t, 6> random = {};
  // So few bytes come whole.
  if (::getrandom(random.data(), random.size(), 0) < 0) {
    return Status::FromErrno("Random bytes cannot be had", errno);
  }
  temporary_suffix_ = "." + ToHex(random);
  return {};
}

Status ChunkDirectoryWriter::Write(const NamedChunk& chunk, bool& written) {
  if (!IsChunkId(chunk.id)) return BadId();
  const std::string path = ChunkPathOf(chunk.id);
  written = !IsThere(path, chunk.stored.size()) &&
            !(has_flat_chunks_ && IsThere(chunk.id, chunk.stored.size()));
  if (!written) return {};
  const std::string folder = chunk.id.substr(0, 2);
  Linked outcome = Linked::kNotPossible;
  Status status;
  if (can_link_) status = WriteLinked(folder, path, chunk.stored, outcome);
  // Somebody else wrote it meanwhile, unless it is the damaged file that was no chunk above.
  written = !(outcome == Linked::kExists && IsThere(path, chunk.stored.size()));
  if (!written) return {};
  if (status.ok() && outcome != Linked::kDone) status = WriteRenamed(chunk, folder, path);
  if (!status.ok()) {
    const std::string context = "Cannot write chunk " + chunk.id + " to " + directory_.root;
    return Status::FromErrno(context, status.error());
  }
  if (directory_.fsync) folders_.insert(folder);
  return {};
}

Status ChunkDirectoryWriter::Flush() {
  for (const std::string& folder : folders_) {
    const UniqueFd fd(::openat(root_.get(), folder.c_str(), kOpenFolder));
    if (!fd.ok() || ::fsync(fd.get()) != 0) {
      return Status::FromErrno(directory_.root + "/" + folder + " cannot be flushed", errno);
    }
  }
  return {};
}

bool ChunkDirectoryWriter::IsThere(const std::string& path, size_t size) const {
  struct stat found;
  return IsFile(root_.get(), path, found) && found.st_size == static_cast<off_t>(size);
}

// The file has no name until it is whole. So it lies near its folder, where there is room, instead of all new
// chunks near `tmp`, and one directory changes instead of two.
Status ChunkDirectoryWriter::WriteLinked(const std::string& folder, const std::string& path,
                                         ByteSpan bytes, Linked& outcome) {
  outcome = Linked::kNotPossible;
  const auto open = [&] {
    return ::openat(root_.get(), folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, kChunkMode);
  };
  UniqueFd fd(open());
  if (!fd.ok() && errno == ENOENT) {
    if (::mkdirat(root_.get(), folder.c_str(), kFolderMode) != 0 && errno != EEXIST) return {};
    fd.Reset(open());
  }
  if (!fd.ok()) {
    // EOPNOTSUPP and its kin; whatever else it is, the other way says so in its own words.
    can_link_ = false;
    return {};
  }
  if (Status status = WriteBytes(fd.get(), bytes); !status.ok()) return status;
  const std::string open_file = "/proc/self/fd/" + std::to_string(fd.get());
  if (::linkat(AT_FDCWD, open_file.c_str(), root_.get(), path.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    outcome = Linked::kDone;
  } else if (errno == EEXIST) {
    outcome = Linked::kExists;
  } else {
    can_link_ = false;
    return {};
  }
  // Network filesystems may tell only now that there was no room; they have no files without names.
  fd.Reset();
  return {};
}

Status ChunkDirectoryWriter::WriteRenamed(const NamedChunk& chunk, const std::string& folder,
                                          const std::string& path) {
  const std::string temporary = chunk.id + temporary_suffix_;
  Status status = WriteFile(temporary, chunk.stored);
  if (status.ok()) status = Rename(temporary, folder, path);
  if (!status.ok()) ::unlinkat(temporary_.get(), temporary.c_str(), 0);
  return status;
}

Status ChunkDirectoryWriter::WriteBytes(int fd, ByteSpan bytes) const {
  if (Status status = WriteAt(fd, 0, bytes); !status.ok()) return status;
  if (directory_.fsync && ::fsync(fd) != 0) return Status::FromErrno("fsync", errno);
  return {};
}

Status ChunkDirectoryWriter::WriteFile(const std::string& name, ByteSpan bytes) const {
  UniqueFd fd(::openat(temporary_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                       kChunkMode));
  if (!fd.ok()) return Status::FromErrno("open", errno);
  if (Status status = WriteBytes(fd.get(), bytes); !status.ok()) return status;
  // Network filesystems may tell only now that there was no room.
  if (::close(fd.Release()) != 0 && errno != EINTR) return Status::FromErrno("close", errno);
  return {};
}

Status ChunkDirectoryWriter::Rename(const std::string& temporary, const std::string& folder,
                                    const std::string& path) const {
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

Status WriteChunks(const ChunkDirectory& directory, const std::vector<NamedChunk>& chunks,
                   std::vector<uint8_t>& written) {
  written.assign(chunks.size(), 0);
  ChunkDirectoryWriter writer(directory);
  if (Status status = writer.Open(); !status.ok()) return status;
  for (size_t i = 0; i < chunks.size(); ++i) {
    bool is_new = false;
    if (Status status = writer.Write(chunks[i], is_new); !status.ok()) return status;
    written[i] = is_new ? 1 : 0;
  }
  return writer.Flush();
}

Status FindChunks(const std::string& root, const std::vector<std::string>& ids,
                  std::vector<uint8_t>& found) {
  found.assign(ids.size(), 0);
  if (!std::ranges::all_of(ids, IsChunkId)) return BadId();
  const UniqueFd fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) {
    return errno == ENOENT ? Status() : Status::FromErrno(root + " cannot be opened", errno);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    for (const std::string& path : {ChunkPathOf(ids[i]), ids[i]}) {
      struct stat file;
      errno = 0;
      if (IsFile(fd.get(), path, file)) {
        found[i] = 1;
        break;
      }
      // Without an errno there is something that is no chunk.
      if (errno != 0 && errno != ENOENT && errno != ENOTDIR) {
        return Status::FromErrno("Cannot look for chunk " + ids[i] + " in " + root, errno);
      }
    }
  }
  return {};
}

Status ReadChunks(const std::string& root, const std::vector<std::string>& ids, size_t size_max,
                  size_t chunk_size_max, Buffer& bytes, std::vector<uint32_t>& sizes) {
  if (!std::ranges::all_of(ids, IsChunkId)) return BadId();
  sizes.clear();
  const UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  size_t used = 0;
  bytes.Resize(size_max);
  for (const std::string& id : ids) {
    size_t size = 0;
    UniqueFd fd;
    if (directory.ok()) fd = OpenChunk(directory.get(), id, chunk_size_max, size);
    if (fd.ok()) {
      if (used > 0 && used + size > size_max) break;
      if (size > bytes.size()) bytes.Resize(size);
      if (!ReadExactlyAt(fd.get(), 0, bytes.span().subspan(used, size)).ok()) size = 0;
    }
    used += size;
    sizes.push_back(static_cast<uint32_t>(size));
  }
  bytes.Truncate(used);
  return {};
}

}  // namespace g8ufs
