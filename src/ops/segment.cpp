// Segments and sparse products. A sparse product is linear in its values and in the dense matrix,
// and what it gives back to the values is a product sampled where the values stand.
#include "varve/ops/segment.h"

#include "base/error.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

using Cotangents = std::span<const Tensor>;

void require_pattern(const InferArguments& a, const TensorType& columns, const TensorType& starts) {
  require_flags(a, {"transpose"});
  if (columns.dtype != i64 || starts.dtype != i64 || columns.shape.rank() != 1 ||
      starts.shape.rank() != 1 || starts.shape[0] < 1) {
    throw ShapeError(
        text_of(a.op.name, "expected columns i64 [entries] and row_starts i64 [rows + 1], got " +
                               columns.to_string() + " and " + starts.to_string()));
  }
}
void require_real_type(const InferArguments& a, const TensorType& x, const TensorType& y) {
  if (x.dtype == DType::bool_ || x.dtype != y.dtype) {
    throw DTypeError(text_of(
        a.op.name, "expected one type of numbers, got " + x.to_string() + " and " + y.to_string()));
  }
}

/// Inputs values, dense, columns, row_starts; attribute width: columns of the sparse matrix.
Types product_type(const InferArguments& a) {
  require_pattern(a, a[2], a[3]);
  require_real_type(a, a[0], a[1]);
  const int64_t rows = a[3].shape[0] - 1, width = a.attributes.integer("width");
  const bool turned = a.attributes.flag("transpose");
  if (width < 0 || a[0].shape != a[2].shape || a[1].shape.rank() != 2 ||
      a[1].shape[0] != (turned ? rows : width)) {
    throw ShapeError(text_of(
        a.op.name, "a sparse matrix [" + std::to_string(rows) + ", " + std::to_string(width) + "]" +
                       (turned ? " (transposed)" : "") + " with values " + a[0].shape.to_string() +
                       " does not fit " + a[1].shape.to_string()));
  }
  return {{a[0].dtype, Shape{turned ? width : rows, a[1].shape[1]}}};
}

/// Inputs p [rows, F], q [width, F], columns, row_starts.
Types sampled_type(const InferArguments& a) {
  require_pattern(a, a[2], a[3]);
  require_real_type(a, a[0], a[1]);
  if (a[0].shape.rank() != 2 || a[1].shape.rank() != 2 || a[0].shape[1] != a[1].shape[1] ||
      a[0].shape[0] != a[3].shape[0] - 1) {
    throw ShapeError(text_of(a.op.name, "expected [rows, F] and [width, F], got " +
                                            a[0].to_string() + " and " + a[1].to_string()));
  }
  return {{a[0].dtype, a[2].shape}};
}

Tensor product(const Tensor& values, const Tensor& dense, const Local& at, int64_t width,
               bool transpose) {
  return make("sparse_matmul", {values, dense, at.x(2), at.x(3)},
              {{"transpose", transpose}, {"width", width}});
}

Slots product_back(const Local& at, Cotangents ct) {
  const bool turned = at.attributes.flag("transpose");
  const int64_t width = at.attributes.integer("width");
  Slots slots(4);
  if (at.wanted[0]) {
    slots[0] = make("sparse_sampled_product",
                    {turned ? at.x(1) : ct[0], turned ? ct[0] : at.x(1), at.x(2), at.x(3)},
                    {{"transpose", false}});
  }
  if (at.wanted[1]) slots[1] = product(at.x(0), ct[0], at, width, !turned);
  return slots;
}
Slots sampled_back(const Local& at, Cotangents ct) {
  const int64_t width = at.x(1).shape()[0];
  return {product(ct[0], at.x(1), at, width, false), product(ct[0], at.x(0), at, width, true),
          Tensor(), Tensor()};
}

double product_flops(const InferArguments& a, const Types&) {
  return 2. * static_cast<double>(a[2].shape.size()) * static_cast<double>(a[1].shape[1]);
}

}  // namespace

std::span<const ir::OpDef> sparse_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "sparse_matmul",
       .doc = "A sparse matrix (values, columns, row_starts; attribute width: its columns) by a "
              "dense one; attribute transpose: the sparse one transposed. Inputs values, dense, "
              "columns, row_starts.",
       .min_inputs = 4,
       .max_inputs = 4,
       .infer = product_type,
       .derivative = ir::Multilinear{2, product_back},
       .traits = {.faults = true},
       .flops = product_flops},
      {.name = "sparse_sampled_product",
       .doc =
           "P Q' where a sparse matrix has entries: out[k] = sum_f p[row of k, f] q[column of k, "
           "f]. Inputs p [rows, F], q [width, F], columns, row_starts.",
       .min_inputs = 4,
       .max_inputs = 4,
       .infer = sampled_type,
       .derivative = ir::Multilinear{2, sampled_back},
       .traits = {.faults = true},
       .flops = product_flops},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {
namespace {

/// How many elements each segment has, as a column beside x's other axes.
Tensor sizes_of(const Tensor& x, const Tensor& segments, int64_t count) {
  const Tensor n = segment_sum(ops::full(1, i64, segments.shape()), segments, count);
  std::vector<int64_t> dims(static_cast<size_t>(x.rank()), 1);
  dims[0] = count;
  return reshape(n, Shape(std::move(dims)));
}

Tensor extreme(const char* op, const Operand& x, const Operand& segments, Dim count,
               const SegmentOptions& o, bool largest) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor(), ids = segments.tensor();
  if (t.rank() < 1 || ids.shape() != Shape{t.shape()[0]} || count < 0) {
    throw ShapeError(
        ops::text_of(op, "x is " + t.shape().to_string() + ", segments " + ids.shape().to_string() +
                             ", count " + std::to_string(count)),
        "expected x [n, ...], segments [n], count 0 or more", x.where().to_string());
  }
  std::vector<int64_t> dims = t.shape().dims();
  dims[0] = count;
  const Tensor none = ops::stretched_to(ops::limit_of(t.dtype(), !largest), Shape(std::move(dims)));
  const Tensor y =
      scatter_reduce(none, ids, t, 0, largest ? ScatterMode("max") : ScatterMode("min"));
  return where(sizes_of(t, ids, count) == 0, ops::full(o.empty, t.dtype(), {}), y);
}

Tensor as_indices(const char* op, const Operand& x) {
  const Tensor t = x.tensor();
  if (!is_integer(t.dtype()))
    throw DTypeError(ops::text_of(op, std::string("expected integers, got ") + name_of(t.dtype())),
                     "", x.where().to_string());
  return cast(x, i64);
}

}  // namespace

Tensor segment_mean(const Operand& x, const Operand& segments, Dim count) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x), ids = segments.tensor();
  const Tensor total = segment_sum(Operand(t, x.where()), ids, count);
  return total / cast(maximum(sizes_of(t, ids, count), 1), t.dtype());
}

Tensor segment_max(const Operand& x, const Operand& segments, Dim count, const SegmentOptions& o) {
  return extreme("segment_max", x, segments, count, o, true);
}
Tensor segment_min(const Operand& x, const Operand& segments, Dim count, const SegmentOptions& o) {
  return extreme("segment_min", x, segments, count, o, false);
}

Tensor segment_softmax(const Operand& x, const Operand& segments, Dim count) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x), ids = segments.tensor();
  const Tensor top = ops::make(
      "stop_gradient", {extreme("segment_softmax", Operand(t, x.where()), ids, count, {}, true)});
  const Tensor e = exp(t - take(top, ids, 0));
  return e / take(segment_sum(e, ids, count), ids, 0);
}

SparseMatrix sparse_matrix(const Operand& rows, const Operand& columns, const Operand& values,
                           Dim height, Dim width) {
  const ir::CallerScope caller(values.where());
  const Tensor r = as_indices("sparse_matrix: rows", rows),
               c = as_indices("sparse_matrix: columns", columns), v = values.tensor();
  if (r.rank() != 1 || c.shape() != r.shape() || v.shape() != r.shape() || height < 0 ||
      width < 0) {
    throw ShapeError("sparse_matrix: expected rows, columns and values of one length, got " +
                         r.shape().to_string() + ", " + c.shape().to_string() + " and " +
                         v.shape().to_string(),
                     "", values.where().to_string());
  }
  // Stable, so that equal places add in the order given.
  const Tensor order = argsort(r);
  const Tensor starts = searchsorted(take(r, order, 0), ops::counted(height + 1, i64));
  return {take(v, order, 0), take(c, order, 0), starts, width};
}

Tensor sparse_matmul(const SparseMatrix& a, const Operand& dense, const SparseOptions& o) {
  const ir::CallerScope caller(dense.where());
  if (!a.values.defined()) throw ValueError("sparse_matmul: the matrix holds nothing");
  const Tensor given = dense.tensor();
  const DType d = promote(a.values.dtype(), given.dtype());
  const bool vector = given.rank() == 1;
  Tensor x = cast(Operand(given, dense.where()), d);
  if (vector) x = expand_dims(x, -1);
  const Tensor y = ops::make("sparse_matmul",
                             {cast(a.values, d), x, as_indices("sparse_matmul: columns", a.columns),
                              as_indices("sparse_matmul: row_starts", a.row_starts)},
                             {{"transpose", o.transpose}, {"width", a.width}}, dense.where());
  return vector ? ops::squeezed(y, {1}) : y;
}

Tensor to_dense(const SparseMatrix& a, Where where) {
  const ir::CallerScope caller(where);
  return sparse_matmul(a, eye(a.width, a.width, 0, a.values.dtype()));
}

}  // namespace varve
