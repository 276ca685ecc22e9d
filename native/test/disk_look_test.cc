// When a look at the disk is due, and what it makes of a file.
#include "driver/disk_look.h"

#include <fcntl.h>

#include <fstream>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "test/check.h"
#include "test/temp_dir.h"

namespace g8ufs {
namespace {

UniqueFd Make(const std::string& path, const char* text) {
  std::ofstream(path) << text;
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

void IsDueUntilAFileWasRead() {
  const test::TempDir dir;
  const UniqueFd file = Make(dir / "file", "x");
  DiskLook look;
  CHECK(look.is_due());
  // Others may take the processor for longer than a good look is believed.
  bool was_believed = false;
  for (int i = 0; i < 1000 && !was_believed; ++i) {
    CHECK(look.Passes(file.get()));
    was_believed = !look.is_due();
  }
  CHECK(was_believed);
  std::this_thread::sleep_for(DiskLook::kBelieved * 2);
  CHECK(look.is_due());
}

void StaysDueWhenAFileCannotBeRead() {
  const test::TempDir dir;
  DiskLook look;
  const UniqueFd folder(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(folder.ok() && !look.Passes(folder.get()));
  CHECK(look.is_due());
  // Shorter than its content: it was cut.
  const UniqueFd empty = Make(dir / "empty", "");
  CHECK(empty.ok() && !look.Passes(empty.get()));
  CHECK(look.is_due());
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::IsDueUntilAFileWasRead();
  g8ufs::StaysDueWhenAFileCannotBeRead();
  return g8ufs::test::Failures();
}
