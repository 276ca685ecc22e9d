// Complete reads and writes, and where data is.
#include "base/file_io.h"

#include <fcntl.h>

#include "base/unique_fd.h"
#include "test/check.h"
#include "test/hex.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

using Bytes = std::vector<uint8_t>;

void ReadsStopAtTheEnd(const test::TempDir& directory) {
  const UniqueFd fd(::open((directory / "read").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  CHECK(WriteAt(fd.get(), 2, test::FromText("data")).ok());
  Bytes bytes(10);
  size_t count = 0;
  CHECK(ReadAt(fd.get(), 0, bytes, count).ok() && count == 6);
  CHECK(ReadAt(fd.get(), 100, bytes, count).ok() && count == 0);
  CHECK(ReadExactlyAt(fd.get(), 0, MutableByteSpan(bytes).first(6)).ok());
  CHECK(ReadExactlyAt(fd.get(), 0, bytes).code() == Code::ERR_IO);
  CHECK(ReadAt(-1, 0, bytes, count).error() == EBADF);
}

void FullDeviceIsNoRoom() {
  const UniqueFd fd(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!fd.ok()) return;  // not every container has it
  const Status status = WriteAt(fd.get(), 0, test::FromText("x"));
  CHECK(status.code() == Code::ERR_CACHE_FULL && status.error() == ENOSPC);
}

void FindsData(const test::TempDir& directory) {
  const UniqueFd fd(::open((directory / "holes").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  constexpr int64_t kData = 1 << 20;
  CHECK(WriteAt(fd.get(), kData, test::FromText("x")).ok());
  int64_t found = 0;
  CHECK(FindData(fd.get(), 0, found).ok() && found == kData);
  CHECK(FindData(fd.get(), kData, found).ok() && found == kData);
  CHECK(FindData(fd.get(), kData + 1, found).ok() && found == -1);
  CHECK(FindData(-1, 0, found).code() == Code::ERR_IO);
}

void SeesZeros() {
  Bytes bytes(9000);
  CHECK(IsZero({}));
  CHECK(IsZero(bytes));
  for (const size_t at : {size_t{0}, size_t{1}, size_t{4095}, size_t{8999}}) {
    bytes[at] = 1;
    CHECK(!IsZero(bytes));
    bytes[at] = 0;
  }
}

}  // namespace
}  // namespace g8ufs

int main() {
  const g8ufs::test::TempDir directory;
  g8ufs::ReadsStopAtTheEnd(directory);
  g8ufs::FullDeviceIsNoRoom();
  g8ufs::FindsData(directory);
  g8ufs::SeesZeros();
  return g8ufs::test::Failures();
}
