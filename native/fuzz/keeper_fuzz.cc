// What another process says to a keeper, and what it leaves for a successor. The first byte chooses: a
// conversation of up to four processes with a keeper, a description of how a daemon is started, or a table
// of open files that somebody has written into.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "driver/held_files.h"
#include "keeper/keeper.h"
#include "keeper/message_socket.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

void Require(bool is_so) {
  if (!is_so) std::abort();
}

class Input {
 public:
  explicit Input(ByteSpan bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t Byte() { return empty() ? uint8_t{0} : Take(1)[0]; }
  ByteSpan Take(size_t size) {
    const ByteSpan taken = bytes_.subspan(0, std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }

 private:
  ByteSpan bytes_;
};

// A descriptor as it may come: of nothing, of something that has ended, of a file with what follows.
UniqueFd Descriptor(Input* input) {
  int fds[2];
  UniqueFd file;
  switch (input->Byte() % 4) {
    case 0:
      return UniqueFd(::eventfd(0, EFD_CLOEXEC));
    case 1:
      Require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
      ::close(fds[1]);
      return UniqueFd(fds[0]);
    default:
      Require(keeper::MakeMemoryFile("fuzz", input->Take(input->Byte()), &file) == 0);
      return file;
  }
}

void SendOne(int socket, Input* input) {
  keeper::Message message;
  const ByteSpan bytes = input->Take(sizeof(message));
  std::memcpy(&message, bytes.data(), bytes.size());
  // Right most of the time: otherwise little would get past the first checks.
  if ((message.magic & 7) != 0) message.magic = keeper::kMagic;
  if (message.operation > 255) message.operation = 1 + message.operation % 9;
  if (message.id > 255) message.id %= 4;
  std::vector<UniqueFd> files;
  for (size_t count = input->Byte() % 5; files.size() < std::min(count, keeper::kFdsMax);) {
    files.push_back(Descriptor(input));
  }
  std::vector<int> fds;
  for (const UniqueFd& file : files) fds.push_back(file.get());
  (void)keeper::SendMessage(socket, message, fds);
}

void Converse(Input input) {
  static const test::TempDir directory;
  static const std::string path = directory / "keeper.sock";
  UniqueFd listener;
  Require(keeper::Listen(path, &listener) == 0);
  constexpr std::chrono::milliseconds kNow{0};
  constexpr std::chrono::milliseconds kSoon{1};
  int process = 0;
  const keeper::Keeper* self = nullptr;
  std::vector<keeper::Keeper::Ended> ended;
  bool is_dying = false;
  keeper::Keeper keeper(std::move(listener),
                        {[&](const keeper::Launch& launch, int wait_fd) {
                           Require(!launch.arguments.empty() && launch.arguments[0][0] == '/');
                           // So many at most stand by, and only while there is something to take.
                           if (wait_fd >= 0) {
                             Require(self->standby_count() < keeper::kStandbysMax);
                             Require(self->entry_count() > 0);
                             Require(launch.arguments.back() == keeper::kStandbyArgument);
                           }
                           return ++process;
                         },
                         [](int killed) { Require(killed > 0); },
                         [&] { return std::exchange(ended, {}); },
                         [&](int) { return is_dying; }},
                        {kSoon, kNow, kNow, kNow});
  self = &keeper;
  std::array<UniqueFd, 4> clients;
  bool goes_on = true;
  while (goes_on && !input.empty()) {
    const uint8_t what = input.Byte();
    is_dying = (what & 128) != 0 && (what >> 2) % 8 == 1;
    UniqueFd& client = clients[what % clients.size()];
    switch ((what >> 2) % 8) {
      case 0:
        client.Reset();
        break;
      case 1:
        ended.push_back({process, (what & 64) != 0});
        break;
      case 2:
        if (client.ok()) {
          const ByteSpan raw = input.Take(input.Byte());
          (void)::send(client.get(), raw.data(), raw.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        break;
      default:
        if (!client.ok()) Require(keeper::Connect(path, &client) == 0);
        SendOne(client.get(), &input);
    }
    // One connects, one is served.
    for (int turn = 0; turn < 2 && goes_on; ++turn) {
      goes_on = keeper.Step(std::chrono::milliseconds(0));
    }
    Require(keeper.entry_count() <= keeper::kEntriesMax);
    keeper::Message reply;
    std::vector<UniqueFd> fds;
    for (const UniqueFd& each : clients) {
      if (!each.ok()) continue;
      Require(::fcntl(each.get(), F_SETFL, O_NONBLOCK) == 0);
      const int error = keeper::ReceiveMessage(each.get(), &reply, &fds);
      // What it says is always a message.
      Require(error != EPROTO && (error != 0 || reply.error >= 0));
    }
  }
}

void DecodeOne(Input input) {
  const ByteSpan bytes = input.Take(SIZE_MAX);
  keeper::Launch launch;
  if (!keeper::DecodeLaunch(bytes, &launch)) return;
  const std::string again = keeper::EncodeLaunch(launch);
  Require(again.size() == bytes.size() && std::memcmp(again.data(), bytes.data(), bytes.size()) == 0);
}

// Pieces of the input at places of the table, as far as its records go that are looked at here.
void AdoptTable(Input input) {
  constexpr size_t kTouched = 8192 + 64 * 64;
  std::unique_ptr<HeldFiles> files;
  Require(HeldFiles::Create(&files).ok() && files->Begin({}).ok());
  HeldFiles::Hold hold;
  for (uint64_t nid = 1; nid <= 3; ++nid) {
    Require(files->Add(nid, Digest{}, static_cast<int32_t>(nid), &hold));
    hold.Release();
  }
  UniqueFd file(::fcntl(files->fd(), F_DUPFD_CLOEXEC, 0));
  files.reset();
  while (!input.empty()) {
    const size_t at = (size_t{input.Byte()} | size_t{input.Byte()} << 8) % kTouched;
    const ByteSpan piece = input.Take(1 + input.Byte() % 16);
    Require(::pwrite(file.get(), piece.data(), piece.size(), static_cast<off_t>(at)) ==
            static_cast<ssize_t>(piece.size()));
  }
  if (!HeldFiles::Adopt(std::move(file), &files).ok()) return;
  (void)files->connection();
  std::vector<HeldFiles::Snapshot> records = files->Records();
  Require(records.size() <= HeldFiles::kRecordCountMax);
  if (records.size() > 64) records.resize(64);
  for (const HeldFiles::Snapshot& record : records) files->Take(record).SetOpens(record.opens + 1);
  if (files->Add(9, Digest{}, 0, &hold)) hold.Reset();
}

}  // namespace
}  // namespace g8ufs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const g8ufs::Input input({data + 1, size - 1});
  switch (data[0] % 3) {
    case 0:
      g8ufs::Converse(input);
      break;
    case 1:
      g8ufs::DecodeOne(input);
      break;
    default:
      g8ufs::AdoptTable(input);
  }
  return 0;
}
