// From a run-time element type to a template argument.
#pragma once
#include <type_traits>

#include "base/convert.h"
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

/// A row-major copy of a strided array; defined in runtime.
Array contiguous_copy(const TensorType& type, const Array& array);

}  // namespace varve::ir
