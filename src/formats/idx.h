// IDX, the format of MNIST and its kin: magic 00 00 type rank, big-endian sizes, big-endian data.
#pragma once
#include "formats/array.h"
#include "formats/file.h"

namespace varve::formats {

/// Types u8, i8, i16, i32, f32, f64; rank 1 to 8. Plain or gzip, as the content says; a packed file
/// is inflated straight into the array and stops at the size that its header declares.
/// Throws IoError, FormatError.
Array read_idx(const std::string& path);
Array read_idx(const Source& source);

struct LabelledImages {
  Array images;  // [n, height, width]
  Array labels;  // [n], integers
};
/// Two files that belong together: rank 3 and rank 1, as many labels as images.
LabelledImages read_idx_pair(const std::string& images_path, const std::string& labels_path);

/// Writes atomically, packed where the path ends in ".gz". Throws DTypeError for types without an
/// IDX code, ShapeError for rank 0 or above 8 and for sizes above 2^32 - 1.
void write_idx(const std::string& path, const Array& array);

}  // namespace varve::formats
