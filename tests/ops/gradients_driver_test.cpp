// What the derivatives of every row are held to: central differences in both modes, the identity
// <u, J v> = <J' u, v>, second order, types.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/philox.h"
#include "ir/node.h"
#include "samples_inputs.h"
#include "varve/gradcheck.h"

namespace varve::samples {

void PrintTo(const Row& row, std::ostream* os);

namespace {

// A Jacobian of more entries is left to the smaller samples of the row, where there are any.
constexpr int64_t kEntries = 1200, kSecondOrderEntries = 100, kStridedEntries = 100;

/// A sample as a function of the inputs that have derivatives.
struct Problem {
  TensorsFunction f;
  Tensors at;
  Tensors value;
};

Problem problem(const Row& row, const Sample& sample, DType dtype = f64) {
  const Tensors x = make_inputs(row, sample, dtype);
  std::vector<size_t> moving;
  std::vector<Tensor> at;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!is_floating(x[i].dtype()) || sample.inputs[i].constant) continue;
    moving.push_back(i);
    at.push_back(x[i]);
  }
  auto f = [=, &row, &sample](const Tensors& v) {
    std::vector<Tensor> all = x.list();
    for (size_t k = 0; k < moving.size(); ++k) all[moving[k]] = v[k];
    return run(row, sample, Tensors(all));
  };
  return {f, Tensors(at), f(Tensors(at))};
}

int64_t elements(const Tensors& x) {
  int64_t n = 0;
  for (const Tensor& t : x) n += is_floating(t.dtype()) ? t.size() : 0;
  return n;
}

/// Fixed random numbers like x, in its type; empty for what is not floating.
Tensors noise(const Tensors& like, uint64_t seed) {
  std::vector<Tensor> out;
  for (const Tensor& t : like) {
    if (!is_floating(t.dtype())) {
      out.emplace_back();
      continue;
    }
    std::vector<double> v(static_cast<size_t>(t.size()));
    for (size_t i = 0; i < v.size(); ++i) v[i] = 2 * philox::unit_double(seed, out.size(), i) - 1;
    out.push_back(from_doubles(v, t.shape(), t.dtype()));
  }
  return Tensors(out);
}

/// Sum of products, and of their absolute values.
std::pair<double, double> inner(const Tensors& a, const Tensors& b) {
  double sum = 0, size = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    if (!a[k].defined() || !is_floating(a[k].dtype())) continue;
    const auto p = a[k].to_doubles(), q = b[k].to_doubles();
    for (size_t i = 0; i < p.size(); ++i) {
      sum += p[i] * q[i];
      size += std::abs(p[i] * q[i]);
    }
  }
  return {sum, size};
}

class Derivative : public ::testing::TestWithParam<Row> {
 protected:
  const Row& row() const { return GetParam(); }
  /// f(sample, problem) for the samples that have derivatives: those with Jacobians of so many
  /// entries at most, or the smallest one.
  template <class F>
  void each_problem(int64_t entries, F f) const {
    const Sample* smallest = nullptr;
    int64_t least = std::numeric_limits<int64_t>::max();
    bool any = false;
    const auto check = [&](const Sample& sample, const Problem& p) {
      SCOPED_TRACE("sample \"" + sample.name + "\"");
      f(sample, p);
    };
    for (const Sample& sample : row().samples) {
      const auto& types = dtypes_of(row(), sample);
      const bool in_double = std::find(types.begin(), types.end(), f64) != types.end();
      if (takes_type(sample) && !in_double) continue;
      const Problem p = problem(row(), sample);
      if (p.at.size() == 0) continue;
      const int64_t size = elements(p.at) * std::max<int64_t>(elements(p.value), 1);
      if (size <= entries) {
        check(sample, p);
        any |= elements(p.at) > 0;
      } else if (size < least) {
        least = size;
        smallest = &sample;
      }
    }
    if (!any && smallest) check(*smallest, problem(row(), *smallest));
  }
};

TEST_P(Derivative, AgreesWithDifferencesInReverseMode) {
  if (skipped(row(), Check::reverse)) return;
  const bool forward = !skipped(row(), Check::forward);
  each_problem(kEntries, [&](const Sample&, const Problem& p) {
    const GradcheckReport r = gradcheck(p.f, p.at, {.forward = forward});
    EXPECT_TRUE(r) << r.to_string();
    ++counts().gradchecks;
  });
}

// However the elements lie in memory: rules that read strides see gaps and steps backwards.
TEST_P(Derivative, OfInputsWithGapsAgreesWithDifferences) {
  if (skipped(row(), Check::reverse) || skipped(row(), Check::layouts)) return;
  const bool forward = !skipped(row(), Check::forward);
  each_problem(kStridedEntries, [&](const Sample&, const Problem& p) {
    std::vector<Tensor> at;
    for (const Tensor& x : p.at) {
      at.push_back(x.rank() == 0 || x.size() == 0
                       ? x
                       : laid_out(x, at.size() % 2 ? Lying::backwards : Lying::gaps));
    }
    const GradcheckReport r = gradcheck(p.f, Tensors(at), {.forward = forward});
    EXPECT_TRUE(r) << r.to_string();
    ++counts().gradchecks;
  });
}

TEST_P(Derivative, IsTheTransposeInReverseOfItselfInForwardMode) {
  if (skipped(row(), Check::reverse) || skipped(row(), Check::forward)) return;
  each_problem(1 << 24, [&](const Sample&, const Problem& p) {
    const Tensors u = noise(p.value, 1), v = noise(p.at, 2);
    const Tensors jv = jvp(p.f, p.at, v).tangents, ju = vjp(p.f, p.at, u).cotangents;
    for (size_t i = 0; i < p.at.size(); ++i)
      EXPECT_EQ(ir::type_of(ju[i]), ir::type_of(p.at[i])) << "cotangent " << i;
    for (size_t i = 0; i < p.value.size(); ++i) {
      if (!u[i].defined()) continue;
      EXPECT_EQ(ir::type_of(jv[i]), ir::type_of(p.value[i])) << "tangent " << i;
    }
    const auto [left, left_size] = inner(u, jv);
    const auto [right, right_size] = inner(v, ju);
    // Both sides round each product and sum; a thousand roundings leave 1e-12 of their sizes.
    EXPECT_NEAR(left, right, 1e-12 * (left_size + right_size));
    ++counts().transposes;
  });
}

TEST_P(Derivative, OfTheSecondOrderAgreesWithDifferences) {
  if (skipped(row(), Check::second_order)) return;
  const bool forward = !skipped(row(), Check::forward);
  each_problem(kSecondOrderEntries, [&](const Sample&, const Problem& p) {
    const GradcheckReport r = gradgradcheck(p.f, p.at, {.forward = forward});
    EXPECT_TRUE(r) << r.to_string();
    ++counts().second_order;
  });
}

TEST_P(Derivative, HasTheTypeOfItsInput) {
  if (skipped(row(), Check::reverse)) return;
  for (const Sample& sample : row().samples) {
    for (DType d : dtypes_of(row(), sample)) {
      if (!is_floating(d) || !takes_type(sample)) continue;
      SCOPED_TRACE("sample \"" + sample.name + "\" in " + varve::name_of(d));
      const Problem p = problem(row(), sample, d);
      if (p.at.size() == 0) continue;
      const Tensors u = noise(p.value, 1);
      const Tensors g = vjp(p.f, p.at, u).cotangents;
      for (size_t i = 0; i < g.size(); ++i)
        EXPECT_EQ(ir::type_of(g[i]), ir::type_of(p.at[i])) << "cotangent " << i;
      if (d != f32) continue;
      // f32 against f64 at the same place: a rule that loses digits shows.
      const auto wide = vjp(p.f, widened(p.at), widened(u)).cotangents;
      for (size_t i = 0; i < g.size(); ++i) {
        const auto a = g[i].to_doubles(), b = wide[i].to_doubles();
        double largest = 0;
        for (double v : b) largest = std::max(largest, std::abs(v));
        for (size_t k = 0; k < a.size(); ++k)
          EXPECT_NEAR(a[k], b[k], 1e-4 * std::abs(b[k]) + 2e-5 * largest) << "cotangent " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Row, Derivative, ::testing::ValuesIn(all_rows()),
                         [](const auto& info) { return std::string(info.param.op); });

class Totals : public ::testing::Environment {
 public:
  void TearDown() override {
    const Counts& c = counts();
    std::printf(
        "[  COUNT   ] %lld gradchecks in both modes, %lld of the second order, %lld products of "
        "both modes, %lld forward cases\n",
        static_cast<long long>(c.gradchecks), static_cast<long long>(c.second_order),
        static_cast<long long>(c.transposes), static_cast<long long>(c.forward));
    // Fewer would mean that samples or checks have been lost. (Part of the suite proves nothing.)
    if (::testing::GTEST_FLAG(filter) == "*") {
      EXPECT_GE(c.gradchecks + c.second_order, 2000);
    }
  }
};
[[maybe_unused]] const auto* const totals =
    ::testing::AddGlobalTestEnvironment(new Totals);  // gtest owns it

}  // namespace
}  // namespace varve::samples
