// Arrays that RapidCheck draws.
#pragma once
#include <rapidcheck.h>

#include <vector>

#include "formats/array.h"

namespace varve::formats {

/// Up to four axes of up to four elements each; the bytes are a row of even steps.
inline Array random_array(DType dtype) {
  std::vector<int64_t> dims;
  const int rank = *rc::gen::inRange(0, 5);
  for (int i = 0; i < rank; ++i) dims.push_back(*rc::gen::inRange(0, 5));
  Array array(dtype, Shape(dims));
  const int step = *rc::gen::inRange(0, 256);
  for (int64_t i = 0; i < array.bytes.size(); ++i) {
    array.bytes.data()[i] = static_cast<std::byte>(dtype == DType::bool_ ? i & 1 : i * step);
  }
  return array;
}

}  // namespace varve::formats
