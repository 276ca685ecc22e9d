// Bytes from hex text and from strings, for test vectors.
#ifndef G8UFS_NATIVE_TEST_HEX_H_
#define G8UFS_NATIVE_TEST_HEX_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace g8ufs::test {

inline std::vector<uint8_t> FromHex(std::string_view text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

inline std::vector<uint8_t> FromText(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace g8ufs::test

#endif  // G8UFS_NATIVE_TEST_HEX_H_
