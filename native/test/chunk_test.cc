// Chunk codecs: vectors of the historical tools, round trips, and every way to be corrupt.
#include <random>

#include "chunk/chunk_codec.h"
#include "chunk/legacy_codec.h"
#include "chunk/xxtea.h"
#include "test/check.h"
#include "test/hex.h"

namespace g8ufs {
namespace {

using test::FromHex;
using test::FromText;
using Bytes = std::vector<uint8_t>;

constexpr ChunkCodec kCodecs[] = {ChunkCodec::kZstd, ChunkCodec::kLegacyG1, ChunkCodec::kLegacyG2};

struct Vector {
  ChunkCodec codec;
  std::string_view plain;
  std::string_view plain_digest;
  std::string_view stored;
  std::string_view id;
};

constexpr Vector kVectors[] = {
    {ChunkCodec::kLegacyG2, "A", "f96658555f24a7608e17d9d14603e79c", "25cae844e82dcdf7",
     "ce632548a78b6d206e5478fbd92ea7ec"},
    {ChunkCodec::kLegacyG2, "abc", "cf4ab791c62b8d2b2109c90275287816", "36bff5d08fe2aca1b737ded2",
     "236a13f7d70735ff56fe66201bf4928a"},
    {ChunkCodec::kLegacyG2, "abcd", "d2c8e95841ccbc0c3cb3edc9201a6981", "1e8a4b1a996e834b64100522",
     "531e0183e42d9187857f4c2a1fa15be6"},
    {ChunkCodec::kLegacyG2, "abcde", "a3a3b5a38cf9a32f84b9991697f45702", "c51a36ea2bcf2c4c9db6fe8b",
     "dc66cba9501b4d1c971824a6e6f0825c"},
    {ChunkCodec::kLegacyG2, "Hello, World!\n", "b822479585b48b3211ca913ac1ca4919",
     "3ded35cbb2cf0fd9d4f29c75b2e70b974946b79e", "c30b30ad18de5f221604f34638a5d63f"},
    {ChunkCodec::kLegacyG2, "Z", "926214df7f2869c67f4a8a2e52d4b9da", "ab6a14707b97e437",
     "17fd7aac51a79b5d344fde418bcc6220"},
    // The digest, which is the key, has a zero byte inside.
    {ChunkCodec::kLegacyG2, "nul key vector 276", "a5f4c000e2e549142c6121a5dce9a9b5",
     "fdf6694f4a835c4fdefbd794f480361eaa3aa84ae2a64b49", "18b680279aca0379356d473aa9dce536"},
    {ChunkCodec::kLegacyG1, "A", "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd",
     "31303030303030303636636538383461c4edaafab6bccc3f",
     "cbe5114556f675f983a5ea050b13969b879d95ca95b322415aa4b8ba6a1f25e8"},
    {ChunkCodec::kLegacyG1, "abcd",
     "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589",
     "313030303030303062376364653965640372786b4efcde278ce2ea25",
     "42fdaf3ac3da9109c08a3076023b9d8907ef7b4b89d61b909dd869b510d1195b"},
    {ChunkCodec::kLegacyG1, "Hello, World!\n",
     "c98c24b677eff44860afea6f493bbaec5bb1c4cbb209c6fc2bbb47f66ff2ad31",
     "31303030303030306133396639643839bfbf0d8d1423af22f81913d998e2cc22d78d8eeb",
     "d0fffa1a5e68004df0e8187cd367679635cce5ef1d7759db5a4047f09f956d48"},
};

struct Sample {
  ChunkReference reference;
  Bytes stored;
};

Sample Encode(ChunkCodec codec, ByteSpan plain) {
  Buffer scratch;
  EncodedChunk chunk;
  CHECK(EncodeChunk(codec, 3, plain, scratch, chunk).ok());
  return {{codec, chunk.id, chunk.plain_digest}, Bytes(chunk.stored.begin(), chunk.stored.end())};
}

// The stage at which decoding fails, or "ok".
std::string StageOf(const Sample& sample, size_t plain_size) {
  Bytes plain(plain_size);
  const Status status = DecodeChunk(sample.reference, sample.stored, plain);
  if (status.ok()) return "ok";
  CHECK(status.code() == Code::ERR_CHUNK_CORRUPT);
  CHECK(status.details().at(0).second == ToHex(sample.reference.id.span()));
  return status.details().at(1).second;
}

// Names the present bytes, so that decoding gets past the id.
void Rename(Sample& sample) {
  const size_t header = sample.reference.codec == ChunkCodec::kLegacyG1 ? kG1HeaderSize : 0;
  sample.reference.id =
      ComputeDigest(AlgorithmOf(sample.reference.codec), ByteSpan(sample.stored).subspan(header));
}

Bytes Compressible(size_t size) {
  std::mt19937 random(7);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 11);
  return bytes;
}

Bytes Random(size_t size) {
  std::mt19937 random(8);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

void HistoricalVectors() {
  for (const Vector& vector : kVectors) {
    const Bytes plain = FromText(vector.plain);
    const Sample sample = Encode(vector.codec, plain);
    CHECK(ToHex(sample.reference.plain_digest.span()) == vector.plain_digest);
    CHECK(ToHex(sample.stored) == vector.stored);
    CHECK(ToHex(sample.reference.id.span()) == vector.id);
    CHECK(StageOf(sample, plain.size()) == "ok");
  }
  const Sample zeros = Encode(ChunkCodec::kLegacyG2, Bytes(524288));
  CHECK(zeros.stored.size() == 24600);
  CHECK(ToHex(zeros.reference.id.span()) == "4bce78b291e718e0fa7d0fd13b2f5fbf");
}

void RoundTrips() {
  for (const ChunkCodec codec : kCodecs) {
    for (const size_t size : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{5}, size_t{4095},
                              size_t{4096}, size_t{524288}, kPlainSizeMax}) {
      for (const Bytes& plain : {Compressible(size), Random(size), Bytes(size)}) {
        const Sample sample = Encode(codec, plain);
        CHECK(sample.stored.size() <= StoredSizeMax(codec, size));
        Bytes decoded(size);
        CHECK(DecodeChunk(sample.reference, sample.stored, decoded).ok());
        CHECK(decoded == plain);
      }
    }
  }
}

void RawWhenNotSmaller() {
  const Bytes plain = Random(5000);
  const Sample raw = Encode(ChunkCodec::kZstd, plain);
  CHECK(raw.stored == plain);
  CHECK(raw.reference.id.Equals(raw.reference.plain_digest.span()));
  CHECK(Encode(ChunkCodec::kZstd, Compressible(5000)).stored.size() <= 4750);
}

void EveryFlippedBitIsFound() {
  for (const ChunkCodec codec : kCodecs) {
    const Bytes plain = Compressible(300);
    const Sample sample = Encode(codec, plain);
    const size_t header = codec == ChunkCodec::kLegacyG1 ? kG1HeaderSize : 0;
    for (size_t bit = header * 8; bit < sample.stored.size() * 8; ++bit) {
      Sample flipped = sample;
      flipped.stored[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
      CHECK(StageOf(flipped, plain.size()) == "id");
      Rename(flipped);
      // A few bits of a frame change nothing of what it holds; then the bytes are right.
      CHECK(StageOf(flipped, plain.size()) != "id");
    }
  }
}

void EveryTruncationIsFound() {
  for (const ChunkCodec codec : kCodecs) {
    const Bytes plain = Compressible(300);
    Sample sample = Encode(codec, plain);
    while (!sample.stored.empty()) {
      sample.stored.pop_back();
      CHECK(StageOf(sample, plain.size()) == "id");
    }
  }
}

void OtherSizesAreFound() {
  for (const ChunkCodec codec : kCodecs) {
    for (const Bytes& plain : {Compressible(300), Random(300)}) {
      const Sample sample = Encode(codec, plain);
      CHECK(StageOf(sample, 299) != "ok");
      CHECK(StageOf(sample, 301) != "ok");
      CHECK(StageOf(sample, kPlainSizeMax) != "ok");
    }
    Sample large = Encode(codec, Compressible(300));
    large.stored.resize(StoredSizeMax(codec, 300) + 1);
    CHECK(StageOf(large, 300) == "id");
    Bytes none;
    CHECK(DecodeChunk(large.reference, large.stored, none).code() == Code::ERR_INTERNAL);
  }
}

void OtherPlainDigestIsFound() {
  const Bytes plain = Compressible(300);
  for (const ChunkCodec codec : kCodecs) {
    Sample sample = Encode(codec, plain);
    // Behind the part of a G1 digest that makes the key.
    sample.reference.plain_digest.bytes[sample.reference.plain_digest.size - 1] ^= 1;
    CHECK(StageOf(sample, plain.size()) == (codec == ChunkCodec::kLegacyG2 ? "decode" : "digest"));
  }
  Sample raw = Encode(ChunkCodec::kZstd, Random(300));
  raw.reference.plain_digest.bytes[0] ^= 1;
  CHECK(StageOf(raw, 300) == "digest");
}

void LegacyIdDecidesNothing() {
  for (const ChunkCodec codec : {ChunkCodec::kLegacyG1, ChunkCodec::kLegacyG2}) {
    Sample sample = Encode(codec, Compressible(300));
    sample.reference.id.bytes[0] ^= 1;
    CHECK(StageOf(sample, 300) == "ok");
  }
}

void G1HeaderForms() {
  const Bytes plain = Compressible(300);
  Sample sample = Encode(ChunkCodec::kLegacyG1, plain);
  // A header whose checksum is nonsense, as the historical tool wrote for small ones.
  std::fill(sample.stored.begin() + 8, sample.stored.begin() + 16, uint8_t{0xFF});
  CHECK(StageOf(sample, plain.size()) == "ok");
  // No header at all, as one kind of store served it.
  sample.stored.erase(sample.stored.begin(), sample.stored.begin() + kG1HeaderSize);
  CHECK(StageOf(sample, plain.size()) == "ok");
  sample.stored.resize(kG1HeaderSize);
  CHECK(StageOf(sample, plain.size()) == "id");
}

void ZstdFrameMustBeAlone() {
  const Bytes plain = Compressible(300);
  Sample sample = Encode(ChunkCodec::kZstd, plain);
  const Bytes frame = sample.stored;
  // A skippable frame of no bytes before and behind, one byte too many, no content size.
  const Bytes skippable = FromHex("502a4d1800000000");
  sample.stored.insert(sample.stored.end(), skippable.begin(), skippable.end());
  Rename(sample);
  CHECK(StageOf(sample, plain.size()) == "decode");
  sample.stored = skippable;
  sample.stored.insert(sample.stored.end(), frame.begin(), frame.end());
  Rename(sample);
  CHECK(StageOf(sample, plain.size()) == "decode");
  sample.stored = frame;
  sample.stored.push_back(0);
  Rename(sample);
  CHECK(StageOf(sample, plain.size()) == "decode");
  // Frame header without content size, window 128 MiB, then one raw block of one byte.
  sample.stored = FromHex("28b52ffd008809000041");
  Rename(sample);
  CHECK(StageOf(sample, 300) == "decode");
}

void XxteaLengthWord() {
  const Bytes key(kXxteaKeySize, 1);
  for (size_t size = 1; size < 40; ++size) {
    const Bytes data = Random(size);
    Bytes encrypted(XxteaEncryptedSize(size));
    XxteaEncrypt(data, key, encrypted);
    Buffer out;
    CHECK(XxteaDecrypt(encrypted, key, out));
    CHECK(std::ranges::equal(out.span(), data));
    Bytes other = key;
    other[15] ^= 1;
    CHECK(!XxteaDecrypt(encrypted, other, out));
    encrypted.pop_back();
    CHECK(!XxteaDecrypt(encrypted, key, out));
  }
  Buffer out;
  CHECK(!XxteaDecrypt(Bytes(4), key, out));
  CHECK(!XxteaDecrypt({}, key, out));
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::HistoricalVectors();
  g8ufs::RoundTrips();
  g8ufs::RawWhenNotSmaller();
  g8ufs::EveryFlippedBitIsFound();
  g8ufs::EveryTruncationIsFound();
  g8ufs::OtherSizesAreFound();
  g8ufs::OtherPlainDigestIsFound();
  g8ufs::LegacyIdDecidesNothing();
  g8ufs::G1HeaderForms();
  g8ufs::ZstdFrameMustBeAlone();
  g8ufs::XxteaLengthWord();
  return g8ufs::test::Failures();
}
