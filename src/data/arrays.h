// Readers' arrays as tensors and back.
#pragma once
#include "formats/array.h"
#include "varve/tensor.h"

namespace varve::data {

/// Shares the bytes where they are aligned as tensors need it.
Tensor to_tensor(const formats::Array& array);
formats::Array to_array(const Tensor& x);

}  // namespace varve::data
