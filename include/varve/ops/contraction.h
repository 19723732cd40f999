// room: ops
// Products of arrays: sums over named or numbered axes, each with each, grids of coordinates.
#pragma once
#include <string_view>
#include <vector>

#include "varve/tensor.h"

namespace varve {

/// Einstein's sum (NumPy's einsum): each operand's axes are named by letters, axes with one name
/// run together, and names that the output lacks are summed over:
///     einsum("ij,jk->ik", {a, b})          matrix product
///     einsum("bhqd,bhkd->bhqk", {q, k})    attention scores
///     einsum("ii", {a})                    trace;  "ii->i" the diagonal,  "ij->ji" the transpose
///     einsum("...ij,...jk", {a, b})        `...` stands for leading axes, which broadcast
/// Without "->" the output has the axes of `...` and then, in alphabetic order, the letters that
/// occur once. `...` that an explicit output lacks is summed over. An axis of size 1 broadcasts. It
/// becomes transposes, matrix products, products and sums; of several operands, the pair with the
/// smallest product is taken first. Types promote; integers wrap.
/// Throws: ValueError for an equation that cannot be read or does not fit the number of operands;
/// ShapeError for ranks or sizes that do not fit; DTypeError for bool.
Tensor einsum(std::string_view equation, const Tensors& operands, Where where = Where::here());

/// Axes that `tensordot` sums over, in pairs.
struct TensordotAxes {
  std::vector<int> a, b;
};
/// Sum of products over the last `count` axes of a and the first of b:
/// out[i..., j...] = sum_k... a[i..., k...] b[k..., j...].
/// Throws ShapeError where sizes differ, ValueError for a count beyond a rank.
Tensor tensordot(const Operand& a, const Operand& b, Dim count = 2);
/// The same over given pairs of axes. Throws also IndexError and, for lists of different lengths or
/// an axis given twice, ValueError.
Tensor tensordot(const Operand& a, const Operand& b, const TensordotAxes& axes);
/// NumPy's dot: over the last axis of a and the last but one of b (of a vector: the only one); with
/// a scalar the product.   Shapes: a [I..., K], b [J..., K, L] -> [I..., J..., L].
Tensor dot(const Operand& a, const Operand& b);
/// Over the last axes of both: a [I..., K], b [J..., K] -> [I..., J...]; with a scalar the product.
Tensor inner(const Operand& a, const Operand& b);
/// Each with each, both flattened: out[i, j] = a[i] b[j].
Tensor outer(const Operand& a, const Operand& b);
/// Kronecker product: every element of a times the whole of b. Shapes: [m, n], [p, q] -> [m p, n
/// q]; the shorter shape is filled with ones in front (NumPy).
Tensor kron(const Operand& a, const Operand& b);

/// What the axes of `meshgrid` are: "ij" one a vector, in order; "xy" (NumPy's default) the first
/// two exchanged, so that x runs along the columns of a picture.
struct GridOrder {
  bool exchanged;
  consteval GridOrder(const char* name) : exchanged(read(name)) {}
  /// Throws ValueError with the choices.
  static GridOrder parse(std::string_view name);

 private:
  explicit constexpr GridOrder(bool e) : exchanged(e) {}
  static void order_must_be_ij_or_xy();
  static constexpr bool read(std::string_view n) {
    if (n != "ij" && n != "xy") order_must_be_ij_or_xy();
    return n == "xy";
  }
};
/// The coordinates of the points of a grid: one array a vector, all of the grid's shape.
/// Example: meshgrid({x, y})[1].shape()  // [x.size(), y.size()]
Tensors meshgrid(const Tensors& vectors, GridOrder order = "ij", Where where = Where::here());

struct TraceOptions {
  Dim offset = 0;  ///< above (positive) or below the main diagonal
  int axis1 = 0, axis2 = 1;
};
/// The sum of the diagonal x[i, i + offset] of the matrices in two axes. Types as sum.
Tensor trace(const Operand& x, const TraceOptions& options = {});

struct CosineSimilarityOptions {
  int axis = -1;
  Real epsilon = 1e-8;  ///< norms below it count as it
};
/// sum(a b) / (max(|a|, epsilon) max(|b|, epsilon)) over an axis; operands broadcast.
Tensor cosine_similarity(const Operand& a, const Operand& b,
                         const CosineSimilarityOptions& options = {});
/// Distances of each row of a [..., M, D] to each row of b [..., N, D] -> [..., M, N]; leading axes
/// broadcast.
struct DistanceOptions {
  Real order = 2;  ///< (sum |a - b|^p)^(1/p), as norm
};
/// See DistanceOptions. Of differences, so that near points lose no digits; the gradient at
/// distance 0 is 0. Throws ShapeError unless both have at least 2 axes and one D.
Tensor pairwise_distances(const Operand& a, const Operand& b, const DistanceOptions& options = {});

}  // namespace varve
