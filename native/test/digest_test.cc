// Digests against published values and against each other.
#include "chunk/digest.h"

#include "test/check.h"
#include "test/hex.h"

namespace g8ufs {
namespace {

using test::FromHex;
using test::FromText;

void KnownValues() {
  const auto abc = FromText("abc");
  // RFC 7693, appendix A.
  std::vector<uint8_t> out(64);
  Blake2b(abc, out);
  CHECK(ToHex(out) ==
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  // FIPS 180-4.
  CHECK(ToHex(ComputeDigest(DigestAlgorithm::kSha256, abc).span()) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(ToHex(ComputeDigest(DigestAlgorithm::kBlake2b128, abc).span()) ==
        "cf4ab791c62b8d2b2109c90275287816");
}

void EverySize() {
  const auto data = FromText("size");
  for (size_t size = 1; size <= kBlake2bSizeMax; ++size) {
    // The byte behind the digest must stay as it is.
    std::vector<uint8_t> out(size + 1, 0xAA);
    Blake2b(data, MutableByteSpan(out).first(size));
    CHECK(out[size] == 0xAA);
    std::vector<uint8_t> again(size);
    Blake2b(data, again);
    CHECK(std::equal(again.begin(), again.end(), out.begin()));
  }
}

void StreamEqualsWhole() {
  std::vector<uint8_t> data(10000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i * 7);
  for (const size_t piece : {size_t{1}, size_t{127}, size_t{128}, size_t{129}, size_t{9999}}) {
    Blake2bStream stream;
    for (size_t at = 0; at < data.size(); at += piece) {
      stream.Update(ByteSpan(data).subspan(at, std::min(piece, data.size() - at)));
    }
    const Digest whole = ComputeDigest(DigestAlgorithm::kBlake2b256, data);
    CHECK(stream.Finish().Equals(whole.span()));
  }
}

void EqualsComparesSize() {
  const Digest digest = ComputeDigest(DigestAlgorithm::kBlake2b256, {});
  CHECK(digest.Equals(digest.span()));
  CHECK(!digest.Equals(digest.span().first(31)));
  CHECK(DigestSize(static_cast<DigestAlgorithm>(0)) == 0);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::KnownValues();
  g8ufs::EverySize();
  g8ufs::StreamEqualsWhole();
  g8ufs::EqualsComparesSize();
  return g8ufs::test::Failures();
}
