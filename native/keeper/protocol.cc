#include "keeper/protocol.h"

#include <algorithm>

namespace g8ufs::keeper {
namespace {

void AppendCount(std::string* bytes, size_t count) {
  uint8_t encoded[4];
  StoreLe32(encoded, static_cast<uint32_t>(count));
  bytes->append(reinterpret_cast<const char*>(encoded), sizeof(encoded));
}

bool TakeTexts(ByteSpan* bytes, uint32_t count, std::vector<std::string>* texts) {
  // Each takes a byte at least: a count that is not true allocates nothing.
  if (count > bytes->size()) return false;
  for (uint32_t i = 0; i < count; ++i) {
    const auto end = std::find(bytes->begin(), bytes->end(), uint8_t{0});
    if (end == bytes->end()) return false;
    const auto size = static_cast<size_t>(end - bytes->begin());
    texts->emplace_back(reinterpret_cast<const char*>(bytes->data()), size);
    *bytes = bytes->subspan(size + 1);
  }
  return true;
}

}  // namespace

std::string EncodeLaunch(const Launch& launch) {
  std::string bytes;
  AppendCount(&bytes, launch.arguments.size());
  AppendCount(&bytes, launch.environment.size());
  for (const auto* texts : {&launch.arguments, &launch.environment}) {
    for (const std::string& text : *texts) bytes.append(text.c_str(), text.size() + 1);
  }
  return bytes;
}

bool DecodeLaunch(ByteSpan bytes, Launch* launch) {
  if (bytes.size() < 8 || bytes.size() > kLaunchSizeMax) return false;
  const uint32_t arguments = LoadLe32(bytes.data());
  const uint32_t environment = LoadLe32(bytes.data() + 4);
  bytes = bytes.subspan(8);
  Launch decoded;
  if (!TakeTexts(&bytes, arguments, &decoded.arguments) ||
      !TakeTexts(&bytes, environment, &decoded.environment) || !bytes.empty()) {
    return false;
  }
  if (decoded.arguments.empty() || decoded.arguments[0].empty() ||
      decoded.arguments[0][0] != '/') {
    return false;
  }
  *launch = std::move(decoded);
  return true;
}

}  // namespace g8ufs::keeper
