// Products over axes by number, made of matrix products; distances.
#include "varve/ops/contraction.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "ops/shape.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

/// Both operands in one type, as tensors.
struct Pair {
  Tensor a, b;
};
Pair meet_types(const Operand& a, const Operand& b) {
  const DType d = ops::common_type({&a, &b});
  return {cast(Operand(a.as(d), a.where()), d), cast(Operand(b.as(d), b.where()), d)};
}

ir::Ints axes_of(const char* op, const std::vector<int>& axes, const Tensor& t, Where where) {
  ir::Ints out;
  for (int a : axes) out.push_back(ops::axis_at(op, a, t, where));
  ir::Ints sorted = out;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw ValueError(ops::text_of(op, "an axis is given twice"), "", where.to_string());
  return out;
}

ir::Ints others(const ir::Ints& axes, int rank) {
  ir::Ints out;
  for (int64_t i = 0; i < rank; ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) out.push_back(i);
  }
  return out;
}

/// Sums over pairs of axes; the others of a, then those of b, stay.
Tensor contract(const char* op, const Tensor& a, const Tensor& b, const ir::Ints& over_a,
                const ir::Ints& over_b, Where where) {
  std::vector<int64_t> dims;
  int64_t rows = 1, inner = 1, columns = 1;
  const ir::Ints rest_a = others(over_a, a.rank()), rest_b = others(over_b, b.rank());
  const auto size = [](const Tensor& t, int64_t axis) { return t.shape()[static_cast<int>(axis)]; };
  for (int64_t i : rest_a) dims.push_back(size(a, i)), rows *= size(a, i);
  for (int64_t i : rest_b) dims.push_back(size(b, i)), columns *= size(b, i);
  for (size_t k = 0; k < over_a.size(); ++k) {
    if (size(a, over_a[k]) != size(b, over_b[k])) {
      throw ShapeError(
          ops::text_of(op, "axis " + std::to_string(over_a[k]) + " of " + a.shape().to_string() +
                               " and axis " + std::to_string(over_b[k]) + " of " +
                               b.shape().to_string() + " differ"),
          "", where.to_string());
    }
    inner *= size(a, over_a[k]);
  }
  ir::Ints order_a = rest_a, order_b = over_b;
  order_a.insert(order_a.end(), over_a.begin(), over_a.end());
  order_b.insert(order_b.end(), rest_b.begin(), rest_b.end());
  const Tensor p = ops::reshaped(ops::permuted(a, order_a), Shape{rows, inner}),
               q = ops::reshaped(ops::permuted(b, order_b), Shape{inner, columns});
  return ops::reshaped(matmul(Operand(p, where), q), Shape(std::move(dims)));
}

}  // namespace

Tensor tensordot(const Operand& a, const Operand& b, Dim count) {
  const ir::CallerScope caller(a.where());
  const Pair x = meet_types(a, b);
  if (count < 0 || count > x.a.rank() || count > x.b.rank()) {
    throw ValueError("tensordot: cannot sum over " + std::to_string(count) + " axes of " +
                         x.a.shape().to_string() + " and " + x.b.shape().to_string(),
                     "", a.where().to_string());
  }
  ir::Ints last(static_cast<size_t>(count.value)), first = last;
  std::iota(first.begin(), first.end(), int64_t{0});
  std::iota(last.begin(), last.end(), x.a.rank() - count.value);
  return contract("tensordot", x.a, x.b, last, first, a.where());
}

Tensor tensordot(const Operand& a, const Operand& b, const TensordotAxes& axes) {
  const ir::CallerScope caller(a.where());
  const Pair x = meet_types(a, b);
  if (axes.a.size() != axes.b.size()) {
    throw ValueError("tensordot: " + std::to_string(axes.a.size()) + " axes of a and " +
                         std::to_string(axes.b.size()) + " of b",
                     "", a.where().to_string());
  }
  return contract("tensordot", x.a, x.b, axes_of("tensordot", axes.a, x.a, a.where()),
                  axes_of("tensordot", axes.b, x.b, b.where()), a.where());
}

Tensor dot(const Operand& a, const Operand& b) {
  const ir::CallerScope caller(a.where());
  const Pair x = meet_types(a, b);
  if (x.a.rank() == 0 || x.b.rank() == 0) return Operand(x.a, a.where()) * Operand(x.b, b.where());
  return contract("dot", x.a, x.b, {x.a.rank() - 1}, {std::max(x.b.rank() - 2, 0)}, a.where());
}

Tensor inner(const Operand& a, const Operand& b) {
  const ir::CallerScope caller(a.where());
  const Pair x = meet_types(a, b);
  if (x.a.rank() == 0 || x.b.rank() == 0) return Operand(x.a, a.where()) * Operand(x.b, b.where());
  return contract("inner", x.a, x.b, {x.a.rank() - 1}, {x.b.rank() - 1}, a.where());
}

Tensor outer(const Operand& a, const Operand& b) {
  const ir::CallerScope caller(a.where());
  const Pair x = meet_types(a, b);
  return ops::reshaped(x.a, Shape{x.a.size(), 1}, a.where()) *
         ops::reshaped(x.b, Shape{1, x.b.size()}, b.where());
}

Tensor kron(const Operand& a, const Operand& b) {
  const ir::CallerScope caller(a.where());
  const Pair x = meet_types(a, b);
  const int rank = std::max(x.a.rank(), x.b.rank());
  std::vector<int64_t> p, q, out;
  for (int i = rank; i > 0; --i) {
    const int64_t m = i <= x.a.rank() ? x.a.shape()[-i] : 1,
                  n = i <= x.b.rank() ? x.b.shape()[-i] : 1;
    p.insert(p.end(), {m, 1});
    q.insert(q.end(), {1, n});
    out.push_back(Shape{m, n}.size());
  }
  return reshape(ops::reshaped(x.a, Shape(std::move(p))) * ops::reshaped(x.b, Shape(std::move(q))),
                 Shape(std::move(out)));
}

void GridOrder::order_must_be_ij_or_xy() { throw ValueError("meshgrid: order: expected ij or xy"); }
GridOrder GridOrder::parse(std::string_view name) { return GridOrder(read(name)); }

Tensors meshgrid(const Tensors& vectors, GridOrder order, Where where) {
  const ir::CallerScope caller(where);
  const size_t rank = vectors.size();
  const auto place = [&](size_t i) { return order.exchanged && rank > 1 && i < 2 ? 1 - i : i; };
  std::vector<int64_t> dims(rank);
  for (size_t i = 0; i < rank; ++i) {
    if (vectors[i].rank() > 1) {
      throw ShapeError("meshgrid: expected vectors, got " + vectors[i].shape().to_string(), "",
                       where.to_string());
    }
    dims[place(i)] = vectors[i].size();
  }
  std::vector<Tensor> out;
  for (size_t i = 0; i < rank; ++i) {
    std::vector<int64_t> own(rank, 1);
    own[place(i)] = vectors[i].size();
    out.push_back(ops::stretched_to(ops::reshaped(vectors[i], Shape(std::move(own)), where),
                                    Shape(dims), where));
  }
  return Tensors(std::move(out));
}

Tensor trace(const Operand& x, const TraceOptions& o) {
  const ir::CallerScope caller(x.where());
  return sum(diagonal(x, {o.offset, o.axis1, o.axis2}), {.axes = {-1}});
}

Tensor cosine_similarity(const Operand& a, const Operand& b, const CosineSimilarityOptions& o) {
  const ir::CallerScope caller(a.where());
  const auto t = ops::meet("cosine_similarity", {&a, &b});
  const Tensor p = ops::floating(Operand(t[0], a.where())),
               q = ops::floating(Operand(t[1], b.where()));
  const int axis = ops::axis_at("cosine_similarity", o.axis, p, a.where());
  const auto size = [&](const Tensor& v) {
    return maximum(norm(v, {.axes = {axis}}), o.epsilon.value);
  };
  return sum(p * q, {.axes = {axis}}) / (size(p) * size(q));
}

Tensor pairwise_distances(const Operand& a, const Operand& b, const DistanceOptions& o) {
  const ir::CallerScope caller(a.where());
  Pair x = meet_types(a, b);
  x = {ops::floating(Operand(x.a, a.where())), ops::floating(Operand(x.b, b.where()))};
  if (x.a.rank() < 2 || x.b.rank() < 2 || x.a.shape()[-1] != x.b.shape()[-1]) {
    throw ShapeError("pairwise_distances: expected a [..., M, D] and b [..., N, D], got " +
                         x.a.shape().to_string() + " and " + x.b.shape().to_string(),
                     "", a.where().to_string());
  }
  return norm(expand_dims(Operand(x.a, a.where()), -2) - expand_dims(Operand(x.b, b.where()), -3),
              {.order = o.order, .axes = {-1}});
}

}  // namespace varve
