// Hostile requests to the guest program. Whole ones only for operations on open files, of which there are
// none: all others would do to this machine what they say. Of those the fields are read, one kind after
// the other, as the first bytes choose.
#include <fcntl.h>

#include <cstdlib>

#include "base/unique_fd.h"
#include "guest/server.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using g8ufs::guest::FieldReader;
  using g8ufs::guest::Operation;
  static const g8ufs::UniqueFd null(::open("/dev/null", O_RDWR));
  const auto operation = size < 5 ? Operation::kRead : static_cast<Operation>(data[4]);
  if (operation == Operation::kRead || operation == Operation::kWrite ||
      operation == Operation::kClose) {
    g8ufs::guest::Server server(null.get(), null.get());
    server.Handle({data, size});
    return 0;
  }
  FieldReader reader({data, size});
  for (uint32_t kinds = reader.U32(); reader.ok() && !reader.IsComplete(); kinds >>= 2) {
    size_t read = 4;
    if (kinds % 4 == 0) {
      reader.U32();
    } else {
      read = kinds % 4 == 1 ? reader.Bytes().size() : reader.Text().size();
    }
    if (read > size) std::abort();
  }
  return 0;
}
