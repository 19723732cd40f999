// Elementwise primitives: one row a scalar function (base/pointwise.h), with its partial
// derivatives.
#include "varve/ops/pointwise.h"

#include <numbers>

#include "base/error.h"
#include "base/pointwise.h"
#include "ops/build.h"

namespace varve::ops {
namespace {

using Partials = Slots (*)(const Local&);
using F = varve::Pointwise;

Types floating_or_integer(const InferArguments& a, bool floating, bool integer) {
  const DType d = a[0].dtype;
  const bool ok = (is_floating(d) && floating) || (!is_floating(d) && integer);
  if (!ok) {
    throw DTypeError(text_of(a.op.name, std::string(floating ? "expected a floating type, got "
                                                             : "expected an integer type, got ") +
                                            name_of(d)));
  }
  return same_type(a);
}

Types arithmetic(const InferArguments& a) {
  if (a[0].dtype == DType::bool_) {
    throw DTypeError(text_of(a.op.name, "bool has no arithmetic"),
                     "cast it, or use logical_and / logical_or");
  }
  return same_type(a);
}
Types floating_only(const InferArguments& a) { return floating_or_integer(a, true, false); }
Types integer_only(const InferArguments& a) { return floating_or_integer(a, false, true); }

Types shift_type(const InferArguments& a) {
  return floating_or_integer(a, false, a[0].dtype != DType::bool_);
}

Types select_type(const InferArguments& a) {
  if (a[0].dtype != DType::bool_) {
    throw DTypeError(
        text_of(a.op.name, std::string("condition: expected bool, got ") + name_of(a[0].dtype)));
  }
  if (a[0].shape != a[1].shape)
    throw ShapeError(text_of(a.op.name, "inputs are of different shapes"));
  return same_type({a.op, a.inputs.subspan(1), a.attributes});
}

Types cast_type(const InferArguments& a) {
  return {{a.attributes.get<DType>("dtype"), a[0].shape}};
}

ir::OpDef row(F f, const char* doc, Types (*infer)(const InferArguments&), Partials partials,
              bool commutative = false) {
  const PointwiseInfo& i = info(f);
  return {.name = i.name,
          .doc = doc,
          .min_inputs = i.arity,
          .max_inputs = i.arity,
          .infer = infer,
          .derivative = ir::Pointwise{partials},
          .traits = {.pointwise = f, .commutative = commutative}};
}

ir::OpDef flat_row(F f, const char* doc, Types (*infer)(const InferArguments&), const char* why,
                   bool commutative = false) {
  ir::OpDef op = row(f, doc, infer, nullptr, commutative);
  op.derivative = ir::NotDifferentiable{why};
  return op;
}

constexpr const char* kSteps = "it is piecewise constant";
constexpr double kTwoOverSqrtPi = 2 * std::numbers::inv_sqrtpi;
constexpr double kNormalDensityAt0 = std::numbers::inv_sqrtpi / std::numbers::sqrt2;

/// Ties share the gradient, so that both operands are treated alike.
Slots extremum_partials(const Local& at, bool maximum) {
  const Tensor &a = at.x(0), &b = at.x(1);
  const Tensor wins = cast(maximum ? a > b : a < b, a.dtype()), ties = a == b;
  const Tensor half = full_like(a, 0.5);
  return {where(ties, half, wins), where(ties, half, 1 - wins)};
}
Tensor one_like(const Tensor& x) { return full_like(x, 1); }

std::vector<ir::OpDef> arithmetic_rows() {
  return {
      row(
          F::add, "a + b.", arithmetic,
          [](const Local& at) -> Slots {
            return {one_like(at.y()), one_like(at.y())};
          },
          true),
      row(F::subtract, "a - b.", arithmetic,
          [](const Local& at) -> Slots {
            return {one_like(at.y()), full_like(at.y(), -1)};
          }),
      row(
          F::multiply, "a * b.", arithmetic,
          [](const Local& at) -> Slots {
            return {at.x(1), at.x(0)};
          },
          true),
      row(F::divide, "a / b; integers cut towards zero, x / 0 = 0.", arithmetic,
          [](const Local& at) -> Slots {
            return {reciprocal(at.x(1)), -at.y() / at.x(1)};
          }),
      flat_row(F::floor_divide, "floor(a / b); integers: x / 0 = 0.", arithmetic, kSteps),
      row(F::remainder, "a - floor(a / b) b, with the sign of b (NumPy).", arithmetic,
          [](const Local& at) -> Slots {
            return {one_like(at.y()), -floor_divide(at.x(0), at.x(1))};
          }),
      row(F::fmod, "a - trunc(a / b) b, with the sign of a (C).", arithmetic,
          [](const Local& at) -> Slots {
            const Tensor &a = at.x(0), &b = at.x(1);
            // A whole number, whatever the rounding.
            return {one_like(a), round((at.y() - a) / b)};
          }),
      // At a = 0 the partial by b is 0 (log would give NaN through 0 * -inf).
      row(F::power, "a to the power b; power(0, 0) = 1.", arithmetic,
          [](const Local& at) -> Slots {
            const Tensor &a = at.x(0), &b = at.x(1);
            const Tensor zero = full_like(b, 0);
            const Tensor safe = where(a == 0, one_like(a), a);
            return {where(b == 0, zero, b * power(a, b - 1)),
                    where(a == 0, zero, at.y() * log(safe))};
          }),
      row(
          F::maximum, "The larger of two; NaN goes through.", same_type,
          [](const Local& at) { return extremum_partials(at, true); }, true),
      row(
          F::minimum, "The smaller of two; NaN goes through.", same_type,
          [](const Local& at) { return extremum_partials(at, false); }, true),
      row(F::atan2, "The angle of the point (x, y) in (-pi, pi]; inputs y, x.", floating_only,
          [](const Local& at) -> Slots {
            const Tensor &y = at.x(0), &x = at.x(1), r2 = square(x) + square(y);
            return {x / r2, -y / r2};
          }),
      row(F::negative, "-x.", arithmetic,
          [](const Local& at) -> Slots { return {full_like(at.x(), -1)}; }),
      row(F::absolute, "|x|; derivative 0 at 0.", arithmetic,
          [](const Local& at) -> Slots { return {sign(at.x())}; }),
      flat_row(F::sign, "-1, 0 or 1.", arithmetic, kSteps),
      row(F::square, "x * x.", arithmetic, [](const Local& at) -> Slots { return {2 * at.x()}; }),
      row(F::reciprocal, "1 / x.", floating_only,
          [](const Local& at) -> Slots { return {-square(at.y())}; }),
  };
}

std::vector<ir::OpDef> elementary_rows() {
  return {
      row(F::sqrt, "Square root.", floating_only,
          [](const Local& at) -> Slots { return {0.5 / at.y()}; }),
      row(F::rsqrt, "1 / sqrt(x).", floating_only,
          [](const Local& at) -> Slots { return {-0.5 * at.y() / at.x()}; }),
      row(F::exp, "e to the x.", floating_only, [](const Local& at) -> Slots { return {at.y()}; }),
      row(F::expm1, "exp(x) - 1, exact near 0.", floating_only,
          [](const Local& at) -> Slots { return {exp(at.x())}; }),
      row(F::log, "Natural logarithm.", floating_only,
          [](const Local& at) -> Slots { return {reciprocal(at.x())}; }),
      row(F::log1p, "log(1 + x), exact near 0.", floating_only,
          [](const Local& at) -> Slots { return {reciprocal(1 + at.x())}; }),
      row(F::log2, "Logarithm to the base 2.", floating_only,
          [](const Local& at) -> Slots { return {std::numbers::log2e / at.x()}; }),
      row(F::sin, "Sine.", floating_only, [](const Local& at) -> Slots { return {cos(at.x())}; }),
      row(F::cos, "Cosine.", floating_only,
          [](const Local& at) -> Slots { return {-sin(at.x())}; }),
      row(F::tan, "Tangent.", floating_only,
          [](const Local& at) -> Slots { return {1 + square(at.y())}; }),
      row(F::asin, "Arc sine.", floating_only,
          [](const Local& at) -> Slots { return {rsqrt(1 - square(at.x()))}; }),
      row(F::acos, "Arc cosine.", floating_only,
          [](const Local& at) -> Slots { return {-rsqrt(1 - square(at.x()))}; }),
      row(F::atan, "Arc tangent.", floating_only,
          [](const Local& at) -> Slots { return {reciprocal(1 + square(at.x()))}; }),
      row(F::sinh, "Hyperbolic sine.", floating_only,
          [](const Local& at) -> Slots { return {cosh(at.x())}; }),
      row(F::cosh, "Hyperbolic cosine.", floating_only,
          [](const Local& at) -> Slots { return {sinh(at.x())}; }),
      row(F::tanh, "Hyperbolic tangent.", floating_only,
          [](const Local& at) -> Slots { return {1 - square(at.y())}; }),
      row(F::asinh, "Inverse hyperbolic sine.", floating_only,
          [](const Local& at) -> Slots { return {rsqrt(1 + square(at.x()))}; }),
      row(F::acosh, "Inverse hyperbolic cosine.", floating_only,
          [](const Local& at) -> Slots { return {rsqrt(square(at.x()) - 1)}; }),
      row(F::atanh, "Inverse hyperbolic tangent.", floating_only,
          [](const Local& at) -> Slots { return {reciprocal(1 - square(at.x()))}; }),
      row(F::erf, "Gauss error function.", floating_only,
          [](const Local& at) -> Slots { return {kTwoOverSqrtPi * exp(-square(at.x()))}; }),
      row(F::erfc, "1 - erf(x), exact for large x.", floating_only,
          [](const Local& at) -> Slots { return {-kTwoOverSqrtPi * exp(-square(at.x()))}; }),
      row(F::sigmoid, "1 / (1 + exp(-x)).", floating_only,
          [](const Local& at) -> Slots { return {at.y() * (1 - at.y())}; }),
      row(F::log_sigmoid, "log(sigmoid(x)).", floating_only,
          [](const Local& at) -> Slots { return {sigmoid(-at.x())}; }),
      row(F::softplus, "log(1 + exp(x)).", floating_only,
          [](const Local& at) -> Slots { return {sigmoid(at.x())}; }),
      row(F::softsign, "x / (1 + |x|).", floating_only,
          [](const Local& at) -> Slots { return {reciprocal(square(1 + abs(at.x())))}; }),
      row(F::silu, "x sigmoid(x).", floating_only,
          [](const Local& at) -> Slots {
            const Tensor s = sigmoid(at.x());
            return {s * (1 + at.x() * (1 - s))};
          }),
      row(F::gelu, "x Phi(x) = x (1 + erf(x / sqrt 2)) / 2.", floating_only,
          [](const Local& at) -> Slots {
            const Tensor& x = at.x();
            return {0.5 * (1 + erf(x * (1 / std::numbers::sqrt2))) +
                    kNormalDensityAt0 * x * exp(-0.5 * square(x))};
          }),
      // By the output, so that the input need not be kept; derivative 0 at 0 as in PyTorch and
      // TensorFlow.
      row(F::relu, "max(0, x).", arithmetic,
          [](const Local& at) -> Slots { return {cast(at.y() > 0, at.y().dtype())}; }),
      flat_row(F::floor, "Largest integer not above x.", floating_only, kSteps),
      flat_row(F::ceil, "Least integer not below x.", floating_only, kSteps),
      flat_row(F::trunc, "The integer part.", floating_only, kSteps),
      flat_row(F::round, "Nearest integer, halves to even.", floating_only, kSteps),
  };
}

std::vector<ir::OpDef> logic_rows() {
  constexpr const char* kTruth = "it gives truth values";
  constexpr const char* kBits = "it works on bits";
  return {
      flat_row(F::equal, "a == b.", same_shape_bool, kTruth, true),
      flat_row(F::not_equal, "a != b.", same_shape_bool, kTruth, true),
      flat_row(F::less, "a < b.", same_shape_bool, kTruth),
      flat_row(F::less_equal, "a <= b.", same_shape_bool, kTruth),
      flat_row(F::greater, "a > b.", same_shape_bool, kTruth),
      flat_row(F::greater_equal, "a >= b.", same_shape_bool, kTruth),
      flat_row(F::logical_and, "Both are not 0.", same_shape_bool, kTruth, true),
      flat_row(F::logical_or, "One is not 0.", same_shape_bool, kTruth, true),
      flat_row(F::logical_xor, "Exactly one is not 0.", same_shape_bool, kTruth, true),
      flat_row(F::logical_not, "x is 0.", same_shape_bool, kTruth),
      flat_row(F::is_nan, "x is not a number.", same_shape_bool, kTruth),
      flat_row(F::is_finite, "x is neither NaN nor infinite.", same_shape_bool, kTruth),
      flat_row(F::is_inf, "x is infinite.", same_shape_bool, kTruth),
      flat_row(F::bitwise_and, "Bit by bit and.", integer_only, kBits, true),
      flat_row(F::bitwise_or, "Bit by bit or.", integer_only, kBits, true),
      flat_row(F::bitwise_xor, "Bit by bit exclusive or.", integer_only, kBits, true),
      flat_row(F::bitwise_not, "Every bit turned (bool: logical not).", integer_only, kBits),
      flat_row(F::left_shift, "a * 2^b; counts outside 0..width-1 give 0.", shift_type, kBits),
      flat_row(F::right_shift, "floor(a / 2^b).", shift_type, kBits),
  };
}

std::vector<ir::OpDef> choice_rows() {
  ir::OpDef select = row(F::select, "a where the condition is true, else b.", select_type,
                         [](const Local& at) -> Slots {
                           const Tensor taken = cast(at.x(0), at.y().dtype());
                           return {Tensor(), taken, 1 - taken};
                         });
  // Not by partials: a cotangent that is infinite or NaN must not leak through the branch not
  // taken.
  select.derivative = ir::Custom{[](const Local& at, std::span<const Tensor> ct) -> Slots {
                                   const Tensor zero = full_like(ct[0], 0);
                                   return {Tensor(), make("select", {at.x(0), ct[0], zero}),
                                           make("select", {at.x(0), zero, ct[0]})};
                                 },
                                 [](const Local& at, std::span<const Tensor> t) -> Slots {
                                   if (!t[1].defined() && !t[2].defined()) return {Tensor()};
                                   const Tensor zero = full_like(at.y(), 0);
                                   return {make("select", {at.x(0), t[1].defined() ? t[1] : zero,
                                                           t[2].defined() ? t[2] : zero})};
                                 }};
  ir::OpDef clip =
      row(F::clip, "minimum(maximum(x, low), high).", same_type, [](const Local& at) -> Slots {
        const Tensor &x = at.x(0), &low = at.x(1), &high = at.x(2);
        const DType d = x.dtype();
        const Tensor below = cast(x < low, d), above = cast(maximum(x, low) > high, d);
        return {(1 - below) * (1 - above), below * (1 - above), above};
      });
  ir::OpDef cast{
      .name = "cast",
      .doc = "Another element type: attribute dtype. Floats to integers saturate, NaN gives 0.",
      .min_inputs = 1,
      .max_inputs = 1,
      .infer = cast_type,
      .derivative = ir::Linear{[](const Local& at, std::span<const Tensor> ct) -> Slots {
        return {make("cast", {ct[0]}, {{"dtype", at.x().dtype()}})};
      }},
      .traits = {.pointwise = F::identity}};
  return {select, clip, cast};
}

}  // namespace

std::span<const ir::OpDef> pointwise_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    std::vector<ir::OpDef> all;
    for (auto& family : {arithmetic_rows(), elementary_rows(), logic_rows(), choice_rows()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return rows;
}

}  // namespace varve::ops
