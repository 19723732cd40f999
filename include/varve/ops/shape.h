// room: ops
// Operations on shapes and on where elements lie, and making tensors. Most are views and cost
// nothing.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "varve/tensor.h"

namespace varve {

/// The same elements in row-major order under another shape; one size may be -1 and is worked out.
/// Throws ShapeError where the counts differ: "reshape: 6 elements into [4]".
Tensor reshape(const Operand& x, const Shape& shape);
/// All axes from `first_axis` on as one: [64, 28, 28, 1] -> [64, 784]. Where first_axis is the
/// rank, a new axis of size 1.
Tensor flatten(const Operand& x, int first_axis = 1);
/// Without axes of size 1: the given ones (ShapeError for another size), or all of them.
Tensor squeeze(const Operand& x, const std::vector<int>& axes = {});
/// A new axis of size 1 before output axis `axis` (-rank-1..rank).
Tensor expand_dims(const Operand& x, int axis);
/// Repeats along new or size-1 axes (NumPy). Throws ShapeError.
Tensor broadcast_to(const Operand& x, const Shape& shape);

/// Axes in another order: output axis i is input axis axes[i]; empty reverses them all.
Tensor transpose(const Operand& x, const std::vector<int>& axes = {});
Tensor swap_axes(const Operand& x, int a, int b);  ///< transpose with two axes exchanged
/// Takes axis `from` out and puts it in as output axis `to`.
Tensor move_axis(const Operand& x, int from, int to);

/// What of an axis is taken, by Python's rules: start, start + step, ... up to but without stop.
/// Negative positions count from the end, what lies beyond is cut; `{}` takes everything,
/// `{.step = -1}` turns the axis around. A step of 0 is a ValueError.
struct Slice {
  std::optional<int64_t> start = {}, stop = {}, step = {};
};
/// A slice an axis, from the first axis on; axes without one stay whole. A view.
/// Example: slice(x, {{1, 3}, {.step = -1}})  // x[1:3, ::-1]
Tensor slice(const Operand& x, const std::vector<Slice>& slices);

/// The order of an axis turned around; empty: of all axes. A view.
Tensor flip(const Operand& x, const std::vector<int>& axes = {});
/// Elements moved along an axis by `shift`, those that fall off come back at the other end.
Tensor roll(const Operand& x, Dim shift, int axis);

/// How much `pad` adds to an axis.
struct PadWidth {
  Dim before = 0, after = 0;  ///< negative: elements are cut off
};
/// How `pad` fills: "constant", or from the axis itself: "edge" (the last element again), "reflect"
/// (mirrored without the edge), "symmetric" (mirrored with it), "wrap" (from the other end).
struct PadMode {
  enum class Kind { constant, edge, reflect, symmetric, wrap };
  Kind kind;
  consteval PadMode(const char* name) : kind(read(name)) {}
  /// Throws ValueError with the choices.
  static PadMode parse(std::string_view name);

 private:
  explicit constexpr PadMode(Kind k) : kind(k) {}
  static void mode_must_be_constant_edge_reflect_symmetric_or_wrap();
  static constexpr Kind read(std::string_view n) {
    if (n == "edge") return Kind::edge;
    if (n == "reflect") return Kind::reflect;
    if (n == "symmetric") return Kind::symmetric;
    if (n == "wrap") return Kind::wrap;
    if (n != "constant") mode_must_be_constant_edge_reflect_symmetric_or_wrap();
    return Kind::constant;
  }
};
struct PadOptions {
  PadMode mode = "constant";
  Real value = 0;  ///< of mode "constant"
};
/// Elements before and after each axis, one pair an axis.
/// Throws ShapeError where the pairs are not one an axis, where more is cut off than there is, or
/// where an empty axis would have to be filled from itself.
/// Example: pad(x, {{1, 1}, {0, 2}})
Tensor pad(const Operand& x, const std::vector<PadWidth>& widths, const PadOptions& options = {});

/// One after the other along an axis; they meet in one type.
/// Throws ShapeError where shapes differ beside the axis, ValueError for no tensor.
/// Example: concat({zeros({2, 3}), ones({2, 1})}).shape()  // [2, 4]
Tensor concat(const Tensors& parts, int axis = -1, Where where = Where::here());
/// Side by side along a new axis. Throws ShapeError where shapes differ.
Tensor stack(const Tensors& parts, int axis = 0, Where where = Where::here());
/// Equal parts along an axis. Throws ShapeError where the size is no multiple.
Tensors split(const Operand& x, Dim parts, int axis = -1);
/// Parts of the given sizes. Throws ShapeError where they do not add up to the axis.
Tensors split_sizes(const Operand& x, const std::vector<int64_t>& sizes, int axis = -1);
/// The whole repeated, `repeats[i]` times along axis i; the shorter of shape and repeats is filled
/// with ones in front (NumPy).
Tensor tile(const Operand& x, const std::vector<int64_t>& repeats);
/// Each element `count` times in a row along an axis.
Tensor repeat(const Operand& x, Dim count, int axis);

struct DiagonalOptions {
  Dim offset = 0;  ///< above (positive) or below the main diagonal
  int axis1 = 0, axis2 = 1;
};
/// The elements x[i, i + offset] of the matrices in two axes, as a new last axis. A view.
Tensor diagonal(const Operand& x, const DiagonalOptions& options = {});
/// The square matrix with the vector x on its diagonal number `offset`.
Tensor diagonal_matrix(const Operand& x, Dim offset = 0);
/// Zeros above diagonal number `offset` of the matrices in the last two axes.
Tensor tril(const Operand& x, Dim offset = 0);
/// Zeros below diagonal number `offset`.
Tensor triu(const Operand& x, Dim offset = 0);

Tensor zeros(const Shape& shape, DType dtype = f32);  ///< every element 0
Tensor ones(const Shape& shape, DType dtype = f32);   ///< every element 1
/// Every element is `value`, a number or a tensor of one element.
Tensor full(const Shape& shape, const Operand& value, DType dtype = f32);
Tensor zeros_like(const Operand& x);  ///< zeros of x's shape and type
Tensor ones_like(const Operand& x);   ///< ones of x's shape and type
Tensor full_like(const Operand& x,
                 const Operand& value);  ///< `value`, cast to x's type, in x's shape
/// 1 where column = row + offset, else 0; columns = -1: as many as rows.
Tensor eye(Dim rows, Dim columns = -1, Dim offset = 0, DType dtype = f32);

struct ArangeOptions {
  std::optional<DType> dtype = {};  ///< else i64 for integers, f32 for real numbers
};
/// 0, 1, ... below stop.
Tensor arange(const Operand& stop, const ArangeOptions& options = {});
/// start, start + step, ... before stop: ceil((stop - start) / step) elements, none where that is
/// negative. Integers are exact. Throws ValueError for a step of 0.
Tensor arange(const Operand& start, const Operand& stop, const ArangeOptions& options = {});
Tensor arange(const Operand& start, const Operand& stop, const Operand& step,
              const ArangeOptions& options = {});
struct LinspaceOptions {
  bool endpoint = true;  ///< whether the last element is `stop`
  DType dtype = f32;
};
/// `count` numbers evenly from start to stop.
Tensor linspace(Real start, Real stop, Dim count, const LinspaceOptions& options = {});

}  // namespace varve
