// Helpers of the reference kernels: walking strided operands in row-major order, typed access.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <vector>

#include "backend/kernel.h"
#include "ir/dispatch.h"

namespace varve::backend::ref {

/// Zeros to count with; a few need no memory from the system, so that replaying a plan takes none.
class Counters {
 public:
  explicit Counters(size_t n) : far_(n > std::size(near_) ? n : 0, 0) {}
  int64_t& operator[](size_t i) { return data()[i]; }
  int64_t* data() { return far_.empty() ? near_ : far_.data(); }

 private:
  int64_t near_[8] = {};
  std::vector<int64_t> far_;
};

/// Calls f(offsets) once an element of `shape` in row-major order; offsets[k] is the position, in
/// elements, of operand k under its strides.
template <class StridesOf, class F>
void for_each_element(const Shape& shape, size_t operands, StridesOf strides_of, F f) {
  const size_t rank = static_cast<size_t>(shape.rank());
  const int64_t count = shape.size();
  Counters index(rank), at(operands);
  for (int64_t n = 0; n < count; ++n) {
    f(static_cast<const int64_t*>(at.data()));
    for (size_t a = rank; a-- > 0;) {
      for (size_t k = 0; k < operands; ++k) at[k] += strides_of(k)[a];
      if (++index[a] < shape.dims()[a]) break;
      for (size_t k = 0; k < operands; ++k) at[k] -= strides_of(k)[a] * shape.dims()[a];
      index[a] = 0;
    }
  }
}
template <class F>
void for_each_element(const Shape& shape, const std::vector<ir::Strides>& strides, F f) {
  for_each_element(
      shape, strides.size(), [&](size_t k) -> const ir::Strides& { return strides[k]; }, f);
}
template <class F>
void for_each_element(const Shape& shape, std::initializer_list<const ir::Strides*> strides, F f) {
  for_each_element(
      shape, strides.size(), [&](size_t k) -> const ir::Strides& { return *strides.begin()[k]; },
      f);
}

/// Calls f(T{}) with an unsigned type of an element's size: for moving elements unchanged.
template <class F>
void dispatch_word(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

template <class T>
const T* in(const Arguments& a, size_t i) {
  return static_cast<const T*>(a.inputs[i]);
}
template <class T>
T* out(const Arguments& a, size_t i = 0) {
  return static_cast<T*>(a.outputs[i]);
}

/// Reads element `at` of a type known at run time, as double (64-bit integers as i64/u64 exactly by
/// the second form).
inline double load(DType dtype, const void* p, int64_t at) {
  return ir::dispatch(dtype, [&]<class T>(T) -> double {
    return static_cast<double>(static_cast<const T*>(p)[at]);
  });
}
inline void store(DType dtype, void* p, int64_t at, double v) {
  ir::dispatch(dtype, [&]<class T>(T) { static_cast<T*>(p)[at] = convert<T>(v); });
}

}  // namespace varve::backend::ref
