// Softmax cross-entropy with labels: a composite with its logsumexp as residual and a gradient of
// its own.
#include "varve/ops/cross_entropy.h"

#include "base/error.h"
#include "ops/build.h"
#include "ops/checks.h"
#include "varve/ops/indexing.h"
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

/// Throws ValueError unless it is one that there is.
void check_reduction(const std::string& r, Where where) {
  if (r == "none" || r == "sum" || r == "mean") return;
  throw ValueError("reduction: unknown choice \"" + escaped(r) + "\"",
                   did_you_mean(r, {"none", "sum", "mean"}), where.to_string());
}

/// Losses whose weights are `counted` together.
Tensor reduced(const Tensor& loss, const Tensor& counted, const std::string& reduction) {
  if (reduction == "none") return loss;
  return reduction == "sum" ? sum(loss) : sum(loss) / sum(counted);
}

/// Weights of the classes in x's type, their axis where x has its classes.
Tensor along_classes(const Tensor& weights, const Tensor& x, int axis, Where where) {
  const int64_t classes = x.shape()[axis];
  if (weights.shape() != Shape{classes}) {
    throw ShapeError("class_weights: expected [" + std::to_string(classes) + "], got " +
                         weights.shape().to_string(),
                     "", where.to_string());
  }
  std::vector<int64_t> dims(static_cast<size_t>(x.rank()), 1);
  dims[static_cast<size_t>(axis)] = classes;
  return reshape(cast(weights, x.dtype()), Shape(std::move(dims)));
}

/// Labels with those to be ignored as class 0, and which count.
struct Heeded {
  Tensor label, counts;
};
Heeded heeded_labels(const Tensor& t, std::optional<int64_t> ignored, DType dtype) {
  if (!ignored) return {t, ones(t.shape(), dtype)};
  const Tensor skip = t == *ignored;
  return {where(skip, 0, t), cast(logical_not(skip), dtype)};
}

/// The labels in the shape of one loss a sample; not defined where target is none.
Tensor labels_of(const Tensor& x, const Tensor& t, int axis, Where where) {
  if (!is_integer(t.dtype())) return {};
  std::vector<int64_t> dims = x.shape().dims();
  dims[static_cast<size_t>(axis)] = 1;
  const Shape with_axis(dims);
  dims.erase(dims.begin() + axis);
  const Shape samples(dims);
  if (t.shape() == samples) return t;
  return t.shape() == with_axis ? reshape(Operand(t, where), samples) : Tensor();
}

int class_axis(const char* op, int axis, const Tensor& x, Where where) {
  try {
    return ops::normalize_axis(op, axis, x.rank());
  } catch (const IndexError& e) {
    throw IndexError(e.message(), e.hint(), where.to_string());
  }
}

Tensor of_probabilities(const Tensor& x, const Operand& target, int axis,
                        const CrossEntropyOptions& o) {
  const Where where = target.where();
  if (o.ignore_index) {
    throw ValueError("cross_entropy: ignore_index needs integer labels, the targets are " +
                         std::string(name_of(target.dtype())) + target.tensor().shape().to_string(),
                     "", where.to_string());
  }
  Tensor q = cast(target, x.dtype());
  if (const double s = o.label_smoothing; s != 0)
    q = q * (1 - s) + s / static_cast<double>(x.shape()[axis]);
  if (o.class_weights.defined()) q = q * along_classes(o.class_weights, x, axis, where);
  const Tensor said = varve::where(q == 0, ops::full_like(q, 0), q * log_softmax(x, axis));
  const Tensor loss = -sum(said, {.axes = {axis}});
  return reduced(loss, ops::full_like(loss, 1), o.reduction);
}

/// (1 - s) w[y] loss + s / C sum_c w[c] (-log p[c]), as PyTorch has it.
Tensor of_weighted_labels(const Tensor& x, const Tensor& t, int axis, const CrossEntropyOptions& o,
                          Where where) {
  const Tensor weights = along_classes(o.class_weights, x, axis, where);
  const Heeded heeded = heeded_labels(t, o.ignore_index, x.dtype());
  const Tensor own = take(reshape(weights, {-1}), heeded.label, 0) * heeded.counts;
  Tensor loss = own * ops::make("cross_entropy", {class_axis_last(x, axis, where), heeded.label},
                                {{"label_smoothing", 0.0}}, where);
  if (const double s = o.label_smoothing; s != 0) {
    const Tensor even = -sum(weights * log_softmax(x, axis), {.axes = {axis}}) * heeded.counts;
    loss = (1 - s) * loss + s / static_cast<double>(x.shape()[axis]) * even;
  }
  return reduced(loss, own, o.reduction);
}

}  // namespace

Tensor cross_entropy(const Operand& logits, const Operand& target, const CrossEntropyOptions& o) {
  const Where where = logits.where();
  const ir::CallerScope caller(where);
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1)) {
    throw ValueError("cross_entropy: label_smoothing: expected 0 to 1, got " +
                         std::to_string(o.label_smoothing.value),
                     "", where.to_string());
  }
  check_reduction(o.reduction, where);
  const Tensor x = ops::floating(logits);
  const Tensor given = target.tensor();
  const int axis = class_axis("cross_entropy", o.axis, x, where);
  const bool labels =
      is_integer(given.dtype()) && (given.shape() != x.shape() || x.shape()[axis] == 1);
  if (!labels && given.shape() == x.shape()) return of_probabilities(x, target, axis, o);
  const Tensor t = labels ? labels_of(x, given, axis, where) : Tensor();
  if (!t.defined()) {
    std::vector<int64_t> each = x.shape().dims();
    each.erase(each.begin() + axis);
    throw ShapeError("cross_entropy: logits " + x.shape().to_string() + " need integer labels " +
                         Shape(each).to_string() + " or probabilities " + x.shape().to_string() +
                         ", got " + name_of(given.dtype()) + given.shape().to_string(),
                     "", where.to_string());
  }
  if (o.class_weights.defined()) return of_weighted_labels(x, t, axis, o, where);
  ir::Attributes a{{"label_smoothing", o.label_smoothing.value}};
  if (o.ignore_index) a.set("ignore_index", *o.ignore_index);
  const Tensor loss = ops::make("cross_entropy", {class_axis_last(x, axis, where), t}, a, where);
  if (o.reduction == "none") return loss;
  return reduced(loss, heeded_labels(t, o.ignore_index, x.dtype()).counts, o.reduction);
}

Tensor negative_log_likelihood(const Operand& log_probs, const Operand& target,
                               const NegativeLogLikelihoodOptions& o) {
  const Where where = log_probs.where();
  const ir::CallerScope caller(where);
  check_reduction(o.reduction, where);
  const Tensor x = ops::floating(log_probs);
  const int axis = class_axis("negative_log_likelihood", o.axis, x, where);
  const Tensor t = labels_of(x, target.tensor(), axis, where);
  if (!t.defined()) {
    throw ShapeError("negative_log_likelihood: log_probs " + x.shape().to_string() +
                         " need one integer label a sample, got " + name_of(target.dtype()) +
                         target.tensor().shape().to_string(),
                     "", where.to_string());
  }
  const Heeded heeded = heeded_labels(t, o.ignore_index, x.dtype());
  const Tensor hot = one_hot(heeded.label, x.shape()[axis], {.axis = axis, .dtype = DType::bool_});
  Tensor counted = heeded.counts;
  Tensor terms = x;
  if (o.class_weights.defined()) {
    const Tensor weights = along_classes(o.class_weights, x, axis, where);
    counted = counted * take(reshape(weights, {-1}), heeded.label, 0);
    terms = x * weights;
  }
  // By choice, not by a product: a class that is not asked for may have probability 0.
  const Tensor own = sum(varve::where(hot, terms, 0), {.axes = {axis}});
  return reduced(varve::where(heeded.counts == 0, 0, -own), counted, o.reduction);
}

Tensor sigmoid_cross_entropy(const Operand& logits, const Operand& target) {
  const ir::CallerScope caller(logits.where());
  const Tensor x = ops::floating(logits);
  const Tensor t = cast(Operand(target.as(x.dtype()), target.where()), x.dtype());
  return softplus(Operand(x, logits.where())) - Operand(x, logits.where()) * t;
}

}  // namespace varve
