// Softmax cross-entropy with labels: a composite with its logsumexp as residual and a gradient of
// its own.
#include "varve/ops/cross_entropy.h"

#include "base/error.h"
#include "ops/build.h"
#include "ops/checks.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

Shape without_last(const Shape& s) { return Shape(std::vector<int64_t>(s.begin(), s.end() - 1)); }

/// Logits [..., C] and integer targets [...]; the type of one loss a sample.
TensorType loss_type(const InferArguments& a) {
  const TensorType &x = a[0], &t = a[1];
  require_real(a, "label_smoothing");
  if (a.attributes.has("ignore_index")) a.attributes.integer("ignore_index");
  if (!is_floating(x.dtype) || !is_integer(t.dtype)) {
    throw DTypeError(text_of(a.op.name, "expected floating logits and integer targets, got " +
                                            x.to_string() + " and " + t.to_string()));
  }
  if (x.shape.rank() < 1 || without_last(x.shape) != t.shape) {
    throw ShapeError(text_of(a.op.name, "logits " + x.shape.to_string() +
                                            " need one target each, got " + t.shape.to_string()));
  }
  if (x.shape[-1] == 0 && t.shape.size() > 0)
    throw ShapeError(text_of(a.op.name, "there are no classes: logits " + x.shape.to_string()));
  return {x.dtype, t.shape};
}

Types cross_entropy_type(const InferArguments& a) {
  const TensorType loss = loss_type(a);
  return {loss, loss};
}
Types gradient_type(const InferArguments& a) {
  const TensorType loss = loss_type(a);
  if (a[2] != loss || a[3] != loss)
    throw ShapeError(text_of(a.op.name, "logsumexp and gradient are of the losses' type"));
  return {a[0]};
}

Tensor last(const Tensor& x) {
  std::vector<int64_t> dims = x.shape().dims();
  dims.push_back(1);
  return reshape(x, Shape(std::move(dims)));
}

/// The targets as probabilities [..., C]: one-hot, smoothed.
Tensor distribution(const Tensor& target, const Shape& logits, DType dtype, double smoothing) {
  const int64_t classes = logits[-1];
  std::vector<int64_t> count(static_cast<size_t>(classes));
  for (size_t i = 0; i < count.size(); ++i) count[i] = static_cast<int64_t>(i);
  const Tensor numbers = tensor(count, Shape{classes});
  const Tensor hot = cast(cast(last(target), i64) == numbers, dtype);
  return smoothing == 0 ? hot : hot * (1 - smoothing) + smoothing / static_cast<double>(classes);
}
/// x, and 0 where the target is to be ignored.
Tensor heeded(const Tensor& x, const Tensor& target, const Attributes& a) {
  if (!a.has("ignore_index")) return x;
  return where(cast(target, i64) == a.integer("ignore_index"), full_like(x, 0), x);
}

std::vector<Tensor> cross_entropy_parts(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &x = in[0], &target = in[1];
  const Tensor norm = logsumexp(x, {.axes = {-1}});
  const double smoothing = a.real("label_smoothing");
  const Tensor q = distribution(target, x.shape(), x.dtype(), smoothing);
  // A class of probability 0 says nothing, even where its logit is -inf.
  const Tensor said = where(q == 0, full_like(x, 0), q * x);
  return {heeded(norm - sum(said, {.axes = {-1}}), target, a), norm};
}

std::vector<Tensor> gradient_parts(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &x = in[0], &target = in[1], &norm = in[2];
  const Tensor p = exp(x - last(norm));
  const Tensor q = distribution(target, x.shape(), x.dtype(), a.real("label_smoothing"));
  return {(p - q) * last(heeded(in[3], target, a))};
}

Slots cross_entropy_vjp(const Local& at, std::span<const Tensor> ct) {
  return {make("cross_entropy_gradient", {at.x(0), at.x(1), at.y(1), ct[0]}, at.attributes),
          Tensor()};
}

Slots cross_entropy_jvp(const Local& at, std::span<const Tensor> t) {
  const Tensor &x = at.x(0), &target = at.x(1);
  const Tensor p = exp(x - last(at.y(1)));
  const Tensor q =
      distribution(target, x.shape(), x.dtype(), at.attributes.real("label_smoothing"));
  return {heeded(sum((p - q) * t[0], {.axes = {-1}}), target, at.attributes),
          sum(p * t[0], {.axes = {-1}})};
}

double flops_of(const InferArguments& a, const Types&) {
  return 4. * static_cast<double>(a[0].shape.size());
}

}  // namespace

std::span<const ir::OpDef> loss_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "cross_entropy",
       .doc = "logsumexp(logits) - sum_c q[c] logits[c], one a sample, with q the one-hot of the "
              "target, smoothed: (1 - s) one-hot + s / C; 0 where the target is attribute "
              "ignore_index. Inputs logits [..., C], integer target [...]; outputs loss, "
              "logsumexp.",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = cross_entropy_type,
       .derivative = ir::Custom{cross_entropy_vjp, cross_entropy_jvp},
       .decompose = cross_entropy_parts,
       .traits = {.faults = true, .residuals = 1, .precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
      {.name = "cross_entropy_gradient",
       .doc = "The gradient of cross_entropy by its logits: (softmax - q) times the loss's "
              "gradient. Inputs logits, target, logsumexp, gradient.",
       .min_inputs = 4,
       .max_inputs = 4,
       .infer = gradient_type,
       .derivative = ir::FromDecomposition{},
       .decompose = gradient_parts,
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {
namespace {

Tensor class_axis_last(const Tensor& x, int axis, Where where) {
  if (axis == x.rank() - 1) return x;
  std::vector<int> order;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  return transpose(Operand(x, where), order);
}

Tensor of_probabilities(const Tensor& x, const Operand& target, int axis,
                        const CrossEntropyOptions& o) {
  if (o.ignore_index) {
    throw ValueError("cross_entropy: ignore_index needs integer labels, the targets are " +
                         std::string(name_of(target.dtype())) + target.tensor().shape().to_string(),
                     "", target.where().to_string());
  }
  Tensor q = cast(target, x.dtype());
  if (const double s = o.label_smoothing; s != 0)
    q = q * (1 - s) + s / static_cast<double>(x.shape()[axis]);
  const Tensor said = where(q == 0, ops::full_like(q, 0), q * log_softmax(x, axis));
  return -sum(said, {.axes = {axis}});
}

}  // namespace

Tensor cross_entropy(const Operand& logits, const Operand& target, const CrossEntropyOptions& o) {
  const Where where = logits.where();
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1)) {
    throw ValueError("cross_entropy: label_smoothing: expected 0 to 1, got " +
                         std::to_string(o.label_smoothing.value),
                     "", where.to_string());
  }
  Tensor x = ops::floating(logits);
  Tensor t = target.tensor();
  int axis = 0;
  try {
    axis = ops::normalize_axis("cross_entropy", o.axis, x.rank());
  } catch (const IndexError& e) {
    throw IndexError(e.message(), e.hint(), where.to_string());
  }
  const bool labels = is_integer(t.dtype()) && (t.shape() != x.shape() || x.shape()[axis] == 1);
  if (!labels && t.shape() == x.shape()) return of_probabilities(x, target, axis, o);
  std::vector<int64_t> each = x.shape().dims();
  each.erase(each.begin() + axis);
  const Shape samples(each);
  each.insert(each.begin() + axis, 1);
  if (labels && t.shape() == Shape(each) && t.shape() != samples)
    t = reshape(Operand(t, where), samples);
  if (!labels || t.shape() != samples) {
    throw ShapeError("cross_entropy: logits " + x.shape().to_string() + " need integer labels " +
                         samples.to_string() + " or probabilities " + x.shape().to_string() +
                         ", got " + name_of(t.dtype()) + t.shape().to_string(),
                     "", where.to_string());
  }
  ir::Attributes a{{"label_smoothing", o.label_smoothing.value}};
  if (o.ignore_index) a.set("ignore_index", *o.ignore_index);
  return ops::make("cross_entropy", {class_axis_last(x, axis, where), t}, a, where);
}

Tensor sigmoid_cross_entropy(const Operand& logits, const Operand& target) {
  const ir::CallerScope caller(logits.where());
  const Tensor x = ops::floating(logits);
  const Tensor t = cast(Operand(target.as(x.dtype()), target.where()), x.dtype());
  return softplus(Operand(x, logits.where())) - Operand(x, logits.where()) * t;
}

}  // namespace varve
