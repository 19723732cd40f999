// A folder of its own for a test, and whole files.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace varve::test {

/// The bytes of a file. Throws where it cannot be read, so that no test compares nothing.
inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("the test cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Makes a file, or writes it anew. Throws where it cannot.
inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  if (!file) throw std::runtime_error("the test cannot write " + path);
}

/// A folder of its own for a test, gone afterwards: tests that run at once do not meet.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "varve-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("the test cannot make " + name);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;  // what cannot be removed is no fault of the test
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// Makes a file in it and gives its path.
  std::string file(const std::string& name, std::string_view text) const {
    write_text(*this / name, text);
    return *this / name;
  }

 private:
  std::string path_;
};

}  // namespace varve::test
