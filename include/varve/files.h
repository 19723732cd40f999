// room: data
// Arrays and pictures in files: NumPy, IDX, safetensors, PNG, JPEG. Readers never run what is in a
// file, and look at what is there before they believe what its header says: IoError names the file
// and the system's reason; FormatError the file, the place in it, what was expected and what came.
// Writers are atomic: at every instant the old file or the new one is there, whole.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "varve/dataset.h"
#include "varve/tensor.h"

namespace varve {

/// A NumPy file (.npy, versions 1.0 to 3.0), of its own type and shape; big-endian and
/// Fortran-ordered data are converted. Throws IoError, FormatError (objects are never loaded).
Tensor read_npy(std::string_view path);
/// Throws IoError; DTypeError for bf16, which NumPy does not have.
void write_npy(std::string_view path, const Tensor& x);
/// The arrays of a .npz file by name.
std::map<std::string, Tensor> read_npz(std::string_view path);
/// `compress` packs each array with deflate.
void write_npz(std::string_view path, const std::map<std::string, Tensor>& arrays,
               bool compress = false);

/// An IDX file (MNIST's format), plain or gzip.
Tensor read_idx(std::string_view path);
/// Packed where the path ends in ".gz". Throws IoError; DTypeError for types without an IDX code.
void write_idx(std::string_view path, const Tensor& x);

/// All tensors of a safetensors file by name. Throws FormatError for types of 8-bit and smaller
/// floating point. Weights of a model: see weights.h.
std::map<std::string, Tensor> read_safetensors(std::string_view path);
/// Atomic; `metadata` is text by name. Throws IoError.
void write_safetensors(std::string_view path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

struct ImageOptions {
  Dim height = 0, width = 0;  ///< resized to these (bilinear, antialiased); 0: as the file has it
  /// 1 (grey, ITU-R 601-2 luma), 3 (RGB) or 4 (RGBA); 0: as the file has it.
  Dim channels = 0;
};
/// A PNG or JPEG picture, u8 [height, width, channels]; the content decides which, not the name.
/// JPEG's EXIF orientation is applied, 16-bit values become 8-bit ones. Pictures of more than 64
/// million pixels or 16,384 a side are refused.
Tensor read_image(std::string_view path, const ImageOptions& options = {});
/// u8 [height, width] or [height, width, channels], as the ending says: .png, .jpg or .jpeg
/// (quality 90). Throws IoError, DTypeError, ShapeError; ValueError for other endings.
void write_image(std::string_view path, const Tensor& picture);

namespace datasets {

struct ImageFolderOptions {
  Dim height = 0, width = 0;  ///< of every picture; must be given
  Dim channels = 3;           ///< 3, or 1 for grey
  /// What a picture that cannot be read does: "error" names it; "skip" leaves it out, with a
  /// warning that lists it, unless more than 1 % cannot be read.
  std::string on_bad_sample = "error";
};
/// Pictures in folders named after their classes: `directory/cat/1.png`. Inputs are f32 [height,
/// width, channels] in 0..1 (stored as u8), targets i64, classes by name, pictures by path. What
/// was done to the pictures travels with the model. Throws IoError; ValueError where there are none
/// ("training set is empty (0 of 12 files matched *.png, *.jpg, *.jpeg)"); FormatError naming the
/// file.
Dataset image_folder(std::string_view directory, const ImageFolderOptions& options);

}  // namespace datasets
}  // namespace varve
