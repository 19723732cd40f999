// Matrix products: one primitive on stacks of matrices with equal leading axes; everything else is
// reshaped to it.
#include "varve/ops/matmul.h"

#include "base/error.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

/// Sizes of one product in a raw matmul node.
struct Sizes {
  int64_t m, k, inner_b, n;
};
Sizes sizes_of(const Shape& a, const Shape& b, bool transpose_a, bool transpose_b) {
  return {a[transpose_a ? -1 : -2], a[transpose_a ? -2 : -1], b[transpose_b ? -1 : -2],
          b[transpose_b ? -2 : -1]};
}

Types matmul_type(const InferArguments& a) {
  const DType d = a[0].dtype;
  if (d == DType::bool_) throw DTypeError("matmul: bool has no arithmetic", "cast it first");
  for (const TensorType& t : a.inputs) {
    if (t.dtype != d) {
      throw DTypeError("matmul: inputs are of different types: " + a[0].to_string() + " and " +
                       t.to_string());
    }
  }
  const Shape &x = a[0].shape, &y = a[1].shape;
  if (x.rank() < 2 || x.rank() != y.rank()) {
    throw ShapeError("matmul: expected matrices with equal leading axes, got " + x.to_string() +
                     " and " + y.to_string());
  }
  const Sizes s =
      sizes_of(x, y, a.attributes.flag("transpose_a"), a.attributes.flag("transpose_b"));
  std::vector<int64_t> dims(x.begin(), x.end() - 2);
  if (s.k != s.inner_b || !std::equal(dims.begin(), dims.end(), y.begin())) {
    throw ShapeError("matmul: inner dimensions differ: a is " + x.to_string() + " and b is " +
                     y.to_string());
  }
  if (a.inputs.size() == 3 && a[2].shape != Shape{s.n}) {
    throw ShapeError("matmul: bias: expected shape [" + std::to_string(s.n) + "], got " +
                     a[2].shape.to_string());
  }
  dims.push_back(s.m);
  dims.push_back(s.n);
  return {{d, Shape(std::move(dims))}};
}

Tensor raw(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  return make("matmul", {a, b}, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

Slots matmul_vjp(const Local& at, std::span<const Tensor> ct) {
  const bool ta = at.attributes.flag("transpose_a"), tb = at.attributes.flag("transpose_b");
  const Tensor &a = at.x(0), &b = at.x(1), &dy = ct[0];
  Slots slots(at.inputs.size());
  if (at.wanted[0]) slots[0] = ta ? raw(b, dy, tb, true) : raw(dy, b, false, !tb);
  if (at.wanted[1]) slots[1] = tb ? raw(dy, a, true, ta) : raw(a, dy, !ta, false);
  if (at.inputs.size() == 3 && at.wanted[2]) slots[2] = sum_to(dy, at.x(2).shape());
  return slots;
}

Slots matmul_jvp(const Local& at, std::span<const Tensor> t) {
  const bool ta = at.attributes.flag("transpose_a"), tb = at.attributes.flag("transpose_b");
  Tensor sum;
  auto add_term = [&](const Tensor& term) { sum = sum.defined() ? sum + term : term; };
  if (t[0].defined()) add_term(raw(t[0], at.x(1), ta, tb));
  if (t[1].defined()) add_term(raw(at.x(0), t[1], ta, tb));
  if (t.size() == 3 && t[2].defined()) add_term(broadcast_to(t[2], at.y().shape()));
  return {sum};
}

double matmul_flops(const InferArguments& a, const Types& outputs) {
  const int64_t k = a[0].shape[a.attributes.flag("transpose_a") ? -2 : -1];
  return 2. * static_cast<double>(k) * static_cast<double>(outputs[0].shape.size());
}

}  // namespace

std::span<const ir::OpDef> matmul_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "matmul",
       .doc = "Matrix product over the last two axes: out[..., i, j] = sum_k a[..., i, k] "
              "b[..., k, j] (+ bias[j]). Leading axes are equal; attributes transpose_a, "
              "transpose_b swap the last two axes of an operand first.",
       .min_inputs = 2,
       .max_inputs = 3,
       .infer = matmul_type,
       .derivative = ir::Custom{matmul_vjp, matmul_jvp},
       .traits = {.epilogue = true, .precision = ir::PrecisionTrait::bf16_ok},
       .flops = matmul_flops},
  };
  return rows;
}

namespace {

[[noreturn]] void inner_dimensions_differ(const Tensor& a, const Tensor& b, const MatmulOptions& o,
                                          const std::string& at) {
  const Shape &x = a.shape(), &y = b.shape();
  std::string hint;
  if (x.rank() >= 2 && y.rank() >= 2) {
    const Sizes turned_b = sizes_of(x, y, o.transpose_a, !o.transpose_b);
    const Sizes turned_a = sizes_of(x, y, !o.transpose_a, o.transpose_b);
    const bool plain = x.rank() == 2 && y.rank() == 2 && !o.transpose_a && !o.transpose_b;
    if (turned_b.k == turned_b.inner_b) {
      hint = plain ? "did you mean matmul(a, transpose(b))?"
                   : std::string("did you mean .transpose_b = ") +
                         (o.transpose_b ? "false?" : "true?");
    } else if (turned_a.k == turned_a.inner_b) {
      hint = plain ? "did you mean matmul(transpose(a), b)?"
                   : std::string("did you mean .transpose_a = ") +
                         (o.transpose_a ? "false?" : "true?");
    }
  }
  throw ShapeError("matmul: inner dimensions differ: a is " + x.to_string() +
                       (o.transpose_a ? " (transposed)" : "") + " and b is " + y.to_string() +
                       (o.transpose_b ? " (transposed)" : ""),
                   hint, at);
}

/// The product of operands of rank 2 or more.
Tensor product(const Tensor& a, const Tensor& b, const MatmulOptions& o, Where where) {
  const Shape &x = a.shape(), &y = b.shape();
  const Sizes s = sizes_of(x, y, o.transpose_a, o.transpose_b);
  const Attributes attributes{{"transpose_a", o.transpose_a}, {"transpose_b", o.transpose_b}};
  auto multiply = [&](const Tensor& p, const Tensor& q) {
    return o.bias.defined() ? make("matmul", {p, q, o.bias}, attributes, where)
                            : make("matmul", {p, q}, attributes, where);
  };
  if (x.rank() == 2 && y.rank() == 2) return multiply(a, b);
  std::vector<int64_t> out(x.begin(), x.end() - 2);
  if (y.rank() == 2 && !o.transpose_a) {
    // One matrix for a whole stack: the stack's rows make one tall matrix.
    const int64_t rows = Shape(std::vector<int64_t>(x.begin(), x.end() - 1)).size();
    const Tensor tall = multiply(reshaped(a, {rows, s.k}, where), b);
    out.push_back(s.m);
    out.push_back(s.n);
    return reshaped(tall, Shape(std::move(out)), where);
  }
  const Shape lead = broadcast_shapes("matmul", Shape(std::move(out)),
                                      Shape(std::vector<int64_t>(y.begin(), y.end() - 2)));
  auto stretched = [&](const Tensor& t) {
    std::vector<int64_t> dims = lead.dims();
    dims.push_back(t.shape()[-2]);
    dims.push_back(t.shape()[-1]);
    const Shape shape(std::move(dims));
    return stretched_to(t, shape, where);
  };
  return multiply(stretched(a), stretched(b));
}

}  // namespace
}  // namespace varve::ops

namespace varve {

Tensor matmul(const Operand& a_operand, const Operand& b_operand, const MatmulOptions& options) {
  const Where where = a_operand.where();
  const std::string at = where.to_string();
  DType d = ops::common_type({&a_operand, &b_operand});
  MatmulOptions o = options;
  if (o.bias.defined()) {
    d = promote(d, o.bias.dtype());
    o.bias = cast(o.bias, d);
  }
  Tensor a = cast(Operand(a_operand.as(d), where), d), b = cast(Operand(b_operand.as(d), where), d);
  if (a.rank() == 0 || b.rank() == 0) {
    throw ShapeError(std::string("matmul: ") + (a.rank() == 0 ? "a" : "b") + " is a scalar",
                     "multiply by a scalar with *", at);
  }
  const bool row = a.rank() == 1, column = b.rank() == 1;
  const int64_t k = a.shape()[row ? 0 : (o.transpose_a ? -2 : -1)];
  if (k != b.shape()[column ? 0 : (o.transpose_b ? -1 : -2)])
    ops::inner_dimensions_differ(a, b, o, at);
  if (row) {
    a = ops::reshaped(a, {1, k}, where);
    o.transpose_a = false;
  }
  if (column) {
    b = ops::reshaped(b, {k, 1}, where);
    o.transpose_b = false;
  }
  Tensor y;
  try {
    y = ops::product(a, b, o, where);
  } catch (const ShapeError& e) {
    throw ShapeError(e.message(), e.hint(), at);
  }
  if (!row && !column) return y;
  std::vector<int64_t> dims(y.shape().begin(), y.shape().end() - 2);
  if (!row) dims.push_back(y.shape()[-2]);
  if (!column) dims.push_back(y.shape()[-1]);
  return ops::reshaped(y, Shape(std::move(dims)), where);
}

}  // namespace varve
