// Many small pictures on one sheet.
#pragma once
#include <span>

#include "formats/array.h"

namespace varve::report {

struct ContactSheet {
  int columns = 8;
  int scale = 3;  // each pixel becomes scale x scale
  int gap = 6;
};
/// u8 pictures [height, width] or [height, width, channels], each centred in its cell, on a light
/// sheet: RGB if any has colour, else grey. Throws ShapeError, DTypeError for other arrays,
/// ValueError for no pictures.
formats::Array contact_sheet(std::span<const formats::Array> pictures,
                             const ContactSheet& options = {});

}  // namespace varve::report
