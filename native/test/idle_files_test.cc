// What is kept of files that nobody holds open, and how much.
#include "driver/idle_files.h"

#include <memory>

#include "test/check.h"

namespace g8ufs {
namespace {

class Files {
 public:
  // A file with a content of the digest `shard` `other`.
  std::shared_ptr<ServedFile> Make(uint8_t shard, uint8_t other = 0) {
    ContentRecord record{};
    record.digest = DigestOf(shard, other);
    record.size = 4096;
    record.block_size_bits = 12;
    record.block_count = 1;
    return std::make_shared<ServedFile>(registry, registry.Acquire(record), record);
  }
  static Digest DigestOf(uint8_t shard, uint8_t other = 0) {
    Digest digest{};
    digest[0] = shard;
    digest[1] = other;
    return digest;
  }

  ContentRegistry registry;
};

void GivesBackWhatItKeeps() {
  Files files;
  IdleFiles idle;
  std::shared_ptr<ServedFile> file = files.Make(1);
  const ServedFile* kept = file.get();
  idle.Keep(7, std::move(file));
  CHECK(idle.Take(8, Files::DigestOf(1)) == nullptr);
  CHECK(idle.Take(7, Files::DigestOf(1)).get() == kept);
  CHECK(idle.Take(7, Files::DigestOf(1)) == nullptr);
}

void KeepsOneForAnInode() {
  Files files;
  IdleFiles idle;
  idle.Keep(7, files.Make(1));
  std::shared_ptr<ServedFile> newer = files.Make(1);
  const ServedFile* kept = newer.get();
  idle.Keep(7, std::move(newer));
  CHECK(idle.Take(7, Files::DigestOf(1)).get() == kept);
  CHECK(idle.Take(7, Files::DigestOf(1)) == nullptr);
}

// Kept files use their contents: the cache could not forget one otherwise.
void LetsGoOfAContent() {
  Files files;
  IdleFiles idle;
  idle.Keep(7, files.Make(1, 1));
  idle.Keep(8, files.Make(1, 2));
  idle.Keep(9, files.Make(1, 1));
  CHECK(!files.registry.Drop(Files::DigestOf(1, 1)));
  idle.EraseContent(Files::DigestOf(1, 1));
  CHECK(files.registry.ContentCount() == 1);
  CHECK(idle.Take(7, Files::DigestOf(1, 1)) == nullptr);
  CHECK(idle.Take(8, Files::DigestOf(1, 2)) != nullptr);
}

void TheOldestGoes() {
  Files files;
  IdleFiles idle;
  constexpr uint64_t kMax = IdleFiles::kFilesPerShardMax;
  for (uint64_t nid = 1; nid <= kMax + 1; ++nid) {
    idle.Keep(nid, files.Make(1));
    // Used again: the second is the oldest then.
    if (nid == kMax) idle.Keep(1, idle.Take(1, Files::DigestOf(1)));
  }
  CHECK(idle.Take(2, Files::DigestOf(1)) == nullptr);
  CHECK(idle.Take(1, Files::DigestOf(1)) != nullptr);
  CHECK(idle.Take(kMax + 1, Files::DigestOf(1)) != nullptr);
}

void AllMountsShareOneBound() {
  Files files;
  IdleFiles later;
  {
    IdleFiles full;
    for (uint64_t nid = 1; nid <= IdleFiles::kFilesMax; ++nid) {
      full.Keep(nid, files.Make(static_cast<uint8_t>(nid % IdleFiles::kShardCount)));
    }
    later.Keep(1, files.Make(1));
    CHECK(later.Take(1, Files::DigestOf(1)) == nullptr);
    full.EraseContent(Files::DigestOf(2));
    later.Keep(1, files.Make(1));
    CHECK(later.Take(1, Files::DigestOf(1)) != nullptr);
  }
  for (uint64_t nid = 1; nid <= 100; ++nid) later.Keep(nid, files.Make(3));
  for (uint64_t nid = 1; nid <= 100; ++nid) CHECK(later.Take(nid, Files::DigestOf(3)) != nullptr);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::GivesBackWhatItKeeps();
  g8ufs::KeepsOneForAnInode();
  g8ufs::LetsGoOfAContent();
  g8ufs::TheOldestGoes();
  g8ufs::AllMountsShareOneBound();
  return g8ufs::test::Failures();
}
