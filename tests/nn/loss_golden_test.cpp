// Losses and their gradients against PyTorch's and Keras' (tests/golden/losses.json).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "support/tensors.h"
#include "varve/derivatives.h"
#include "varve/gradcheck.h"
#include "varve/losses.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

using Json = nlohmann::json;

std::vector<double> numbers(const Json& list) {
  std::vector<double> v;
  for (const Json& x : list)
    v.push_back(x.is_string() ? std::stod(x.get<std::string>()) : x.get<double>());
  return v;
}
Tensor array(const Json& j) {
  const Shape shape(j.at("shape").get<std::vector<int64_t>>());
  return cast(tensor(numbers(j.at("values")), shape),
              parse_dtype(j.at("dtype").get<std::string>()));
}

Json golden() {
  std::ifstream file(VARVE_SOURCE_DIR "/tests/golden/losses.json");
  return Json::parse(file).at("losses");
}

/// What it gives before the mean: one number a sample, or a scalar.
Tensor values(const Loss& loss, const Tensor& p, const Tensor& y, bool scalar) {
  return scalar ? loss(p, y) : loss.per_sample(p, y);
}
/// The golden values with their trailing axes averaged.
std::vector<double> by_sample(const Tensor& golden) {
  std::vector<int> axes;
  for (int i = 1; i < golden.rank(); ++i) axes.push_back(i);
  return (axes.empty() ? golden : mean(golden, {.axes = axes})).to_doubles();
}

TEST(Losses, AreThoseOfPyTorchAndKeras) {
  for (const Json& c : golden()) {
    SCOPED_TRACE(c.at("by").get<std::string>() + " " + c.at("loss").dump() + " " +
                 c.at("what").get<std::string>());
    const Loss loss = Loss::from_config(c.at("loss").dump());
    const Tensor p = array(c.at("prediction")), y = array(c.at("target")),
                 expected = array(c.at("values"));
    const bool scalar = expected.rank() == 0;
    test::expect_near(values(loss, p, y, scalar).to_doubles(), by_sample(expected), 2e-7);
    // The gradient of the sum of all is that of the mean, times their number.
    const double count = static_cast<double>(expected.shape().size());
    const Tensor g = grad([&](const Tensor& x) { return loss(x, y) * count; })(p);
    test::expect_near(g.to_doubles(), array(c.at("gradient")).to_doubles(), 1e-6);
  }
}

// Away from kinks, which the samples avoid.
TEST(Losses, HaveGradientsThatAgreeWithDifferences) {
  std::set<std::string> seen;
  for (const Json& c : golden()) {
    const Loss loss = Loss::from_config(c.at("loss").dump());
    SCOPED_TRACE(c.at("loss").dump());
    seen.insert(loss.name());
    const Tensor p = array(c.at("prediction")), y = array(c.at("target"));
    const auto f = [&](const Tensors& x) -> Tensors { return loss(x[0], y); };
    const GradcheckReport report = gradcheck(f, p);
    EXPECT_TRUE(report) << report.to_string();
  }
  EXPECT_GT(seen.size(), 20u);
}

}  // namespace
}  // namespace varve
