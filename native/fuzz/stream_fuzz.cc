// Decodes hostile streams. The first byte chooses the decoder, the second the size of the pieces that go
// in, the third the room for what comes out.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "stream/byte_stream.h"

namespace {

// A bomb of a few hundred bytes could give out gigabytes, a piece at a time.
constexpr size_t kTotalMax = size_t{8} << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const auto stream = data[0] % 2 == 0 ? g8ufs::NewZstdDecoder() : g8ufs::NewXzDecoder();
  const size_t piece_size = data[1] + size_t{1};
  std::vector<uint8_t> room((data[2] + size_t{1}) * 16);
  g8ufs::ByteSpan input(data + 3, size - 3);
  g8ufs::StreamStep step;
  for (size_t total = 0; !step.done && total < kTotalMax; total += step.produced) {
    const g8ufs::ByteSpan piece = input.first(std::min(piece_size, input.size()));
    const bool last = input.empty();
    if (!stream->Run(piece, last, room, step).ok()) return 0;
    if (step.consumed > piece.size() || step.produced > room.size()) std::abort();
    // Without this a reader would go round for ever.
    if (step.consumed < piece.size() && step.produced < room.size()) std::abort();
    if (last && !step.done && step.produced < room.size()) std::abort();
    input = input.subspan(step.consumed);
  }
  return 0;
}
