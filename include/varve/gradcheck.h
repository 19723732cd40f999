// room: transform
// Derivatives held against central differences, element by element.
#pragma once
#include <cstdint>
#include <string>

#include "varve/derivatives.h"

namespace varve {

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
