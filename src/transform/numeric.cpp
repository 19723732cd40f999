#include "transform/numeric.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/convert.h"
#include "base/count.h"
#include "base/error.h"
#include "ir/dispatch.h"
#include "ir/node.h"
#include "transform/differentiate.h"
#include "transform/jacobian.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace transform {
namespace {

// Ridders (1982), as in Press et al., Numerical Recipes, section 5.7: each width is that much
// smaller than the one before, from a first one this much wider than a plain difference wants.
constexpr double kShrink = 1.4, kFirst = 1000;
constexpr int kWidths = 10;
// An estimate of that many roundings will not fall with the width: it is that of noise.
constexpr double kManyRoundings = 100;

double rounded(double v, DType dtype) {
  return ir::dispatch(dtype, [&]<class T>(T) { return static_cast<double>(convert<T>(v)); });
}

double epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return std::numeric_limits<double>::epsilon();
    case DType::f32:
      return std::numeric_limits<float>::epsilon();
    case DType::f16:
      return 0x1p-10;
    default:
      return 0x1p-7;
  }
}

struct Difference {
  Numbers slope, size;  ///< (f(x + h) - f(x - h)) / 2h, and the larger of |f(x + h)| and |f(x - h)|
};

/// (f(x + h) - f(x - h)) over the distance that the two places have once rounded to the type. Where
/// they round to one, h grows until they do not.
Difference central(double& element, double h, DType dtype, const std::function<Numbers()>& eval) {
  const double middle = element;
  double above = rounded(middle + h, dtype), below = rounded(middle - h, dtype);
  while (above == below && std::isfinite(middle)) {
    h *= 2;
    above = rounded(middle + h, dtype);
    below = rounded(middle - h, dtype);
  }
  element = above;
  Numbers column = eval();
  element = below;
  const Numbers low = eval();
  element = middle;
  const double width = std::isfinite(middle) ? above - below : 2 * h;
  Numbers size(column.size());
  for (size_t i = 0; i < column.size(); ++i) {
    size[i] = std::max(std::abs(column[i]), std::abs(low[i]));
    column[i] = (column[i] - low[i]) / width;
  }
  return {std::move(column), std::move(size)};
}

/// Derivatives, how far each is off by estimate, whether that is what f's own rounding explains,
/// and the last width that was tried.
struct Extrapolated {
  Numbers best, error;
  std::vector<bool> rounding;
  double h;
};

/// Extrapolates differences of shrinking widths to width 0 (Neville's tableau: errors are powers of
/// h^2), keeping for each result the entry with the least estimated error. That is never below what
/// rounding makes of a difference: where f moves by less, all widths agree on 0.
Extrapolated tableau(double& element, double h, DType dtype, const std::function<Numbers()>& eval) {
  std::vector<Numbers> row{central(element, h, dtype, eval).slope};
  Numbers best = row[0], error(best.size(), HUGE_VAL);
  std::vector<bool> rounding(best.size());
  for (int i = 1; i < kWidths; ++i) {
    h /= kShrink;
    const Difference here = central(element, h, dtype, eval);
    std::vector<Numbers> next{here.slope};
    double factor = kShrink * kShrink;
    bool hopeless = true;
    for (size_t j = 0; j < row.size(); ++j) {
      Numbers finer(best.size());
      for (size_t k = 0; k < finer.size(); ++k) {
        finer[k] = (next[j][k] * factor - row[j][k]) / (factor - 1);
        const double lost = epsilon_of(dtype) * here.size[k] / h;
        const double e =
            std::max({std::abs(finer[k] - next[j][k]), std::abs(finer[k] - row[j][k]), lost});
        if (e <= error[k] && std::isfinite(e)) {
          error[k] = e;
          best[k] = finer[k];
          rounding[k] = e <= kManyRoundings * lost;
        } else if (!std::isfinite(best[k])) {
          best[k] = next[0][k];
        }
        if (j + 1 == row.size()) hopeless &= std::abs(finer[k] - row[j][k]) >= 2 * error[k];
      }
      factor *= kShrink * kShrink;
      next.push_back(std::move(finer));
    }
    row = std::move(next);
    if (hopeless) break;  // rounding has taken over
  }
  return {std::move(best), std::move(error), std::move(rounding), h};
}

/// Tableaus of ever smaller widths, until each result is known to half its digits: a wide one may
/// reach over a pole, or beyond where f has values. Of several, the least estimated error counts.
Numbers extrapolated(double& element, double share, double h, DType dtype,
                     const std::function<Numbers()>& eval) {
  const double enough = std::sqrt(epsilon_of(dtype)),
               least = std::max(share * std::abs(element), epsilon_of(dtype));
  Extrapolated found = tableau(element, h, dtype, eval);
  std::vector<bool> known(found.best.size());
  for (;;) {
    bool all = true;
    for (size_t k = 0; k < known.size(); ++k) {
      known[k] =
          known[k] || found.rounding[k] || found.error[k] <= enough * std::abs(found.best[k]);
      all &= known[k];
    }
    h = found.h / kShrink;
    if (all || h < least) return found.best;
    Extrapolated next = tableau(element, h, dtype, eval);
    for (size_t k = 0; k < known.size(); ++k) {
      if (known[k] || !(next.error[k] < found.error[k] || !std::isfinite(found.best[k]))) continue;
      found.best[k] = next.best[k];
      found.error[k] = next.error[k];
      found.rounding[k] = next.rounding[k];
    }
    found.h = next.h;
  }
}

}  // namespace

void require_results(const char* operation, size_t got, size_t expected) {
  if (got == expected) return;
  throw ShapeError(
      std::string(operation) + ": the function's results change their size with its argument: " +
          count_of(static_cast<int64_t>(expected), "element") + ", then " + std::to_string(got),
      "a derivative is of results of one shape");
}

std::vector<Numbers> difference_columns(const char* operation, Numbers& x, DType dtype,
                                        size_t results, const std::function<Numbers()>& values,
                                        const NumericOptions& options) {
  const auto eval = [&] {
    Numbers y = values();
    require_results(operation, y.size(), results);
    return y;
  };
  // The error of truncation, h^2 f''' / 6, and that of rounding, epsilon f / h, are together least
  // near h = cbrt(epsilon) times the scale on which f bends; |x| stands for that, 1 near zero.
  const double share = std::cbrt(epsilon_of(dtype));
  std::vector<Numbers> columns;
  for (double& element : x) {
    const double scale = std::max(std::abs(element), 1.);
    const double given = options.step.value;
    if (options.extrapolate) {
      const double h = given > 0 ? given : std::min(share * kFirst, 0.1) * scale;
      columns.push_back(extrapolated(element, share, h, dtype, eval));
    } else {
      columns.push_back(central(element, given > 0 ? given : share * scale, dtype, eval).slope);
    }
  }
  return columns;
}

}  // namespace transform

namespace {

using transform::Numbers;

void check_step(const char* operation, const NumericOptions& options) {
  if (options.step >= 0 && std::isfinite(options.step.value)) return;
  throw ValueError(std::string(operation) + ": step: expected a number of 0 or more, got " +
                   std::to_string(options.step.value));
}

void require_floating(const char* operation, const Tensor& x) {
  if (is_floating(x.dtype())) return;
  throw DTypeError(
      std::string(operation) + ": expected a floating tensor, got " + ir::type_of(x).to_string(),
      "cast(x, f64)");
}

void require_scalar(const Tensor& y) {
  transform::require_scalar("numeric_gradient", y, "numeric_jacobian");
}

Tensor as(const Numbers& v, const Tensor& like) {
  return cast(tensor(v, like.shape()), like.dtype());
}

}  // namespace

Tensor numeric_jacobian(const std::function<Tensor(const Tensor&)>& f, const Tensor& x,
                        const NumericOptions& options) {
  require_floating("numeric_jacobian", x);
  check_step("numeric_jacobian", options);
  const Tensor y = f(x);
  Numbers v = x.to_doubles();
  const auto rows = static_cast<size_t>(y.size());
  const auto columns = transform::difference_columns(
      "numeric_jacobian", v, x.dtype(), rows, [&] { return f(as(v, x)).to_doubles(); }, options);
  Numbers all(rows * columns.size());
  for (size_t k = 0; k < columns.size(); ++k) {
    for (size_t i = 0; i < rows; ++i) all[i * columns.size() + k] = columns[k][i];
  }
  return cast(tensor(all, transform::jacobian_shape(y.shape(), x.shape())), x.dtype());
}

Tensor numeric_gradient(const std::function<Tensor(const Tensor&)>& f, const Tensor& x,
                        const NumericOptions& options) {
  const auto checked = [&f](const Tensor& at) {
    const Tensor y = f(at);
    require_scalar(y);
    return y;
  };
  return numeric_jacobian(checked, x, options);
}

Grads numeric_gradient(const std::function<Tensor()>& f, const Variables& variables,
                       const NumericOptions& options) {
  check_step("numeric_gradient", options);
  std::vector<Tensor> gradients;
  for (Variable w : variables) {
    const Tensor before = w.value();
    require_floating("numeric_gradient", before);
    Numbers v = before.to_doubles();
    const auto columns = [&] {
      struct PutBack {
        Variable& w;
        const Tensor& value;
        ~PutBack() { w.assign(value); }
      } const put_back{w, before};
      return transform::difference_columns(
          "numeric_gradient", v, before.dtype(), 1,
          [&] {
            w.assign(as(v, before));
            const Tensor y = f();
            require_scalar(y);
            return y.to_doubles();
          },
          options);
    }();
    Numbers g;
    for (const Numbers& c : columns) g.push_back(c[0]);
    gradients.push_back(as(g, before));
  }
  return {variables, std::move(gradients)};
}

}  // namespace varve
