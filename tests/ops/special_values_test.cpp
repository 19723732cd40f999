// Special values: op x {NaN, infinities, zeros, denormals, largest floats, large logits} against
// the table tests/golden/special_values.json, on reference kernels, on every backend and compiled.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/evaluate.h"
#include "samples_inputs.h"
#include "varve/jit.h"
#include "varve/ops/pointwise.h"

namespace varve::samples {
namespace {

struct Special {
  std::vector<std::vector<double>> inputs;  // by operand, one a row
  std::vector<double> expected;
  std::vector<bool> either_zero;  // the sign of an expected zero is open
};

double number(const nlohmann::json& v) {
  return v.is_string()    ? std::stod(v.get<std::string>())
         : v.is_boolean() ? v.get<bool>()
                          : v.get<double>();
}

const std::map<std::string, Special>& table() {
  static const std::map<std::string, Special> t = [] {
    std::ifstream file(VARVE_SOURCE_DIR "/tests/golden/special_values.json");
    std::map<std::string, Special> made;
    const auto content = nlohmann::json::parse(file);
    for (const auto& row : content.at("rows")) {
      Special& s = made[row[0]];
      s.inputs.resize(row[1].size());
      for (size_t i = 0; i < row[1].size(); ++i) s.inputs[i].push_back(number(row[1][i]));
      s.expected.push_back(number(row[2]));
      s.either_zero.push_back(row.size() > 3 && row[3] == "either zero");
    }
    return made;
  }();
  return t;
}

std::string number_text(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

/// Every row whose result differs: NaN is NaN, infinities and zeros have their signs, the rest is
/// right to the row's units in the last place.
void compare(const Row& row, const Special& s, const Tensor& got, const char* how) {
  const DType d = got.dtype();
  const Shape shape{s.expected.size()};
  const std::vector<double> want = from_doubles(s.expected, shape, d).to_doubles(),
                            have = got.to_doubles();
  for (size_t i = 0; i < want.size(); ++i) {
    bool same =
        have[i] == want[i] && (s.either_zero[i] || std::signbit(have[i]) == std::signbit(want[i]));
    same |= std::isnan(have[i]) && std::isnan(want[i]);
    if (std::isfinite(want[i]) && want[i] != 0) {
      const double epsilon = d == f64 ? 0x1p-52 : 0x1p-23, least = d == f64 ? 0x1p-1074 : 0x1p-149;
      const double size = std::abs(s.expected[i]);
      same |=
          std::abs(have[i] - s.expected[i]) <=
          epsilon * (row.tolerance.ulp * size + row.tolerance.largest * std::max(size, 1.)) + least;
    }
    std::string arguments;
    for (const auto& x : s.inputs) arguments += (arguments.empty() ? "" : ", ") + number_text(x[i]);
    EXPECT_TRUE(same) << row.op << "(" << arguments << ") = " << number_text(have[i])
                      << ", expected " << number_text(want[i]) << ", " << how << " in "
                      << varve::name_of(d);
    ++counts().special;
  }
}

Tensor compiled(const Row& row, const std::vector<Tensor>& x) {
  if (x.size() == 1) return jit([&](const Tensor& a) { return row.call(a).only(); })(x[0]);
  if (x.size() == 2) {
    return jit([&](const Tensor& a, const Tensor& b) {
      return row.call({a, b}).only();
    })(x[0], x[1]);
  }
  return jit([&](const Tensor& a, const Tensor& b, const Tensor& c) {
    return row.call({a, b, c}).only();
  })(x[0], x[1], x[2]);
}

TEST(SpecialValues, AreAsTheTableSays) {
  int64_t rows = 0;
  for (const auto& [op, special] : table()) {
    const Row* row = row_of(op);
    ASSERT_NE(row, nullptr) << op;
    rows += static_cast<int64_t>(special.expected.size());
    for (DType d : {f32, f64}) {
      std::vector<Tensor> x;
      for (const auto& v : special.inputs) x.push_back(from_doubles(v, Shape{v.size()}, d));
      {
        const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
        compare(*row, special, row->call(Tensors(x)).only(), "reference");
      }
      const runtime::ExecuteScope scope({.kernels = backend::KernelSet::all});
      compare(*row, special, row->call(Tensors(x)).only(), "backend");
      compare(*row, special, compiled(*row, x), "compiled");
    }
  }
  EXPECT_GE(rows, 400);
}

TEST(SpecialValues, OfCastsSaturateAndNanIsZero) {
  const Tensor x = tensor<double>({NAN, INFINITY, -INFINITY, 1e20, -1e20, -0.9, 255.9, 3e9});
  const std::map<DType, std::vector<double>> expected = {
      {DType::bool_, {1, 1, 1, 1, 1, 1, 1, 1}},
      {u8, {0, 255, 0, 255, 0, 0, 255, 255}},
      {i8, {0, 127, -128, 127, -128, 0, 127, 127}},
      {i32, {0, 2147483647, -2147483648., 2147483647, -2147483648., 0, 255, 2147483647}},
      {u32, {0, 4294967295, 0, 4294967295, 0, 0, 255, 3e9}},
      {i64, {0, 0x1p63, -0x1p63, 0x1p63, -0x1p63, 0, 255, 3e9}},
      {u64, {0, 0x1p64, 0, 0x1p64, 0, 0, 255, 3e9}},
  };
  for (const auto& [d, want] : expected) {
    for (auto set : {backend::KernelSet::ref, backend::KernelSet::all}) {
      const runtime::ExecuteScope scope({.kernels = set});
      EXPECT_EQ(cast(x, d).to_doubles(), want) << varve::name_of(d);
    }
  }
}

TEST(SpecialValues, OfCastsToHalvesAreRoundedOnce) {
  // Just above the middle of two neighbours: by way of f32 each would lie on it, and be rounded
  // to the even one below.
  const Tensor x = tensor<double>({1 + 0x1p-8 + 0x1p-40, 1 + 0x1p-11 + 0x1p-40});
  const std::map<DType, std::vector<double>> expected = {{bf16, {1 + 0x1p-7, 1}},
                                                         {f16, {1 + 0x1p-8, 1 + 0x1p-10}}};
  for (const auto& [d, want] : expected) {
    for (auto set : {backend::KernelSet::ref, backend::KernelSet::all}) {
      const runtime::ExecuteScope scope({.kernels = set});
      EXPECT_EQ(cast(x, d).to_doubles(), want) << varve::name_of(d);
      const DType to = d;
      EXPECT_EQ(jit([to](const Tensor& a) { return cast(a, to); })(x).to_doubles(), want)
          << varve::name_of(d) << ", compiled";
    }
  }
}

}  // namespace
}  // namespace varve::samples
