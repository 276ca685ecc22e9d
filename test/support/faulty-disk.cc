// faulty-disk: a file system of one file, `disk`, to put a loop device on. It does what disks do: fails reads and
// writes when it is told to, and records what was written and when it was flushed, so that a power cut
// at any moment can be played back. Speaks the kernel's FUSE protocol by itself: one thread, no
// library.
//
//   faulty-disk MOUNT_POINT IMAGE [LOG]
//
// IMAGE is the file that holds the bytes; its size is that of the disk. LOG gets a record for each write
// (offset, size, bytes) and each flush (offset ~0, size 0), numbers as 8 bytes in the machine's order.
//
// Commands come on stdin, one a line, and are answered with `ok` and the counts of reads, writes,
// flushes, failed reads and failed writes:
//   read N, write N   every N-th request of the kind fails with EIO; 0: none does
//   bad FROM TO       reads in this range of bytes fail; `bad 0 0`: none does
//   hang N            with 1 nothing is answered any more, with 0 what was asked is, and goes on
//   count             nothing but the answer
// It ends when stdin does, and takes its mount away.
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr uint64_t kFileNode = 2;
constexpr uint32_t kWriteMax = 1 << 20;

int device = -1;
int image = -1;
FILE* record = nullptr;
uint64_t disk_size = 0;

struct Faults {
  uint64_t every_read = 0;
  uint64_t every_write = 0;
  uint64_t bad_from = 0;
  uint64_t bad_to = 0;
  bool hangs = false;
} faults;
struct Counts {
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t flushes = 0;
  uint64_t failed_reads = 0;
  uint64_t failed_writes = 0;
} counts;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "faulty-disk: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void Reply(uint64_t unique, int error, const void* data = nullptr, size_t size = 0) {
  fuse_out_header header{static_cast<uint32_t>(sizeof(header) + size), -error, unique};
  std::vector<char> buffer(header.len);
  std::memcpy(buffer.data(), &header, sizeof(header));
  if (size > 0) std::memcpy(buffer.data() + sizeof(header), data, size);
  // ENOENT: the request was given up.
  if (::write(device, buffer.data(), buffer.size()) < 0 && errno != ENOENT) Die("reply");
}

fuse_attr AttrOf(uint64_t node) {
  fuse_attr attr{};
  attr.ino = node;
  attr.nlink = 1;
  attr.mode = node == kFileNode ? S_IFREG | 0600 : S_IFDIR | 0700;
  attr.size = node == kFileNode ? disk_size : 0;
  attr.blocks = attr.size / 512;
  attr.blksize = 4096;
  return attr;
}

void Read(uint64_t unique, const fuse_read_in& in) {
  ++counts.reads;
  const bool is_bad = in.offset < faults.bad_to && in.offset + in.size > faults.bad_from;
  const bool is_due = faults.every_read > 0 && counts.reads % faults.every_read == 0;
  if (is_bad || is_due) {
    ++counts.failed_reads;
    return Reply(unique, EIO);
  }
  std::vector<char> bytes(in.size);
  const ssize_t size = ::pread(image, bytes.data(), bytes.size(), static_cast<off_t>(in.offset));
  if (size < 0) return Reply(unique, errno);
  Reply(unique, 0, bytes.data(), static_cast<size_t>(size));
}

void Log(uint64_t offset, uint64_t size, const char* bytes) {
  if (record == nullptr) return;
  const uint64_t head[2] = {offset, size};
  if (std::fwrite(head, sizeof(head), 1, record) != 1) Die("log");
  if (size > 0 && std::fwrite(bytes, size, 1, record) != 1) Die("log");
}

void Write(uint64_t unique, const fuse_write_in& in, const char* bytes) {
  ++counts.writes;
  if (faults.every_write > 0 && counts.writes % faults.every_write == 0) {
    ++counts.failed_writes;
    return Reply(unique, EIO);
  }
  if (::pwrite(image, bytes, in.size, static_cast<off_t>(in.offset)) != static_cast<ssize_t>(in.size)) {
    return Reply(unique, EIO);
  }
  Log(in.offset, in.size, bytes);
  const fuse_write_out out{in.size, 0};
  Reply(unique, 0, &out, sizeof(out));
}

template <class T>
T Take(const char* body) {
  T value;
  std::memcpy(&value, body, sizeof(value));
  return value;
}

void Handle(const fuse_in_header& header, const char* body) {
  const uint64_t unique = header.unique;
  switch (header.opcode) {
    case FUSE_INIT: {
      fuse_init_out out{};
      out.major = FUSE_KERNEL_VERSION;
      out.minor = Take<fuse_init_in>(body).minor < 36 ? Take<fuse_init_in>(body).minor : 36;
      out.max_readahead = kWriteMax;
      out.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES;
      out.max_write = kWriteMax;
      out.max_pages = kWriteMax / 4096;
      out.max_background = 64;
      return Reply(unique, 0, &out, sizeof(out));
    }
    case FUSE_LOOKUP: {
      if (std::strcmp(body, "disk") != 0) return Reply(unique, ENOENT);
      fuse_entry_out out{};
      out.nodeid = kFileNode;
      out.entry_valid = out.attr_valid = 3600;
      out.attr = AttrOf(kFileNode);
      return Reply(unique, 0, &out, sizeof(out));
    }
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
      fuse_attr_out out{};
      out.attr_valid = 3600;
      out.attr = AttrOf(header.nodeid);
      return Reply(unique, 0, &out, sizeof(out));
    }
    case FUSE_OPENDIR:
    case FUSE_OPEN: {
      fuse_open_out out{};
      // Every request of the loop device is to come here.
      if (header.opcode == FUSE_OPEN) out.open_flags = FOPEN_DIRECT_IO;
      return Reply(unique, 0, &out, sizeof(out));
    }
    case FUSE_READ:
      return Read(unique, Take<fuse_read_in>(body));
    case FUSE_WRITE:
      return Write(unique, Take<fuse_write_in>(body), body + sizeof(fuse_write_in));
    case FUSE_FSYNC:
      ++counts.flushes;
      Log(~uint64_t{0}, 0, nullptr);
      return Reply(unique, 0);
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = out.st.frsize = 4096;
      out.st.namelen = 255;
      return Reply(unique, 0, &out, sizeof(out));
    }
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_ACCESS:
      return Reply(unique, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;
    default:
      return Reply(unique, ENOSYS);
  }
}

void Command(char* line) {
  unsigned long long a = 0;
  unsigned long long b = 0;
  if (std::sscanf(line, "read %llu", &a) == 1) faults.every_read = a;
  if (std::sscanf(line, "write %llu", &a) == 1) faults.every_write = a;
  if (std::sscanf(line, "hang %llu", &a) == 1) faults.hangs = a != 0;
  if (std::sscanf(line, "bad %llu %llu", &a, &b) == 2) {
    faults.bad_from = a;
    faults.bad_to = b;
  }
  if (record != nullptr) std::fflush(record);
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("ok %llu %llu %llu %llu %llu\n", number(counts.reads), number(counts.writes),
              number(counts.flushes), number(counts.failed_reads), number(counts.failed_writes));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: faulty-disk MOUNT_POINT IMAGE [LOG]\n");
    return 64;
  }
  image = ::open(argv[2], O_RDWR | O_CLOEXEC);
  if (image < 0) Die(argv[2]);
  struct stat attributes {};
  if (::fstat(image, &attributes) != 0) Die(argv[2]);
  disk_size = static_cast<uint64_t>(attributes.st_size);
  if (argc > 3 && (record = std::fopen(argv[3], "wb")) == nullptr) Die(argv[3]);
  device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (device < 0) Die("/dev/fuse");
  const std::string options = "fd=" + std::to_string(device) + ",rootmode=40700,user_id=0,group_id=0";
  if (::mount("faulty-disk", argv[1], "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) Die(argv[1]);
  std::vector<char> buffer(kWriteMax + 65536);
  std::string input;
  pollfd sources[2] = {{device, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (true) {
    // Requests stay with the kernel while it hangs.
    sources[0] = {faults.hangs ? -1 : device, POLLIN, 0};
    if (::poll(sources, 2, -1) < 0 && errno != EINTR) Die("poll");
    if (sources[0].revents != 0) {
      const ssize_t size = ::read(device, buffer.data(), buffer.size());
      if (size < 0 && errno == ENODEV) break;  // unmounted by somebody else
      if (size < 0 && errno != EAGAIN && errno != EINTR && errno != ENOENT) Die("request");
      if (size > 0) Handle(Take<fuse_in_header>(buffer.data()), buffer.data() + sizeof(fuse_in_header));
    }
    if (sources[1].revents != 0) {
      char text[256];
      const ssize_t size = ::read(STDIN_FILENO, text, sizeof(text));
      if (size <= 0) break;
      input.append(text, static_cast<size_t>(size));
      for (size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
        std::string line = input.substr(0, end);
        input.erase(0, end + 1);
        Command(line.data());
      }
    }
  }
  if (record != nullptr) std::fclose(record);
  (void)::umount2(argv[1], MNT_DETACH);
  return 0;
}
