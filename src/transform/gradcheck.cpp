#include "varve/gradcheck.h"

#include <cmath>

#include "base/philox.h"
#include "ir/frame.h"
#include "ir/node.h"
#include "ops/build.h"
#include "transform/differentiate.h"
#include "transform/jacobian.h"
#include "transform/numeric.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

using transform::Numbers;

/// Rows of one output element after another, all outputs; one column an element of one argument.
struct Jacobian {
  std::vector<Numbers> columns;
};

/// The floating outputs of a function, and which they are.
struct Outputs {
  std::vector<Tensor> values;
  std::vector<size_t> position;
  explicit Outputs(const Tensors& all) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (!is_floating(all[i].dtype())) continue;
      values.push_back(all[i]);
      position.push_back(i);
    }
  }
  size_t size() const {
    size_t n = 0;
    for (const Tensor& t : values) n += static_cast<size_t>(t.size());
    return n;
  }
  Numbers elements() const {
    Numbers out;
    for (const Tensor& t : values) {
      const Numbers v = t.to_doubles();
      out.insert(out.end(), v.begin(), v.end());
    }
    return out;
  }
};

void require_double(const Tensors& at) {
  for (size_t i = 0; i < at.size(); ++i) {
    if (at[i].dtype() == f64) continue;
    throw DTypeError("gradcheck: argument " + std::to_string(i) + ": expected f64, got " +
                         ir::type_of(at[i]).to_string(),
                     is_floating(at[i].dtype())
                         ? "cast(x, f64): differences of shorter types say nothing"
                         : "capture it in the function instead of passing it");
  }
}

std::vector<Jacobian> by_differences(const TensorsFunction& f, const Tensors& at, size_t results,
                                     double epsilon) {
  std::vector<Jacobian> out(at.size());
  for (size_t a = 0; a < at.size(); ++a) {
    Numbers x = at[a].to_doubles();
    const auto value = [&] {
      std::vector<Tensor> moved = at.list();
      moved[a] = tensor(x, at[a].shape());
      return Outputs(f(moved)).elements();
    };
    out[a].columns =
        transform::difference_columns("gradcheck", x, f64, results, value, {.step = epsilon});
  }
  return out;
}

/// The Jacobians of one function at one place, by rules.
class ByRules {
 public:
  ByRules(const TensorsFunction& f, const Tensors& at, size_t results)
      : frame_(ir::Frame::Kind::gradient) {
    for (const Tensor& t : at) x_.push_back(transform::fork(t));
    const Outputs y(f(x_));
    transform::require_results("gradcheck", y.size(), results);
    y_ = y.values;
  }

  std::vector<Jacobian> reverse() const { return columns(transform::jacobian_by_rows(y_, x_)); }
  std::vector<Jacobian> forward() const { return columns(transform::jacobian_by_columns(y_, x_)); }

 private:
  std::vector<Jacobian> columns(const transform::JacobianBlocks& blocks) const {
    std::vector<Jacobian> out(x_.size());
    for (size_t a = 0; a < x_.size(); ++a) {
      const auto n = static_cast<size_t>(x_[a].size());
      out[a].columns.resize(n);
      for (const auto& block : blocks) {
        const Numbers v = block[a].to_doubles();
        for (size_t i = 0; i < v.size(); ++i) out[a].columns[i % n].push_back(v[i]);
      }
    }
    return out;
  }

  ir::Frame frame_;
  std::vector<Tensor> x_, y_;
};

class Comparison {
 public:
  Comparison(GradcheckReport& report, const GradcheckOptions& options,
             const std::vector<Jacobian>& numeric, const Outputs& outputs)
      : report_(report), options_(options), numeric_(numeric), outputs_(outputs) {}

  void operator()(const char* mode, const std::vector<Jacobian>& analytic) {
    for (size_t a = 0; a < analytic.size(); ++a) {
      for (size_t k = 0; k < analytic[a].columns.size(); ++k) {
        for (size_t row = 0; row < analytic[a].columns[k].size(); ++row) {
          const double got = analytic[a].columns[k][row], expected = numeric_[a].columns[k][row];
          const double allowed =
              options_.absolute_tolerance + options_.relative_tolerance * std::abs(expected);
          double ratio = std::abs(got - expected) / allowed;
          if (!(ratio <= HUGE_VAL)) ratio = HUGE_VAL;
          ++report_.compared;
          if (ratio <= report_.worst_ratio) continue;
          note(mode, ratio, a, k, row, got, expected);
        }
      }
    }
  }

 private:
  void note(const char* mode, double ratio, size_t a, size_t k, size_t row, double got,
            double expected) {
    report_.worst_ratio = ratio;
    report_.passed = ratio <= 1;
    report_.worst_mode = mode;
    report_.argument = a;
    report_.argument_element = static_cast<int64_t>(k);
    size_t o = 0;
    while (row >= static_cast<size_t>(outputs_.values[o].size()))
      row -= static_cast<size_t>(outputs_.values[o++].size());
    report_.output = outputs_.position[o];
    report_.output_element = static_cast<int64_t>(row);
    report_.analytic = got;
    report_.numeric = expected;
  }

  GradcheckReport& report_;
  const GradcheckOptions& options_;
  const std::vector<Jacobian>& numeric_;
  const Outputs& outputs_;
};

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

}  // namespace

std::string GradcheckReport::to_string() const {
  std::string place = "d output " + std::to_string(output) + " [" + std::to_string(output_element) +
                      "] / d argument " + std::to_string(argument) + " [" +
                      std::to_string(argument_element) + "] is " + number(analytic) + " by " +
                      worst_mode + " mode, " + number(numeric) + " by differences";
  if (compared == 0) return "gradcheck: nothing to compare";
  if (worst_mode.empty()) return "gradcheck: " + std::to_string(compared) + " entries are equal";
  if (!passed) return "gradcheck: " + place;
  return "gradcheck: " + std::to_string(compared) + " entries agree; the furthest: " + place;
}

GradcheckReport gradcheck(const TensorsFunction& f, const Tensors& at,
                          const GradcheckOptions& options) {
  require_double(at);
  GradcheckReport report;
  const Outputs outputs{f(at)};
  const std::vector<Jacobian> numeric = by_differences(f, at, outputs.size(), options.epsilon);
  const ByRules rules(f, at, outputs.size());
  Comparison compare(report, options, numeric, outputs);
  compare("reverse", rules.reverse());
  if (options.forward) compare("forward", rules.forward());
  return report;
}

GradcheckReport gradgradcheck(const TensorsFunction& f, const Tensors& at,
                              const GradcheckOptions& options) {
  require_double(at);
  const Tensors outputs = f(at);
  std::vector<Tensor> arguments = at.list();
  uint64_t stream = 0;
  for (const Tensor& y : outputs) {
    if (!is_floating(y.dtype())) continue;
    Numbers u(static_cast<size_t>(y.size()));
    for (size_t i = 0; i < u.size(); ++i) u[i] = 2 * philox::unit_double(1, stream, i) - 1;
    ++stream;
    arguments.push_back(tensor(u, y.shape()));
  }
  const size_t n = at.size();
  auto first_derivative = [&](const Tensors& xu) -> Tensors {
    const auto begin = xu.list().begin();
    const std::vector<Tensor> x(begin, begin + static_cast<std::ptrdiff_t>(n));
    std::vector<Tensor> cotangents;
    size_t next = n;
    for (const Tensor& t : outputs) {
      cotangents.push_back(is_floating(t.dtype()) ? cast(xu[next++], t.dtype()) : Tensor());
    }
    return vjp(f, x, cotangents).cotangents;
  };
  return gradcheck(first_derivative, arguments, options);
}

}  // namespace varve
