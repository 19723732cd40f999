// NumPy's .npy (versions 1.0 to 3.0) and .npz (a zip of them).
#pragma once
#include <map>
#include <string>
#include <vector>

#include "formats/zip.h"

namespace varve::formats {

/// Big-endian and Fortran-ordered data are converted; complex numbers get a last axis of 2. Object
/// arrays, structured types, text, dates and long double are refused by name. Data in C order are
/// not copied out of the file's bytes. Throws IoError, FormatError.
Array read_npy(const std::string& path);
Array parse_npy(const Buffer& file, const std::string& name);

/// Version 1.0. Throws DTypeError for bf16, which NumPy does not have.
Buffer encode_npy(const Array& array);
void write_npy(const std::string& path, const Array& array);

/// The arrays of a .npz file, read when asked for.
class NpzFile {
 public:
  static NpzFile open(const std::string& path);
  explicit NpzFile(Source source);

  /// Without ".npy", in the order of the file.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const;
  /// Throws FormatError where there is none of that name, or a checksum differs.
  Array read(const std::string& name) const;

 private:
  ZipFile zip_;
  std::vector<std::string> names_;
};

/// Writes atomically; `compress` packs each array with deflate.
void write_npz(const std::string& path, const std::map<std::string, Array>& arrays,
               bool compress = false);

}  // namespace varve::formats
