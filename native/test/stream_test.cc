// Streams in pieces of every size: round trips, several frames, damage at every byte, bounds.
#include <lzma.h>
#include <zstd.h>

#include <random>

#include "stream/byte_stream.h"
#include "test/check.h"
#include "test/hex.h"

namespace g8ufs {
namespace {

using Bytes = std::vector<uint8_t>;
using NewStream = std::unique_ptr<ByteStream> (*)();

struct Pieces {
  size_t input;
  size_t output;
};

// Runs a stream to its end with pieces of these sizes.
Status RunAll(ByteStream& stream, ByteSpan input, Pieces pieces, Bytes& out) {
  Bytes room(pieces.output);
  StreamStep step;
  out.clear();
  while (!step.done) {
    const ByteSpan piece = input.first(std::min(pieces.input, input.size()));
    const bool last = input.empty();
    if (Status status = stream.Run(piece, last, room, step); !status.ok()) return status;
    CHECK(step.consumed <= piece.size() && step.produced <= room.size());
    CHECK(step.consumed == piece.size() || step.produced == room.size());
    CHECK(last || !step.done);
    out.insert(out.end(), room.begin(), room.begin() + static_cast<long>(step.produced));
    input = input.subspan(step.consumed);
  }
  return {};
}

Bytes Encode(ByteSpan plain, int level, Pieces pieces) {
  Bytes out;
  CHECK(RunAll(*NewZstdEncoder(level), plain, pieces, out).ok());
  return out;
}

Bytes EncodeXz(ByteSpan plain, lzma_check check) {
  Bytes out(lzma_stream_buffer_bound(plain.size()));
  size_t size = 0;
  CHECK(lzma_easy_buffer_encode(0, check, nullptr, plain.data(), plain.size(), out.data(), &size,
                                out.size()) == LZMA_OK);
  out.resize(size);
  return out;
}

bool Decodes(NewStream decoder, ByteSpan data, const Bytes& expected,
             Pieces pieces = {1 << 12, 1 << 12}) {
  Bytes out;
  return RunAll(*decoder(), data, pieces, out).ok() && out == expected;
}

bool IsRejected(NewStream decoder, ByteSpan data, Pieces pieces = {1 << 12, 1 << 12}) {
  Bytes out;
  return RunAll(*decoder(), data, pieces, out).code() == Code::ERR_FLIST_FORMAT;
}

Bytes Sample(size_t size) {
  std::mt19937 random(7);
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>(i % 1000 < 500 ? i / 1000 : random());
  }
  return bytes;
}

Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

void PiecesOfAnySize() {
  const Bytes plain = Sample(300000);
  const Bytes xz = EncodeXz(plain, LZMA_CHECK_SHA256);
  const Bytes whole = Encode(plain, 3, {plain.size(), 1 << 20});
  for (const Pieces pieces : {Pieces{1, 1 << 16}, Pieces{7, 13}, Pieces{1 << 20, 1}}) {
    CHECK(Encode(plain, 3, pieces) == whole);
    CHECK(Decodes(NewZstdDecoder, whole, plain, pieces));
    CHECK(Decodes(NewXzDecoder, xz, plain, pieces));
  }
  const Bytes empty = Encode({}, 19, {1, 1});
  CHECK(Decodes(NewZstdDecoder, empty, {}));
  CHECK(Decodes(NewXzDecoder, EncodeXz({}, LZMA_CHECK_NONE), {}));
  // Room that is full exactly at the end.
  CHECK(Decodes(NewZstdDecoder, whole, plain, {1 << 20, plain.size()}));
  CHECK(Decodes(NewXzDecoder, xz, plain, {1 << 20, plain.size()}));
}

void FramesFollowEachOther() {
  const Bytes plain = Sample(5000);
  const Bytes twice = Join({plain, plain});
  const Bytes frame = Encode(plain, 3, {5000, 9000});
  const Bytes skippable = test::FromHex("5f2a4d180300000001ff02");
  for (const size_t input : {size_t{1}, size_t{3}, size_t{100000}}) {
    const Pieces pieces{input, 1000};
    CHECK(Decodes(NewZstdDecoder, Join({skippable, frame, skippable, frame, skippable}), twice,
                  pieces));
    CHECK(Decodes(NewZstdDecoder, skippable, {}, pieces));
    const Bytes xz = EncodeXz(plain, LZMA_CHECK_CRC64);
    CHECK(Decodes(NewXzDecoder, Join({xz, Bytes(8), xz, Bytes(4)}), twice, pieces));
    CHECK(IsRejected(NewXzDecoder, Join({xz, Bytes(3)}), pieces));
    CHECK(IsRejected(NewXzDecoder, Join({xz, test::FromText("more")}), pieces));
    CHECK(IsRejected(NewZstdDecoder, Join({frame, test::FromText("more")}), pieces));
    CHECK(IsRejected(NewZstdDecoder, Join({frame, Bytes(1)}), pieces));
  }
}

void DamageIsRejected() {
  const Bytes plain = Sample(2000);
  const Bytes zstd = Join({Encode(plain, 3, {5000, 9000}), test::FromHex("502a4d1802000000ffff")});
  const Bytes xz = EncodeXz(plain, LZMA_CHECK_CRC32);
  // The end of the frame is the end of a stream as well.
  const size_t frame_size = zstd.size() - 10;
  for (size_t size = 0; size < zstd.size(); ++size) {
    if (size == frame_size) continue;
    CHECK(IsRejected(NewZstdDecoder, ByteSpan(zstd).first(size)));
    CHECK(IsRejected(NewZstdDecoder, ByteSpan(zstd).first(size), {1, 100}));
  }
  for (size_t size = 0; size < xz.size(); ++size) {
    CHECK(IsRejected(NewXzDecoder, ByteSpan(xz).first(size)));
  }
  for (size_t at = 0; at < xz.size(); ++at) {
    Bytes damaged = xz;
    damaged[at] ^= 0x10;
    CHECK(IsRejected(NewXzDecoder, damaged));
  }
  for (size_t at = 0; at < frame_size; ++at) {
    Bytes damaged(zstd.begin(), zstd.begin() + static_cast<long>(frame_size));
    damaged[at] ^= 0x10;
    Bytes out;
    // A bit of the header may be unused; nothing else may go unnoticed.
    const Status status = RunAll(*NewZstdDecoder(), damaged, {1 << 12, 1 << 12}, out);
    CHECK(status.code() == Code::ERR_FLIST_FORMAT || out == plain);
  }
  // The format before 0.8.
  CHECK(IsRejected(NewZstdDecoder, test::FromHex("27b52ffd00680900004100")));
}

void LargeWindowsAreRefused() {
  // Frame header with a window of 256 MiB and no content size, then one raw block of one byte.
  CHECK(IsRejected(NewZstdDecoder, test::FromHex("28b52ffd009009000041")));
  CHECK(Decodes(NewZstdDecoder, test::FromHex("28b52ffd008809000041"), test::FromText("A")));
  // The dictionary size of the first filter: 1 GiB, with a right check of the header.
  Bytes xz = EncodeXz(test::FromText("A"), LZMA_CHECK_CRC32);
  const size_t header_size = (size_t{xz[12]} + 1) * 4;
  // Size and flags of the header, sizes of one byte each, then the filter.
  CHECK(xz[13] == 0xc0 && xz[16] == 0x21 && xz[17] == 1);
  xz[18] = 36;
  StoreLe32(xz.data() + 12 + header_size - 4, lzma_crc32(xz.data() + 12, header_size - 4, 0));
  Bytes out;
  const Status status = RunAll(*NewXzDecoder(), xz, {100, 100}, out);
  CHECK(status.code() == Code::ERR_FLIST_FORMAT);
  CHECK(status.message().find("memory") != std::string::npos);
}

void BombsComeOutPieceByPiece() {
  constexpr size_t kSize = size_t{64} << 20;
  const Bytes zeros(kSize);
  const Bytes bomb = Encode(zeros, 3, {kSize, 1 << 20});
  CHECK(bomb.size() < 10000);
  const auto decoder = NewZstdDecoder();
  Bytes room(4096);
  StreamStep step;
  size_t total = 0;
  ByteSpan input = bomb;
  while (!step.done) {
    CHECK(decoder->Run(input, input.empty(), room, step).ok());
    CHECK(step.produced <= room.size());
    total += step.produced;
    input = input.subspan(step.consumed);
  }
  CHECK(total == kSize);
}

}  // namespace
}  // namespace g8ufs

int main() {
  g8ufs::PiecesOfAnySize();
  g8ufs::FramesFollowEachOther();
  g8ufs::DamageIsRejected();
  g8ufs::LargeWindowsAreRefused();
  g8ufs::BombsComeOutPieceByPiece();
  return g8ufs::test::Failures();
}
