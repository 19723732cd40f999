// The files of golden/, made by other programs, and what a reader must find in them.
#pragma once
#include <fstream>
#include <sstream>

#include "formats/sha256.h"
#include "helpers.h"

namespace varve::formats {

struct Golden {
  std::string file, name, dtype, shape, sha256;
  std::string path() const { return VARVE_SOURCE_DIR "/tests/formats/golden/" + file; }
};

/// The lines of expected.txt whose file ends in `ending`.
inline std::vector<Golden> golden(const std::string& ending) {
  std::ifstream list(VARVE_SOURCE_DIR "/tests/formats/golden/expected.txt");
  std::vector<Golden> rows;
  for (Golden row; list >> row.file >> row.name >> row.dtype >> row.shape >> row.sha256;) {
    if (row.file.ends_with(ending)) rows.push_back(row);
  }
  EXPECT_FALSE(rows.empty()) << ending;
  return rows;
}

inline void expect_golden(const Golden& row, const Array& array) {
  std::string shape;
  for (int64_t dim : array.shape) shape += (shape.empty() ? "" : "x") + std::to_string(dim);
  EXPECT_EQ(name_of(array.dtype), row.dtype) << row.file << " " << row.name;
  EXPECT_EQ(shape.empty() ? "scalar" : shape, row.shape) << row.file << " " << row.name;
  EXPECT_EQ(sha256(array.bytes.span()), row.sha256) << row.file << " " << row.name;
}

}  // namespace varve::formats
