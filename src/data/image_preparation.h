// How a picture of any kind becomes what a network takes. Travels in the model file as JSON, so
// that raw pictures can be given to a trained model.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/array.h"
#include "varve/dataset.h"

namespace varve::data {

/// The path ends in .png, .jpg or .jpeg, in letters of any size.
bool has_picture_ending(const std::string& path);

struct ImagePreparation {
  /// Without a size: bytes of any shape, which are no pictures.
  int64_t height = 0, width = 0, channels = 1;
  /// What values of 0..255 are divided by.
  double divide_by = 255;

  bool is_picture() const { return height > 0; }

  /// {"type": "image", "height": 28, ...} or {"type": "bytes", "divide_by": 255}
  std::string to_json() const;
  /// Throws FormatError.
  static ImagePreparation from_json(std::string_view json);

  /// A picture (u8, any size and number of channels) as u8 [height, width, channels]: converted to
  /// grey or colour, resized, never inverted.
  formats::Array fit(const formats::Array& picture) const;
  /// The division, as what a dataset does to each batch.
  Preparation prepare() const;
};

}  // namespace varve::data
