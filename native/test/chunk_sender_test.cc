// Whether a file is in memory, as it is found out without cachestat.
#include "chunk/chunk_sender.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "test/check.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSize = 5 * kPage;

UniqueFd Create(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

void TestWritten() {
  const test::TempDir dir;
  const UniqueFd fd = Create(dir / "written");
  const std::vector<char> bytes(kSize, 'x');
  CHECK(::write(fd.get(), bytes.data(), kSize) == static_cast<ssize_t>(kSize));
  CHECK(IsResident(fd.get(), 0, kSize));
  CHECK(IsResident(fd.get(), 1, 1));
  CHECK(IsResident(fd.get(), kPage - 1, kPage + 2));
  // No file at all.
  CHECK(!IsResident(-1, 0, kSize));
}

void TestHole() {
  const test::TempDir dir;
  const UniqueFd fd = Create(dir / "hole");
  CHECK(::ftruncate(fd.get(), kSize) == 0);
  CHECK(!IsResident(fd.get(), 0, kSize));
  CHECK(::pwrite(fd.get(), "x", 1, 2 * kPage) == 1);
  CHECK(IsResident(fd.get(), 2 * kPage, kPage));
  CHECK(!IsResident(fd.get(), 2 * kPage, kPage + 1));
  CHECK(!IsResident(fd.get(), 2 * kPage - 1, 2));
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::TestWritten();
  g8ufs::TestHole();
  return g8ufs::test::Failures();
}
