// A directory of its own for a test program, removed with everything in it at the end.
#ifndef G8UFS_NATIVE_TEST_TEMP_DIR_H_
#define G8UFS_NATIVE_TEST_TEMP_DIR_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace g8ufs::test {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "g8ufs-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;  // a test that failed half-way must still end
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace g8ufs::test

#endif  // G8UFS_NATIVE_TEST_TEMP_DIR_H_
