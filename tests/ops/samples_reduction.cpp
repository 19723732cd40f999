// Rows of the reductions.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/build.h"
#include "samples.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

using Formula = double (*)(const std::vector<double>&);
using Reduction = Tensor (*)(const Operand&, const ReduceOptions&);

struct Case {
  const char* name;
  Shape shape;
  std::vector<int> axes;
  bool keep = false;
  bool empty = false;  ///< reduces an axis of size 0
};
const std::vector<Case> kCases = {
    {"all", {2, 3}, {}},
    {"last", {2, 3, 4}, {-1}},
    {"first", {5, 7}, {0}},
    {"middle", {3, 4, 5}, {1}},
    {"outer two", {3, 4, 5}, {2, 0}},
    {"kept", {3, 4, 5}, {1}, true},
    {"all kept", {2, 3}, {}, true},
    {"rank 0", {}, {}},
    {"one", {1}, {0}},
    {"size 1", {3, 1, 2}, {1}},
    {"long", {1009}, {}},
    {"tall", {129, 33}, {0}},
    {"wide", {33, 129}, {1}},
    {"four axes", {2, 3, 4, 5}, {1, 3}},
    {"nothing left", {0, 3}, {1}},
    {"of nothing", {0, 3}, {0}, false, true},
    {"of nothing inside", {2, 0}, {1}, true, true},
};

/// The elements of x that each output element is made of, output by output.
Plain reduced(const Plain& x, const std::vector<int>& given, bool keep, Formula f) {
  const int rank = x.shape.rank();
  std::vector<bool> drop(static_cast<size_t>(rank), given.empty());
  for (int a : given) drop[static_cast<size_t>(a < 0 ? a + rank : a)] = true;
  std::vector<int64_t> dims, index(static_cast<size_t>(rank), 0);
  for (int a = 0; a < rank; ++a) {
    if (!drop[static_cast<size_t>(a)]) dims.push_back(x.shape[a]);
    if (drop[static_cast<size_t>(a)] && keep) dims.push_back(1);
  }
  Plain y{Shape(std::move(dims)), {}};
  std::vector<std::vector<double>> groups(static_cast<size_t>(y.shape.size()));
  for (double v : x.v) {
    size_t at = 0;
    for (int a = 0; a < rank; ++a) {
      if (!drop[static_cast<size_t>(a)])
        at = at * static_cast<size_t>(x.shape[a]) +
             static_cast<size_t>(index[static_cast<size_t>(a)]);
    }
    groups[at].push_back(v);
    for (size_t a = index.size(); a-- > 0;) {
      if (++index[a] < x.shape.dims()[a]) break;
      index[a] = 0;
    }
  }
  for (const auto& g : groups) y.v.push_back(f(g));
  return y;
}

/// Every case (without empty ones where these are errors) of one function.
template <class Options>
std::vector<Sample> reductions(Tensor (*f)(const Operand&, const Options&), Formula formula,
                               double low = -2, double high = 2, bool of_nothing = true,
                               Options o = {}, std::vector<double> away = {}) {
  std::vector<Sample> out;
  for (const Case& c : kCases) {
    if (c.empty && !of_nothing) continue;
    o.axes = c.axes;
    o.keep_dims = c.keep;
    out.push_back(
        {c.name,
         {{.shape = c.shape, .low = low, .high = high, .away = away}},
         [f, o](const Tensors& x) -> Tensors { return f(x[0], o); },
         [=](const Plains& x) -> Plains { return {reduced(x[0], o.axes, o.keep_dims, formula)}; }});
  }
  return out;
}

double total(const std::vector<double>& v) {
  double t = 0;
  for (double x : v) t += x;
  return t;
}
double average(const std::vector<double>& v) { return total(v) / static_cast<double>(v.size()); }
double squares_from_mean(const std::vector<double>& v) {
  double t = 0;
  for (double x : v) t += (x - average(v)) * (x - average(v));
  return t;
}

/// NaN has no derivative to compare.
std::vector<Sample> fixed_where_nan(std::vector<Sample> list, double correction = 0) {
  for (Sample& s : list) {
    const Shape& shape = s.inputs[0].shape;
    const bool one = s.name == "rank 0" || s.name == "one" || s.name == "size 1";
    s.inputs[0].constant = shape.size() == 0 || (one && correction > 0);
  }
  return list;
}

const std::vector<Skip> kNoDerivative = {
    {Check::reverse, "its output is not floating, so nothing flows back"},
    {Check::forward, "its output is not floating"},
    {Check::second_order, "its output is not floating"}};

std::vector<ErrorCase> axis_errors(const std::string& op, Reduction f) {
  return {
      throws<IndexError>(op + ": axis 2 out of range for rank 2 (-2..1)\n  hint: the operand is "
                              "[2, 3]",
                         [f] {
                           f(ones({2, 3}), {.axes = {2}});
                         }),
      throws<ValueError>(op + ": axis 0 is given twice", [f] {
        f(ones({2, 3}), {.axes = {0, -2}});
      })};
}

std::vector<ErrorCase> extremum_errors(const std::string& op, Reduction f) {
  std::vector<ErrorCase> e = axis_errors(op, f);
  const std::string hint = "\n  hint: an empty axis has no largest or smallest element";
  e.push_back(throws<ValueError>(op + ": axis 1 of [2, 0] is empty" + hint, [f] {
    f(ones({2, 0}), {.axes = {-1}});
  }));
  return e;
}

Tensor mean_of(const Operand& x, const ReduceOptions& o) { return moments(x, o).mean; }
Tensor variance_of(const Operand& x, const ReduceOptions& o) { return moments(x, o).variance; }
double population_variance(const std::vector<double>& v) {
  return squares_from_mean(v) / static_cast<double>(v.size());
}
/// Samples of the mean, then of the variance.
std::vector<Sample> moments_samples() {
  std::vector<Sample> all = fixed_where_nan(reductions(mean_of, average));
  for (Sample& s : fixed_where_nan(reductions(variance_of, population_variance))) {
    s.name += ", variance";
    all.push_back(std::move(s));
  }
  return all;
}

std::vector<Row> sum_rows() {
  return {
      {.op = "sum",
       .dtypes = kAll,
       .tolerance = {.sums = true},
       .samples = reductions(sum, total),
       .errors = axis_errors("sum", sum)},
      {.op = "mean",
       .dtypes = kAll,
       .tolerance = {.sums = true},
       .samples = fixed_where_nan(reductions(mean, average)),
       .errors = axis_errors("mean", mean)},
      {.op = "moments",
       .dtypes = kAll,
       .tolerance = {.sums = true},
       .samples = moments_samples(),
       .errors = axis_errors("moments", mean_of)},
      {.op = "prod",
       .dtypes = kAll,
       .tolerance = {.ulp = 40},
       .samples = reductions(
           prod,
           [](const std::vector<double>& v) {
             double t = 1;
             for (double x : v) t *= x;
             return t;
           },
           0.9, 1.1),
       .errors = axis_errors("prod", prod)},
      {.op = "logsumexp",
       .dtypes = kAll,
       .tolerance = {.ulp = 8, .largest = 4},
       .samples = reductions(logsumexp,
                             [](const std::vector<double>& v) {
                               double t = 0;
                               for (double x : v) t += std::exp(x);
                               return std::log(t);
                             }),
       .errors = axis_errors("logsumexp", logsumexp)},
      {.op = "count_nonzero",
       .dtypes = kAll,
       .samples = reductions(count_nonzero,
                             [](const std::vector<double>& v) {
                               return static_cast<double>(v.size() - static_cast<size_t>(std::count(
                                                                         v.begin(), v.end(), 0.)));
                             }),
       .errors = axis_errors("count_nonzero", count_nonzero),
       .skips = kNoDerivative},
  };
}

std::vector<Row> extremum_rows() {
  constexpr auto largest = [](const std::vector<double>& v) {
    return *std::max_element(v.begin(), v.end());
  };
  constexpr auto smallest = [](const std::vector<double>& v) {
    return *std::min_element(v.begin(), v.end());
  };
  std::vector<Row> rows = {
      {.op = "max",
       .dtypes = kAll,
       .samples = reductions(max, largest, -2, 2, false),
       .errors = extremum_errors("max", max)},
      {.op = "min",
       .dtypes = kAll,
       .samples = reductions(min, smallest, -2, 2, false),
       .errors = extremum_errors("min", min)},
      {.op = "any",
       .dtypes = kAll,
       .samples = reductions(any,
                             [](const std::vector<double>& v) -> double {
                               return std::any_of(v.begin(), v.end(),
                                                  [](double x) { return x != 0; });
                             }),
       .errors = axis_errors("any", any),
       .skips = kNoDerivative},
      {.op = "all",
       .dtypes = kAll,
       .samples = reductions(all,
                             [](const std::vector<double>& v) -> double {
                               return std::all_of(v.begin(), v.end(),
                                                  [](double x) { return x != 0; });
                             }),
       .errors = axis_errors("all", all),
       .skips = kNoDerivative},
  };
  const double nan = std::nan("");
  for (bool least : {false, true}) {
    auto f = least ? min : max;
    rows[least ? 1 : 0].samples.push_back(
        {"NaN",
         {given({2, 3}, {1, nan, 2, 3, 1, 2}).fixed()},
         [f](const Tensors& x) -> Tensors { return f(x[0], {.axes = {1}}); },
         [=](const Plains&) -> Plains {
           return {{{2}, {nan, least ? 1. : 3.}}};
         },
         kFloating});
  }
  return rows;
}

template <bool kLargest>
double place(const std::vector<double>& v) {
  const auto at =
      kLargest ? std::max_element(v.begin(), v.end()) : std::min_element(v.begin(), v.end());
  return static_cast<double>(at - v.begin());
}

std::vector<Sample> arg_samples(Tensor (*f)(const Operand&, const ArgOptions&), Formula formula) {
  std::vector<Sample> out;
  for (const Case& c : kCases) {
    if (c.empty || c.axes.size() > 1 || (c.shape.rank() == 0)) continue;
    ArgOptions o{.axis = {}, .keep_dims = c.keep};
    if (!c.axes.empty()) o.axis = c.axes[0];
    out.push_back(
        {c.name,
         {in(c.shape)},
         [f, o](const Tensors& x) -> Tensors { return f(x[0], o); },
         [=](const Plains& x) -> Plains { return {reduced(x[0], c.axes, c.keep, formula)}; }});
  }
  return out;
}

std::vector<ErrorCase> arg_errors(const std::string& op,
                                  Tensor (*f)(const Operand&, const ArgOptions&)) {
  const std::string hint = "\n  hint: an empty axis has no largest or smallest element";
  return {
      throws<ValueError>(op + ": axis 0 of [0] is empty" + hint,
                         [f] {
                           f(ones({0, 3}), {});
                         }),
      throws<ValueError>(op + ": axis 1 of [2, 0] is empty" + hint,
                         [f] {
                           f(ones({2, 0}), {.axis = -1});
                         }),
      throws<IndexError>(op + ": axis 1 out of range for rank 1 (-1..0)\n  hint: the operand is "
                              "[3]",
                         [f] { f(ones({3}), {.axis = 1}); })};
}

std::vector<Row> arg_rows() {
  return {{.op = "argmax",
           .dtypes = kAll,
           .samples = arg_samples(argmax, place<true>),
           .errors = arg_errors("argmax", argmax),
           .skips = kNoDerivative},
          {.op = "argmin",
           .dtypes = kAll,
           .samples = arg_samples(argmin, place<false>),
           .errors = arg_errors("argmin", argmin),
           .skips = kNoDerivative}};
}

template <int kCorrection>
double variance(const std::vector<double>& v) {
  const double n = static_cast<double>(v.size()) - kCorrection;
  return n > 0 ? squares_from_mean(v) / n : std::nan("");
}
double deviation(const std::vector<double>& v) { return std::sqrt(variance<0>(v)); }

std::vector<Row> moment_rows() {
  // The mean is rounded before it is subtracted: an error of the elements' size, not of theirs
  // around the mean.
  const Tolerance t{.ulp = 16, .largest = 16};
  std::vector<Row> rows = {
      {.op = "var",
       .dtypes = kAll,
       .tolerance = t,
       .samples = fixed_where_nan(reductions(var, variance<0>))},
      {.op = "std",
       .dtypes = kAll,
       .tolerance = t,
       .samples = fixed_where_nan(reductions(std, deviation))},
  };
  for (Sample s : fixed_where_nan(
           reductions(var, variance<1>, -2, 2, true, MomentOptions{.correction = 1}), 1)) {
    s.name += ", corrected";
    rows[0].samples.push_back(std::move(s));
  }
  return rows;
}

std::vector<Row> norm_rows() {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Row row{.op = "norm", .dtypes = kAll, .tolerance = {.ulp = 16, .largest = 4, .sums = true}};
  auto add = [&](double order, bool of_nothing, Formula f) {
    for (Sample s : reductions(norm, f, -2, 2, of_nothing, NormOptions{.order = order}, {0})) {
      s.name += ", order " + std::to_string(order);
      row.samples.push_back(std::move(s));
    }
  };
  add(1, true, [](const std::vector<double>& v) {
    double t = 0;
    for (double x : v) t += std::abs(x);
    return t;
  });
  add(2, true, [](const std::vector<double>& v) {
    double t = 0;
    for (double x : v) t += x * x;
    return std::sqrt(t);
  });
  add(3, true, [](const std::vector<double>& v) {
    double t = 0;
    for (double x : v) t += std::abs(x * x * x);
    return std::cbrt(t);
  });
  add(infinity, false, [](const std::vector<double>& v) {
    double t = 0;
    for (double x : v) t = std::max(t, std::abs(x));
    return t;
  });
  row.errors = {throws<ValueError>("norm: order: expected a number above 0, got 0.000000",
                                   [] { norm(ones({2}), {.order = 0}); })};
  return {row};
}

}  // namespace

std::vector<Row> reduction_samples() {
  std::vector<Row> rows;
  for (auto family : {sum_rows, extremum_rows, arg_rows, moment_rows, norm_rows}) {
    for (Row& row : family()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace varve::samples
