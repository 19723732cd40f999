// 3x3 convolutions of plain pictures, and their gradients, by Winograd's minimal filtering in f32.
#pragma once
#include <cstdint>

#include "varve/types.h"

namespace varve::cpu {

/// Pictures [batch, rows, columns, in] and [batch, made_rows, made_columns, out], row-major, whose
/// output r, c is that of the kernel [3, 3, in, out] on input rows r - above, r - above + 1, ...
/// and columns c - left, ... Single steps; zeros where there is no input.
struct WinogradShape {
  int64_t batch, rows, columns, in, made_rows, made_columns, out, above, left;

  /// The convolution of a gradient of the outputs with the turned kernel: that of the inputs.
  WinogradShape turned() const {
    return {batch, made_rows, made_columns, out, rows, columns, in, 2 - above, 2 - left};
  }
};

/// Pictures of float or BFloat16.
template <class T>
struct WinogradForward {
  const T* x;
  const float* kernel;
  const float* bias;  // [out], or null
  T* y;
  float* scratch;  // winograd_forward_floats(), at 64 bytes
  bool turned;     // the kernel is [3, 3, out, in], to be read backwards along both axes
  bool packed;     // it is what winograd_pack made of it
};
int64_t winograd_forward_floats(const WinogradShape& s, bool packed, int threads);
/// Transforms a kernel once for many convolutions.
int64_t winograd_packed_floats(const WinogradShape& s);
void winograd_pack(const WinogradShape& s, const float* kernel, bool turned, float* to,
                   int threads) noexcept;
/// The result does not depend on the number of threads.
template <class T>
void winograd_forward(const WinogradShape& s, const WinogradForward<T>& f, int threads) noexcept;

template <class T>
struct WinogradFilterGradient {
  const T *x, *gradient;  // of the outputs
  float* kernel;          // its gradient
  float* scratch;         // winograd_filter_gradient_floats(), at 64 bytes
};
int64_t winograd_filter_gradient_floats(const WinogradShape& s, int threads);
/// The result does not depend on the number of threads.
template <class T>
void winograd_filter_gradient(const WinogradShape& s, const WinogradFilterGradient<T>& g,
                              int threads) noexcept;

}  // namespace varve::cpu
