// From a run-time element type to a template argument, and conversions that are defined everywhere.
#pragma once
#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/op.h"
#include "ir/storage.h"
#include "varve/types.h"

namespace varve::ir {

/// Calls f(T{}) with the C++ type of a DType.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::bool_:
      return f(bool{});
    case DType::u8:
      return f(uint8_t{});
    case DType::i8:
      return f(int8_t{});
    case DType::u16:
      return f(uint16_t{});
    case DType::i16:
      return f(int16_t{});
    case DType::u32:
      return f(uint32_t{});
    case DType::i32:
      return f(int32_t{});
    case DType::u64:
      return f(uint64_t{});
    case DType::i64:
      return f(int64_t{});
    case DType::f16:
      return f(Float16{});
    case DType::bf16:
      return f(BFloat16{});
    case DType::f32:
      return f(float{});
    default:
      return f(double{});
  }
}

template <class T>
inline constexpr bool is_float_element =
    std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

/// Converts an element: floats to integers saturate and NaN gives 0, integers wrap, bool is != 0.
template <class To, class From>
To convert(From v) {
  if constexpr (std::is_same_v<To, From>) {
    return v;
  } else if constexpr (std::is_same_v<To, bool>) {
    return static_cast<bool>(v != From{});
  } else if constexpr (is_float_element<To>) {
    if constexpr (std::is_floating_point_v<To>) {
      return static_cast<To>(v);
    } else {
      return To(static_cast<float>(v));
    }
  } else if constexpr (is_float_element<From>) {
    const double d = static_cast<double>(v);
    if (std::isnan(d)) return To{0};
    // The bounds as doubles may round up to 2^63 or 2^64, so the test is >=.
    if (d >= static_cast<double>(std::numeric_limits<To>::max()))
      return std::numeric_limits<To>::max();
    if (d <= static_cast<double>(std::numeric_limits<To>::min()))
      return std::numeric_limits<To>::min();
    return static_cast<To>(d);
  } else {
    return static_cast<To>(v);
  }
}
template <>
inline bool convert<bool, Float16>(Float16 v) {
  return static_cast<float>(v) != 0;
}
template <>
inline bool convert<bool, BFloat16>(BFloat16 v) {
  return static_cast<float>(v) != 0;
}

/// A row-major copy of a strided array.
Array contiguous_copy(const TensorType& type, const Array& array);

}  // namespace varve::ir
