// room: transform
// Derivatives by central differences, and derivatives by rules held against them.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "varve/derivatives.h"

namespace varve {

/// How differences are taken.
struct NumericOptions {
  /// Half the width of a difference; 0: chosen for each element, cbrt(epsilon) max(|x|, 1) with the
  /// epsilon of x's type, where the errors of truncation and rounding are together least (Press et
  /// al., Numerical Recipes, 5.7): 6e-6 in f64 and 5e-3 in f32 near 1. One that is lost in x's
  /// rounding is doubled until it is not.
  Real step = 0;
  /// Differences of up to ten shrinking widths, extrapolated to width 0 (Ridders 1982): some 11
  /// digits instead of 9 in f64, at ten times the cost. The first width is `step`, or
  /// min(1000 cbrt(epsilon), 0.1) max(|x|, 1): 6e-3 in f64 near 1. Where the results do not settle
  /// (over a pole, beyond where f has values) ten smaller ones follow, down to
  /// max(cbrt(epsilon) |x|, epsilon).
  bool extrapolate = false;
};

/// f's derivative by the elements of x, by central differences (f(x + h) - f(x - h)) / 2h, whose
/// error falls with h^2 (the one-sided (f(x + h) - f(x)) / h only with h). f gives a scalar
/// (ShapeError); x is floating (DTypeError), and differences are taken in its type. Calls f twice
/// an element: for checks, and for functions that are no graph.
/// Example: numeric_gradient([](const Tensor& x) { return sum(square(x)); }, x)    // 2 x
Tensor numeric_gradient(const std::function<Tensor(const Tensor&)>& f, const Tensor& x,
                        const NumericOptions& options = {});
/// The same by variables, which are moved and put back.
Grads numeric_gradient(const std::function<Tensor()>& f, const Variables& variables,
                       const NumericOptions& options = {});
/// The same for results of any shape, which must not change with x (ShapeError): [i..., j...] is
/// d f(x)[i...] / d x[j...], as jacobian gives.
Tensor numeric_jacobian(const std::function<Tensor(const Tensor&)>& f, const Tensor& x,
                        const NumericOptions& options = {});

/// The defaults are PyTorch's.
struct GradcheckOptions {
  Real epsilon = 1e-6;  ///< half the width of a central difference
  Real absolute_tolerance = 1e-5;
  Real relative_tolerance = 1e-3;
  bool forward = true;  ///< check forward mode (jvp) beside reverse mode (vjp)
};

/// How far derivatives by rules lie from differences. "Worst" is the entry of the Jacobian that is
/// furthest from what is allowed: |analytic - numeric| <= absolute + relative |numeric|.
struct GradcheckReport {
  bool passed = true;
  int64_t compared = 0;  ///< entries of Jacobians
  double worst_ratio =
      0;  ///< difference over what is allowed; above 1 fails, NaN counts as infinite
  std::string worst_mode;           ///< "reverse" or "forward"
  size_t argument = 0, output = 0;  ///< of the worst entry
  int64_t argument_element = 0, output_element = 0;
  double analytic = 0, numeric = 0;

  explicit operator bool() const { return passed; }
  /// "gradcheck: 36 entries agree; ..." or "gradcheck: d output 0 [4] / d argument 1 [2] by reverse
  /// mode is 2, by differences 3".
  std::string to_string() const;
};

/// Every entry of f's Jacobian at `at`, by reverse and by forward mode, against
/// (f(x + epsilon) - f(x - epsilon)) / (2 epsilon). Outputs that are not floating are left out.
/// Arguments must be f64 (DTypeError): differences of shorter types say nothing.
/// Example: gradcheck([](const Tensors& x) -> Tensors { return sin(x[0]); }, scalar(1, f64))
GradcheckReport gradcheck(const TensorsFunction& f, const Tensors& at,
                          const GradcheckOptions& options = {});

/// The same for (x, u) -> vjp(f, x, u): second derivatives. u is filled with fixed random numbers.
GradcheckReport gradgradcheck(const TensorsFunction& f, const Tensors& at,
                              const GradcheckOptions& options = {});

}  // namespace varve
