#include "varve/nn/merge_layers.h"

#include <algorithm>

#include "nn/masks.h"
#include "nn/weights.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

void require_count(const char* layer, const Tensors& x, size_t least, size_t most) {
  if (x.size() >= least && x.size() <= most) return;
  throw ValueError(std::string(layer) + ": expected " +
                   (least == most ? "two tensors" : "two tensors or more") + ", got " +
                   std::to_string(x.size()));
}

Tensor folded(const char* layer, const Tensors& x, Tensor (*f)(const Operand&, const Operand&)) {
  require_count(layer, x, 2, x.size());
  Tensor y = x[0];
  for (size_t i = 1; i < x.size(); ++i) y = f(y, x[i]);
  return with_mask(y, merged_mask(x));
}

}  // namespace

Tensor Concatenate::call(const Tensors& x, Scope&) const {
  require_count("concatenate", x, 1, x.size());
  const Tensor y = concat(x, axis);
  const int along = axis < 0 ? axis + y.rank() : axis;
  int rank = 0;
  for (const Tensor& t : x) {
    if (t.mask_cell()) rank = std::max(rank, mask_of(t).rank());
  }
  if (along >= rank) return with_mask(y, merged_mask(x));
  // Along an axis of the masks they are joined, too; a tensor without one is there everywhere.
  std::vector<Tensor> masks;
  for (const Tensor& t : x) {
    const auto& dims = t.shape().dims();
    masks.push_back(
        mask_of(t).defined()
            ? mask_of(t)
            : ones(Shape(std::vector<int64_t>(dims.begin(), dims.begin() + rank)), DType::bool_));
  }
  return with_mask(y, concat(Tensors(masks), along));
}
Tensor Concatenate::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Concatenate::fields(Fields& f) {
  f("axis", axis, "The axis along which they are joined.");
  f("name", name, kLayerName);
}

Tensor Add::call(const Tensors& x, Scope&) const { return folded("add", x, varve::add); }
Tensor Add::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Add::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Subtract::call(const Tensors& x, Scope&) const {
  require_count("subtract", x, 2, 2);
  return with_mask(x[0] - x[1], merged_mask(x));
}
Tensor Subtract::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Subtract::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Multiply::call(const Tensors& x, Scope&) const {
  return folded("multiply", x, varve::multiply);
}
Tensor Multiply::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Multiply::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Average::call(const Tensors& x, Scope&) const {
  return with_mask(folded("average", x, varve::add) / static_cast<double>(x.size()),
                   merged_mask(x));
}
Tensor Average::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Average::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Maximum::call(const Tensors& x, Scope&) const {
  return folded("maximum", x, varve::maximum);
}
Tensor Maximum::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Maximum::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Minimum::call(const Tensors& x, Scope&) const {
  return folded("minimum", x, varve::minimum);
}
Tensor Minimum::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Minimum::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Dot::call(const Tensors& x, Scope&) const {
  require_count("dot", x, 2, 2);
  if (axes.empty() || axes.size() > 2) {
    throw ValueError("dot: axes: expected one or two, got " + std::to_string(axes.size()));
  }
  std::vector<Tensor> rows;  // [batch, the other axes as one, the axis]
  std::vector<int64_t> dims{x[0].shape()[0]};
  for (size_t i = 0; i < 2; ++i) {
    const Tensor& t = x[i];
    require_rank(t, 2, kAnyRank, "two tensors [batch, ..., n]");
    const int given = axes[axes.size() == 1 ? 0 : i];
    const int axis = given < 0 ? given + t.rank() : given;
    if (axis < 1 || axis >= t.rank()) {
      throw IndexError("dot: axis " + std::to_string(given) + " of " + t.shape().to_string());
    }
    for (int a = 1; a < t.rank(); ++a) {
      if (a != axis) dims.push_back(t.shape()[a]);
    }
    const int64_t n = t.shape()[axis], others = n == 0 ? 0 : t.shape().size() / n;
    const int64_t batch = t.shape()[0];
    Tensor row = reshape(move_axis(t, axis, -1), {batch, batch == 0 ? 0 : others / batch, n});
    if (normalize) {
      // As Keras: a vector of zeros has the cosine 0.
      constexpr double kLeast = 1e-12;
      row = row * rsqrt(maximum(sum(square(row), {.axes = {-1}, .keep_dims = true}), kLeast));
    }
    rows.push_back(row);
  }
  if (rows[0].shape()[0] != rows[1].shape()[0] || rows[0].shape()[2] != rows[1].shape()[2]) {
    throw ShapeError("dot: " + x[0].shape().to_string() + " and " + x[1].shape().to_string() +
                     " do not meet in these axes");
  }
  if (dims.size() == 1) dims.push_back(1);
  return reshape(matmul(rows[0], rows[1], {.transpose_b = true}), Shape(std::move(dims)));
}
Tensor Dot::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Dot::fields(Fields& f) {
  f("axes", axes, "The axis of each tensor, or one for both.");
  f("normalize", normalize, "Whether it is the cosine.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
