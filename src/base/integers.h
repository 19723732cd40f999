// Which integers a type holds.
#pragma once
#include <cstdint>
#include <limits>

#include "varve/types.h"

namespace varve {

/// Least and largest number of an integer type; of bool 0 and 1.
struct IntegerRange {
  int64_t low;
  uint64_t high;
  constexpr bool holds(int64_t v) const {
    return v < 0 ? v >= low : static_cast<uint64_t>(v) <= high;
  }
  constexpr bool holds(uint64_t v) const { return v <= high; }
};

constexpr IntegerRange range_of(DType integer) {
  const auto of = []<class T>(T) {
    return IntegerRange{static_cast<int64_t>(std::numeric_limits<T>::min()),
                        static_cast<uint64_t>(std::numeric_limits<T>::max())};
  };
  switch (integer) {
    case DType::u8:
      return of(uint8_t{});
    case DType::i8:
      return of(int8_t{});
    case DType::u16:
      return of(uint16_t{});
    case DType::i16:
      return of(int16_t{});
    case DType::u32:
      return of(uint32_t{});
    case DType::i32:
      return of(int32_t{});
    case DType::u64:
      return of(uint64_t{});
    case DType::i64:
      return of(int64_t{});
    default:
      return of(false);
  }
}

}  // namespace varve
