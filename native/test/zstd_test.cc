// zstd streams of unknown size: limits, several frames, damage.
#include "chunk/zstd_codec.h"
#include "test/check.h"
#include "test/hex.h"

namespace g8ufs {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kSizeMax = size_t{16} << 20;

Bytes Compress(const Bytes& data) {
  Buffer out;
  CHECK(ZstdCompress(data, kZstdLevelDefault, out).ok());
  return Bytes(out.span().begin(), out.span().end());
}

bool Decompresses(ByteSpan data, size_t size_max, const Bytes& expected) {
  Bytes out;
  const Status status = ZstdDecompressStream(data, size_max, out);
  return status.ok() && out == expected;
}

bool IsRejected(ByteSpan data, size_t size_max) {
  Bytes out;
  return ZstdDecompressStream(data, size_max, out).code() == Code::ERR_FLIST_FORMAT;
}

void SizesAroundGrowth() {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{262143}, size_t{262144}, size_t{262145},
                            size_t{524288}, size_t{5000000}}) {
    const Bytes plain(size, 'x');
    const Bytes data = Compress(plain);
    CHECK(Decompresses(data, kSizeMax, plain));
    CHECK(Decompresses(data, size, plain));
    if (size > 0) CHECK(IsRejected(data, size - 1));
  }
}

void FramesFollowEachOther() {
  const Bytes frame = Compress(test::FromText("one"));
  Bytes data = frame;
  data.insert(data.end(), frame.begin(), frame.end());
  CHECK(Decompresses(data, 6, test::FromText("oneone")));
  CHECK(IsRejected(data, 5));
  const Bytes skippable = test::FromHex("502a4d180200000000ff");
  data.insert(data.begin(), skippable.begin(), skippable.end());
  CHECK(Decompresses(data, 6, test::FromText("oneone")));
}

void DamageIsRejected() {
  const Bytes data = Compress(Bytes(100000, 'y'));
  for (size_t size = 0; size < data.size(); ++size) {
    CHECK(IsRejected(ByteSpan(data).first(size), kSizeMax));
  }
  Bytes longer = data;
  longer.push_back(0);
  CHECK(IsRejected(longer, kSizeMax));
  CHECK(IsRejected(test::FromText("no zstd at all"), kSizeMax));
}

void LargeWindowsAreRefused() {
  // Frame header with a window of 2 GiB and no content size, then one raw block of one byte.
  CHECK(IsRejected(test::FromHex("28b52ffd00a809000041"), kSizeMax));
  // The same with 8 MiB.
  CHECK(Decompresses(test::FromHex("28b52ffd006809000041"), kSizeMax, test::FromText("A")));
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::SizesAroundGrowth();
  g8ufs::FramesFollowEachOther();
  g8ufs::DamageIsRejected();
  g8ufs::LargeWindowsAreRefused();
  return g8ufs::test::Failures();
}
