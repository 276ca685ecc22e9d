// Feeds arbitrary messages to the decoder and the server behind it, as if the kernel had sent them.
// The replies go into a socket that is emptied after each message.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "driver/image_server.h"
#include "test/image_builder.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

struct Server {
  Server() {
    test::TestNode root = test::Directory();
    root.children["file"] = test::File(1, 3 * 4096, "dhl");
    root.children["file"].xattrs = {{1, "a", "b"}};
    root.children["link"].mode = S_IFLNK | 0777;
    root.children["link"].target = "file";
    const test::ImageBuilder builder(root);
    tree = builder.tree;
    contents = builder.contents;
    if (!MountIndex::OpenBytes(tree, contents, &index).ok() ||
        !ContentFiles::Open(directory.path(), "", &files).ok()) {
      std::abort();
    }
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
    device = fuse::Device(UniqueFd(fds[0]));
    worker.device = &device;
    kernel.Reset(fds[1]);
    reply.resize(fuse::kMaxReadBytes);
    worker.reply_buffer = reply;
    server = std::make_unique<ImageServer>(*index, files, registry, misses, ImageServer::Options{});
    server->SetDevice(device);
    if (!misses.Start(*server).ok()) std::abort();
  }

  test::TempDir directory;
  test::Bytes tree;
  test::Bytes contents;
  std::unique_ptr<MountIndex> index;
  ContentFiles files;
  ContentRegistry registry;
  MissTable misses{registry, {std::chrono::milliseconds(1), [](const Need&) { return true; }, nullptr}};
  fuse::Device device;
  fuse::Worker worker;
  UniqueFd kernel;
  std::vector<uint8_t> reply;
  std::unique_ptr<ImageServer> server;
};

}  // namespace
}  // namespace g8ufs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* state = new g8ufs::Server();
  if (size < sizeof(g8ufs::fuse::InHeader)) {
    (void)g8ufs::fuse::DecodeRequest({data, size});
    return 0;
  }
  std::vector<uint8_t> message(data, data + size);
  // The length is right most of the time: otherwise little would get past the first check.
  if ((message[0] & 7) != 0) {
    const auto length = static_cast<uint32_t>(size);
    std::memcpy(message.data(), &length, sizeof(length));
    message[4] = static_cast<uint8_t>(message[4] % g8ufs::fuse::kOpcodeCount);
    std::memset(message.data() + 5, 0, 3);
  }
  if (const auto request = g8ufs::fuse::DecodeRequest(message)) {
    g8ufs::fuse::Cursor body = request->body;
    g8ufs::fuse::InitIn init;
    (void)g8ufs::fuse::TakeInit(&body, &init);
    state->server->Handle(*request, state->worker);
  }
  static std::vector<char> drain(1 << 20);
  while (::recv(state->kernel.get(), drain.data(), drain.size(), 0) > 0) {
  }
  return 0;
}
