// Softmax and normalization by moments: composites with derivatives of their own.
#include "varve/ops/normalization.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// --- softmax ---------------------------------------------------------------------------------

Types softmax_type(const InferArguments& a) {
  require_axis(a, a.attributes.integer("axis"), a[0].shape.rank());
  return same_type_floating(a);
}

Tensor sum_along(const Tensor& x, const Attributes& a) {
  return sum(x, {.axes = {static_cast<int>(a.integer("axis"))}, .keep_dims = true});
}

/// x - max(x) with rows of -inf alone left as they are, and exp of it.
struct Shifted {
  Tensor x, exponential, total;
};
Shifted shifted(const Tensor& x, const Attributes& a) {
  const Tensor top = max(x, {.axes = {static_cast<int>(a.integer("axis"))}, .keep_dims = true});
  Shifted s;
  s.x = x - where(top == -kInfinity, full_like(top, 0), top);
  s.exponential = exp(s.x);
  const Tensor total = sum_along(s.exponential, a);
  s.total = where(total == 0, full_like(total, 1), total);
  return s;
}

std::vector<Tensor> softmax_parts(std::span<const Tensor> x, const Attributes& a) {
  if (x[0].size() == 0) return {make("identity", {x[0]})};
  const Shifted s = shifted(x[0], a);
  return {s.exponential / s.total};
}
std::vector<Tensor> log_softmax_parts(std::span<const Tensor> x, const Attributes& a) {
  if (x[0].size() == 0) return {make("identity", {x[0]})};
  const Shifted s = shifted(x[0], a);
  return {s.x - log(s.total)};
}

/// The Jacobian of softmax is symmetric, so both modes are the same product.
Slots softmax_product(const Local& at, std::span<const Tensor> v) {
  const Tensor& y = at.y();
  return {y * (v[0] - sum_along(v[0] * y, at.attributes))};
}

// --- normalization ---------------------------------------------------------------------------

std::vector<int> ints(const ir::Ints& axes) { return {axes.begin(), axes.end()}; }

/// The shape of scale and offset: the sizes of the parameter axes.
Shape parameter_shape(const Shape& x, const ir::Ints& axes) {
  std::vector<int64_t> dims;
  for (int64_t a : axes) dims.push_back(x[static_cast<int>(a)]);
  return Shape(std::move(dims));
}

Types normalize_type(const InferArguments& a) {
  const TensorType& x = a[0];
  if (!is_floating(x.dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(x.dtype)));
  }
  const ir::Ints &axes = require_axes(a, "axes"), &own = require_axes(a, "parameter_axes");
  require_real(a, "epsilon");
  if (a.inputs.size() == 2) throw ShapeError(text_of(a.op.name, "scale and offset come together"));
  for (size_t i = 1; i < a.inputs.size(); ++i) {
    const TensorType want{x.dtype, parameter_shape(x.shape, own)};
    if (a[i] != want) {
      throw ShapeError(text_of(a.op.name, std::string(i == 1 ? "scale" : "offset") + ": expected " +
                                              want.to_string() + ", got " + a[i].to_string()));
    }
  }
  const TensorType moment{x.dtype, with_ones(x.shape, axes)};
  return {x, moment, moment};
}

/// What the rules of one normalize node compute with: x, and beside it moments and parameters that
/// repeat along its other axes. Where parameter axes are partly reduced (the groups of group
/// normalization, and the channels of one), they are merged in x and the moments repeated for each
/// parameter: no loop then needs an axis for groups, and those over channels stay long.
class Normalized {
 public:
  Normalized(const Tensor& x, const Tensor& mean, const Tensor& variance, const Attributes& a)
      : axes_(ints(a.ints("axes"))), own_(ints(a.ints("parameter_axes"))), shape_(x.shape()) {
    const auto reduced = [&](int axis) { return reduces(axis); };
    const bool consecutive =
        !own_.empty() && own_.back() - own_.front() == static_cast<int>(own_.size()) - 1;
    merges_ = consecutive && std::any_of(own_.begin(), own_.end(), reduced) &&
              !std::all_of(own_.begin(), own_.end(), reduced);
    x_ = merged(x);
    mean_ = repeated(mean);
    inverse_ = repeated(rsqrt(variance + a.real("epsilon")));
  }

  const Tensor& x() const { return x_; }
  const Tensor& mean() const { return mean_; }
  Tensor standard() const { return (x_ - mean_) * inverse_; }
  /// v in the shape of x().
  Tensor merged(const Tensor& v) const { return merges_ ? reshape(v, merged(v.shape())) : v; }
  /// v of the node's shape.
  Tensor split(const Tensor& v) const { return merges_ ? reshape(v, shape_) : v; }
  /// Of v in the shape of x(), in that of the node's moments.
  Tensor average(const Tensor& v) const {
    return varve::mean(split(v), {.axes = axes_, .keep_dims = true});
  }
  /// A scale or offset beside x().
  Tensor beside(const Tensor& parameter) const {
    std::vector<int64_t> dims(static_cast<size_t>(shape_.rank()), 1);
    for (int a : own_) dims[static_cast<size_t>(a)] = shape_[a];
    return reshape(parameter, merges_ ? merged(Shape(std::move(dims))) : Shape(std::move(dims)));
  }
  /// The gradient of a scale or offset from what flows to it beside x().
  Tensor gathered(const Tensor& v) const {
    std::vector<int> others;
    for (int i = 0; i < v.rank(); ++i) {
      const bool own = merges_ ? i == own_.front() : std::count(own_.begin(), own_.end(), i) > 0;
      if (!own) others.push_back(i);
    }
    const Tensor sums = others.empty() ? v : sum(v, {.axes = others});
    return merges_ ? reshape(sums, parameter_shape(shape_, {own_.begin(), own_.end()})) : sums;
  }
  /// v without its mean and its part along the standardized x, over the deviation: the derivative
  /// of the standardized x, which is symmetric.
  Tensor projected(const Tensor& v, const Tensor& s) const {
    return inverse_ * (v - repeated(average(v)) - s * repeated(average(v * s)));
  }
  /// Whether parameters have the axes that are not averaged, as in batch normalization: they then
  /// leave every average as its factors, and gradients of parameters are sums of what is averaged.
  bool parameters_leave_averages() const {
    return std::none_of(own_.begin(), own_.end(), [&](int a) { return reduces(a); }) &&
           axes_.size() + own_.size() == static_cast<size_t>(shape_.rank());
  }
  /// projected(v * scale, s), given gathered(v) and gathered(v * s).
  Tensor projected(const Tensor& v, const Tensor& s, const Tensor& scale, const Tensor& sum,
                   const Tensor& sum_along) const {
    const double count = static_cast<double>(shape_.size()) / static_cast<double>(scale.size());
    return inverse_ * beside(scale) * (v - beside(sum / count) - s * beside(sum_along / count));
  }

 private:
  bool reduces(int axis) const { return std::count(axes_.begin(), axes_.end(), axis) > 0; }
  Shape merged(const Shape& shape) const {
    std::vector<int64_t> dims;
    for (int i = 0; i < shape.rank(); ++i) {
      if (i > own_.front() && i <= own_.back()) {
        dims.back() *= shape[i];
      } else {
        dims.push_back(shape[i]);
      }
    }
    return Shape(std::move(dims));
  }
  /// Moments beside x().
  Tensor repeated(const Tensor& moment) const {
    if (!merges_) return moment;
    std::vector<int64_t> dims = moment.shape().dims();
    for (int a : own_) dims[static_cast<size_t>(a)] = shape_[a];
    return merged(broadcast_to(moment, Shape(std::move(dims))));
  }

  std::vector<int> axes_, own_;
  Shape shape_;
  bool merges_ = false;
  Tensor x_, mean_, inverse_;  // inverse_: 1 / sqrt(variance + epsilon)
};

std::vector<Tensor> normalize_parts(std::span<const Tensor> x, const Attributes& a) {
  const std::vector<int> axes = ints(a.ints("axes"));
  const Moments m = moments(x[0], {.axes = axes, .keep_dims = true});
  const Normalized n(x[0], m.mean, m.variance, a);
  Tensor y = n.standard();
  if (x.size() == 3) y = y * n.beside(x[1]) + n.beside(x[2]);
  return {n.split(y), m.mean, m.variance};
}

Slots normalize_vjp(const Local& at, std::span<const Tensor> ct) {
  const Normalized n(at.x(), at.y(1), at.y(2), at.attributes);
  const Tensor standard = n.standard(), v = n.merged(ct[0]);
  Slots slots(at.inputs.size());
  const bool affine = at.inputs.size() == 3;
  if (affine && n.parameters_leave_averages()) {
    slots[1] = n.gathered(v * standard);
    slots[2] = n.gathered(v);
    slots[0] = n.projected(v, standard, at.x(1), slots[2], slots[1]);
    return slots;
  }
  if (at.wanted[0]) {
    slots[0] = n.split(n.projected(affine ? v * n.beside(at.x(1)) : v, standard));
  }
  if (affine && at.wanted[1]) slots[1] = n.gathered(v * standard);
  if (affine && at.wanted[2]) slots[2] = n.gathered(v);
  return slots;
}

Slots normalize_jvp(const Local& at, std::span<const Tensor> t) {
  const Normalized n(at.x(), at.y(1), at.y(2), at.attributes);
  const Tensor standard = n.standard();
  Slots out(3);
  auto add_term = [&](const Tensor& term) { out[0] = out[0].defined() ? out[0] + term : term; };
  const bool affine = at.inputs.size() == 3;
  if (t[0].defined()) {
    const Tensor v = n.merged(t[0]), moved = n.projected(v, standard);
    add_term(affine ? moved * n.beside(at.x(1)) : moved);
    out[1] = n.average(v);
    out[2] = 2 * n.average(v * (n.x() - n.mean()));
  }
  if (affine && t[1].defined()) add_term(standard * n.beside(t[1]));
  if (affine && t[2].defined()) add_term(broadcast_to(n.beside(t[2]), n.x().shape()));
  if (out[0].defined()) out[0] = n.split(out[0]);
  return out;
}

// --- batch normalization by given statistics -----------------------------------------------------

Types inference_type(const InferArguments& a) {
  const TensorType& x = a[0];
  if (!is_floating(x.dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(x.dtype)));
  }
  const int axis = require_axis(a, a.attributes.integer("axis"), x.shape.rank());
  require_real(a, "epsilon");
  const TensorType want{x.dtype, Shape{x.shape[axis]}};
  constexpr const char* kNames[] = {"", "mean", "variance", "scale", "offset"};
  for (size_t i = 1; i < a.inputs.size(); ++i) {
    if (a[i] != want) {
      throw ShapeError(text_of(a.op.name, std::string(kNames[i]) + ": expected " +
                                              want.to_string() + ", got " + a[i].to_string()));
    }
  }
  return {x};
}

std::vector<Tensor> inference_parts(std::span<const Tensor> in, const Attributes& a) {
  std::vector<int64_t> dims(static_cast<size_t>(in[0].rank()), 1);
  const auto axis = static_cast<int>(a.integer("axis"));
  dims[static_cast<size_t>(axis)] = in[0].shape()[axis];
  const Shape beside(std::move(dims));
  const Tensor factor = in[3] * rsqrt(in[2] + a.real("epsilon"));
  return {(in[0] - reshape(in[1], beside)) * reshape(factor, beside) + reshape(in[4], beside)};
}

double four_a_value(const InferArguments& a, const Types&) {
  return 4. * static_cast<double>(a[0].shape.size());
}

}  // namespace

std::span<const ir::OpDef> normalization_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "softmax",
       .doc = "exp(x - max x) / sum exp(x - max x) along attribute axis; zeros where all are -inf.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = softmax_type,
       .derivative = ir::Custom{softmax_product, softmax_product},
       .decompose = softmax_parts,
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = four_a_value},
      {.name = "log_softmax",
       .doc = "x - max x - log sum exp(x - max x) along attribute axis.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = softmax_type,
       .derivative = ir::Custom{[](const Local& at, std::span<const Tensor> ct) -> Slots {
                                  return {ct[0] - exp(at.y()) * sum_along(ct[0], at.attributes)};
                                },
                                [](const Local& at, std::span<const Tensor> t) -> Slots {
                                  return {t[0] - sum_along(exp(at.y()) * t[0], at.attributes)};
                                }},
       .decompose = log_softmax_parts,
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = four_a_value},
      {.name = "normalize",
       .doc = "(x - mean) / sqrt(variance + epsilon) (* scale + offset), mean and variance over "
              "attribute axes (divided by the count); outputs y, mean, variance, these with "
              "reduced axes of size 1. scale and offset lie along attribute parameter_axes. Layer, "
              "group and batch normalization.",
       .min_inputs = 1,
       .max_inputs = 3,
       .infer = normalize_type,
       .derivative = ir::Custom{normalize_vjp, normalize_jvp},
       .decompose = normalize_parts,
       .traits = {.residuals = 2, .precision = ir::PrecisionTrait::stored_as_input},
       .flops = four_a_value},
      {.name = "batch_norm_inference",
       .doc = "(x - mean) * scale / sqrt(variance + epsilon) + offset, all of shape [channels] "
              "along attribute axis. Inputs x, mean, variance, scale, offset.",
       .min_inputs = 5,
       .max_inputs = 5,
       .infer = inference_type,
       .derivative = ir::FromDecomposition{},
       .decompose = inference_parts,
       .traits = {.precision = ir::PrecisionTrait::stored_as_input},
       .flops = four_a_value},
  };
  return rows;
}

namespace {

Tensor along(const char* op, const Operand& x, int axis) {
  const Tensor t = floating(x);
  int64_t a = 0;
  try {
    a = normalize_axis(op, axis, t.rank());
  } catch (const IndexError& e) {
    throw IndexError(e.message(), e.hint(), x.where().to_string());
  }
  return make(op, {t}, {{"axis", a}}, x.where());
}

/// A call of layer_norm and its kin.
struct Call {
  const char* name;
  Where where;
  double epsilon;

  void check_epsilon() const {
    if (!(epsilon >= 0)) {
      throw ValueError(
          text_of(name, "epsilon: expected at least 0, got " + std::to_string(epsilon)), "",
          where.to_string());
    }
  }
  /// A scale or offset in x's type, ones or zeros where it is empty.
  Tensor parameter(const char* what, const Tensor& given, const Shape& shape, DType dtype,
                   double otherwise) const {
    if (!given.defined()) return full(otherwise, dtype, shape);
    if (given.shape() != shape) {
      throw ShapeError(text_of(name, std::string(what) + ": expected shape " + shape.to_string() +
                                         ", got " + given.shape().to_string()),
                       "", where.to_string());
    }
    return cast(Operand(given, where), dtype);
  }
  std::vector<Tensor> normalize(const Tensor& x, const ir::Ints& axes, const ir::Ints& own,
                                const Tensor& scale, const Tensor& offset) const {
    check_epsilon();
    std::vector<Tensor> inputs{x};
    if (scale.defined() || offset.defined()) {
      const Shape shape = parameter_shape(x.shape(), own);
      inputs.push_back(parameter("scale", scale, shape, x.dtype(), 1));
      inputs.push_back(parameter("offset", offset, shape, x.dtype(), 0));
    }
    return ir::apply(get("normalize"), inputs,
                     {{"axes", axes}, {"parameter_axes", own}, {"epsilon", epsilon}}, where);
  }
  int axis(int given, int rank) const {
    try {
      return normalize_axis(name, given, rank);
    } catch (const IndexError& e) {
      throw IndexError(e.message(), e.hint(), where.to_string());
    }
  }
};

ir::Ints all_but(int axis, int rank) {
  ir::Ints out;
  for (int i = 0; i < rank; ++i) {
    if (i != axis) out.push_back(i);
  }
  return out;
}

}  // namespace
}  // namespace varve::ops

namespace varve {

using ops::Call;

Tensor softmax(const Operand& x, int axis) { return ops::along("softmax", x, axis); }
Tensor log_softmax(const Operand& x, int axis) { return ops::along("log_softmax", x, axis); }

Tensor layer_norm(const Operand& x, const LayerNormOptions& o) {
  const Call call{"layer_norm", x.where(), o.epsilon};
  const Tensor t = ops::floating(x);
  for (int a : o.axes) call.axis(a, t.rank());
  const ir::Ints axes = ops::normalize_axes(call.name, o.axes, t.rank());
  return call.normalize(t, axes, axes, o.scale, o.offset)[0];
}

Tensor group_norm(const Operand& x, const GroupNormOptions& o) {
  const Call call{"group_norm", x.where(), o.epsilon};
  const Tensor t = ops::floating(x);
  const int axis = call.axis(o.axis, t.rank());
  const int64_t channels = t.shape()[axis];
  if (axis == 0 || o.groups < 1 || channels % o.groups != 0) {
    throw ValueError("group_norm: groups " + std::to_string(o.groups.value) +
                         " does not divide axis " + std::to_string(o.axis) + " of " +
                         t.shape().to_string(),
                     "", x.where().to_string());
  }
  const ir::CallerScope caller(x.where());
  // The channels' axis becomes two: groups, and channels within one.
  std::vector<int64_t> dims = t.shape().dims();
  dims[static_cast<size_t>(axis)] = channels / o.groups;
  dims.insert(dims.begin() + axis, o.groups.value);
  const ir::Ints own{axis, axis + 1};
  ir::Ints axes = ops::all_but(axis, t.rank() + 1);
  axes.erase(axes.begin());
  const Shape parts{o.groups, channels / o.groups};
  auto split = [&](const char* what, const Tensor& parameter, double otherwise) {
    return parameter.defined()
               ? reshape(call.parameter(what, parameter, Shape{channels}, t.dtype(), otherwise),
                         parts)
               : Tensor();
  };
  const Tensor y = call.normalize(reshape(Operand(t, x.where()), Shape(std::move(dims))), axes, own,
                                  split("scale", o.scale, 1), split("offset", o.offset, 0))[0];
  return reshape(Operand(y, x.where()), t.shape());
}

BatchNorm batch_norm(const Operand& x, const BatchNormOptions& o) {
  const Call call{"batch_norm", x.where(), o.epsilon};
  const Tensor t = ops::floating(x);
  const int axis = call.axis(o.axis, t.rank());
  const int64_t channels = t.shape()[axis];
  if (channels > 0 && t.size() / channels < 2) {
    throw ValueError("batch_norm: expected at least 2 values a channel, got " +
                         std::to_string(t.size() / channels) + " (" + t.shape().to_string() + ")",
                     "a batch of one has no variance: leave it out, or use running statistics",
                     x.where().to_string());
  }
  const auto y = call.normalize(t, ops::all_but(axis, t.rank()), {axis}, o.scale, o.offset);
  auto flat = [&](const Tensor& moment) {
    return reshape(Operand(moment, x.where()), Shape{channels});
  };
  return {y[0], flat(y[1]), flat(y[2])};
}

Tensor batch_norm_inference(const Operand& x, const Operand& mean, const Operand& variance,
                            const BatchNormOptions& o) {
  const Call call{"batch_norm_inference", x.where(), o.epsilon};
  call.check_epsilon();
  const Tensor t = ops::floating(x);
  const int axis = call.axis(o.axis, t.rank());
  const Shape shape{t.shape()[axis]};
  const DType d = t.dtype();
  return ops::make("batch_norm_inference",
                   {t, call.parameter("mean", mean.tensor(), shape, d, 0),
                    call.parameter("variance", variance.tensor(), shape, d, 1),
                    call.parameter("scale", o.scale, shape, d, 1),
                    call.parameter("offset", o.offset, shape, d, 0)},
                   {{"axis", int64_t{axis}}, {"epsilon", o.epsilon.value}}, x.where());
}

}  // namespace varve
