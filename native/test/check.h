// The smallest test harness that does the job: CHECK prints and counts, a test program returns
// Failures() from main. One program per unit; CTest runs them.
#ifndef G8UFS_NATIVE_TEST_CHECK_H_
#define G8UFS_NATIVE_TEST_CHECK_H_

#include <cstdio>

namespace g8ufs::test {

inline int& Failures() {
  static int failures = 0;
  return failures;
}

}  // namespace g8ufs::test

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      ++g8ufs::test::Failures();                                                         \
    }                                                                                    \
  } while (false)

#endif  // G8UFS_NATIVE_TEST_CHECK_H_
