#include "varve/gradcheck.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

Tensors product_and_sine(const Tensors& x) { return {x[0] * x[1], sin(x[1])}; }

TEST(Gradcheck, ComparesEveryEntryOfTheJacobianInBothModes) {
  const Tensors at{tensor({1., 2., 3.}), tensor({0.5, -1., 2.})};
  const GradcheckReport r = gradcheck(product_and_sine, at);
  EXPECT_TRUE(r) << r.to_string();
  EXPECT_EQ(r.compared, 2 * (6 * 6));
  EXPECT_LT(r.worst_ratio, 1e-2);
  EXPECT_EQ(gradcheck(product_and_sine, at, {.forward = false}).compared, 36);
}

TEST(Gradcheck, NamesTheWorstElementOfAWrongRule) {
  const auto wrong = custom_derivative([](const Tensors& x) -> Tensors { return square(x[0]); },
                                       [](const Tensors& x, const Tensors&,
                                          const Tensors& u) -> Tensors { return 3 * x[0] * u[0]; });
  const GradcheckReport r = gradcheck(wrong, tensor({0., 2., 1.}), {.forward = false});
  EXPECT_FALSE(r);
  EXPECT_EQ(r.argument_element, 1);
  EXPECT_EQ(r.output_element, 1);
  EXPECT_EQ(r.to_string(),
            "gradcheck: d output 0 [1] / d argument 0 [1] is 6 by reverse mode, 4 by differences");
}

TEST(Gradcheck, SeesAnEntryThatShouldBeZero) {
  // The rule spreads the cotangent over all elements.
  const auto leaking =
      custom_derivative([](const Tensors& x) -> Tensors { return 2 * x[0]; },
                        [](const Tensors&, const Tensors&, const Tensors& u) -> Tensors {
                          return 2 * u[0] + tensor({0., 1.}) * u[0].to_doubles()[0];
                        });
  const GradcheckReport r = gradcheck(leaking, tensor({1., 1.}), {.forward = false});
  EXPECT_EQ(r.to_string(),
            "gradcheck: d output 0 [0] / d argument 0 [1] is 1 by reverse mode, 0 by differences");
}

TEST(Gradcheck, ANanFails) {
  const GradcheckReport r =
      gradcheck([](const Tensors& x) -> Tensors { return sqrt(x[0]); }, tensor({1., 0.}));
  EXPECT_FALSE(r);
  EXPECT_EQ(r.argument_element, 1);
}

TEST(Gradcheck, LeavesOutOutputsThatAreNotFloating) {
  const GradcheckReport r = gradcheck(
      [](const Tensors& x) -> Tensors {
        return {x[0] > 0, exp(x[0])};
      },
      tensor({1., -1.}));
  EXPECT_TRUE(r) << r.to_string();
  EXPECT_EQ(r.compared, 8);
  EXPECT_EQ(r.output, 1u);
}

TEST(Gradcheck, OfNothingPasses) {
  const GradcheckReport r = gradcheck([](const Tensors& x) -> Tensors { return exp(x[0]); },
                                      tensor(std::vector<double>{}, {0, 3}));
  EXPECT_TRUE(r);
  EXPECT_EQ(r.to_string(), "gradcheck: nothing to compare");
}

TEST(Gradcheck, WantsDoubles) {
  const auto f = [](const Tensors& x) -> Tensors { return x[0]; };
  const DTypeError e = test::error_of<DTypeError>([&] { gradcheck(f, tensor({1.f})); });
  EXPECT_STREQ(e.what(),
               "gradcheck: argument 0: expected f64, got f32[1]\n"
               "  hint: cast(x, f64): differences of shorter types say nothing");
}

TEST(Gradgradcheck, ComparesSecondDerivatives) {
  const GradcheckReport r = gradgradcheck(product_and_sine, {tensor({1., 2.}), tensor({0.5, -1.})});
  EXPECT_TRUE(r) << r.to_string();
  // Arguments x0, x1, u0, u1 of two elements each; results by x0 and x1.
  EXPECT_EQ(r.compared, 2 * 8 * 4);
}

TEST(Gradgradcheck, SeesARuleThatHidesADependence) {
  const auto stops =
      custom_derivative([](const Tensors& x) -> Tensors { return square(x[0]); },
                        [](const Tensors& x, const Tensors&, const Tensors& u) -> Tensors {
                          return 2 * stop_gradient(x[0]) * u[0];
                        });
  EXPECT_TRUE(gradcheck(stops, tensor({1., 2.}), {.forward = false}));
  EXPECT_FALSE(gradgradcheck(stops, tensor({1., 2.}), {.forward = false}));
}

}  // namespace
}  // namespace varve
