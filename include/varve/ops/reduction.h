// room: ops
// Reductions: sums, extremes, moments and norms over axes; where extremes stand.
#pragma once
#include <optional>
#include <vector>

#include "varve/tensor.h"

namespace varve {

/// Which axes a reduction runs over: empty means all. Negative axes count from the end; a repeated
/// one is a ValueError, one outside the rank an IndexError.
struct ReduceOptions {
  std::vector<int> axes = {};
  bool keep_dims = false;  ///< keep the reduced axes with size 1
};

/// sum_i x[i]; of nothing: 0. bool and integers give i64 (u64 stays), where they wrap; floats keep
/// their type.   Example: sum(ones({2, 3}), {.axes = {0}})  // [2, 2, 2]
Tensor sum(const Operand& x, const ReduceOptions& options = {});
/// sum(x) / count; of nothing: NaN. bool and integers give f32.
Tensor mean(const Operand& x, const ReduceOptions& options = {});
/// prod_i x[i]; of nothing: 1. Types as sum. The gradient is right where elements are 0.
Tensor prod(const Operand& x, const ReduceOptions& options = {});
/// The largest; NaN goes through. Equal largest elements share the gradient. Throws ValueError
/// where an axis of size 0 is reduced: "max: axis 1 of [2, 0] is empty".
Tensor max(const Operand& x, const ReduceOptions& options = {});
Tensor min(const Operand& x, const ReduceOptions& options = {});  ///< The smallest; as max.
/// log(sum_i exp(x[i])), computed as m + log(sum exp(x - m)) with m = max(x) so that nothing
/// overflows; of nothing: -inf.
Tensor logsumexp(const Operand& x, const ReduceOptions& options = {});
/// Whether one element is not 0 (NaN is not 0); of nothing: false.
Tensor any(const Operand& x, const ReduceOptions& options = {});
/// Whether every element is not 0; of nothing: true.
Tensor all(const Operand& x, const ReduceOptions& options = {});
/// How many elements are not 0, as i64.
Tensor count_nonzero(const Operand& x, const ReduceOptions& options = {});

/// What moments returns.
struct Moments {
  Tensor mean, variance;
};
/// mean(x) and mean((x - mean(x))^2) over the axes, both in one pass over memory: f32 is summed in
/// blocks about their own means, so a large mean costs no digits, and equal numbers have no
/// variance. bool and integers give f32; of nothing: NaN. Throws IndexError for an axis outside the
/// rank. Source: Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance".
Moments moments(const Operand& x, const ReduceOptions& options = {});

struct MomentOptions {
  std::vector<int> axes = {};
  bool keep_dims = false;
  Real correction = 0;  ///< divides by count - correction: 1 for the unbiased variance
};
/// sum((x - mean(x))^2) / (count - correction). bool and integers give f32. NaN
/// where count - correction is not positive.
Tensor var(const Operand& x, const MomentOptions& options = {});
/// sqrt(var(x)); where the variance is 0 the gradient is 0.
Tensor std(const Operand& x, const MomentOptions& options = {});

struct NormOptions {
  Real order = 2;  ///< 1: sum |x|; 2: sqrt(sum x^2); infinity: max |x|; other p > 0: by powers
  std::vector<int> axes = {};
  bool keep_dims = false;
};
/// (sum |x|^p)^(1/p) over the axes together (of vectors, not a matrix norm). At 0 the gradient is
/// 0. Throws ValueError unless order > 0.
Tensor norm(const Operand& x, const NormOptions& options = {});

struct ArgOptions {
  std::optional<int> axis = {};  ///< empty: of all elements, in row-major order
  bool keep_dims = false;
};
/// Where the largest element stands along the axis, as i64; the first of equal ones, the first NaN
/// where there is one (NumPy). Throws ValueError for an empty axis.
/// Example: argmax(tensor({1.f, 5.f, 5.f})).item<int64_t>()  // 1
Tensor argmax(const Operand& x, const ArgOptions& options = {});
Tensor argmin(const Operand& x, const ArgOptions& options = {});  ///< As argmax, of the smallest.

}  // namespace varve
