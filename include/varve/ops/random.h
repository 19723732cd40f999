// room: ops
// Random numbers: pure functions of a key and of each element's row-major index, the same whatever
// the device, the layout or the number of threads (Philox4x32-10, Salmon et al. 2011).
#pragma once
#include "varve/tensor.h"

namespace varve::random {

/// Sets the root from which `key()` makes keys, and starts counting anew. At first it is 0, so
/// that a program gives the same numbers each time it runs.
void seed(uint64_t root);
/// A new key from the root: every call another one.
Key key();

struct UniformOptions {
  Real low = 0, high = 1;
  DType dtype = f32;
};
struct NormalOptions {
  Real mean = 0, standard_deviation = 1;
  DType dtype = f32;
};

/// 32 random bits an element, u32. Element i is Philox word i of the key.
Tensor bits(const Key& key, const Shape& shape);
/// Uniform in [low, high): low + (high - low) u, where u has 24 random bits (f64: 53, bf16: 8, f16:
/// 11). Throws ValueError unless low <= high and both are finite in the type, DTypeError for other
/// types.
Tensor uniform(const Key& key, const Shape& shape, const UniformOptions& options = {});
/// Normal numbers by Box and Muller: mean + standard_deviation sqrt(-2 log(1 - u)) cos(2 pi v). At
/// most 5.8 standard deviations from the mean (f64: 8.6). Throws ValueError where the standard
/// deviation is negative.
Tensor normal(const Key& key, const Shape& shape, const NormalOptions& options = {});
/// Normal numbers cut at two standard deviations (of the normal before the cut, as in Keras and
/// TensorFlow), by the inverse of the distribution function.
Tensor truncated_normal(const Key& key, const Shape& shape, const NormalOptions& options = {});
/// True with probability p (a number, or a tensor that broadcasts to the shape): u < p.
/// p <= 0 is never true, p >= 1 always.
Tensor bernoulli(const Key& key, const Operand& p, const Shape& shape);
/// Integers low, low + 1, ... high - 1, each equally likely, as i64 or another integer type.
/// Throws ValueError unless low < high <= low + 2^31 and the type holds all of them.
Tensor integers(const Key& key, int64_t low, int64_t high, const Shape& shape, DType dtype = i64);
/// 0 ... n - 1 in random order, i64 [n]; each order equally likely (Fisher and Yates).
Tensor permutation(const Key& key, Dim n);

}  // namespace varve::random
