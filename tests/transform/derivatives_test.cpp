#include "varve/derivatives.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/node.h"
#include "support/errors.h"
#include "varve/custom_op.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve {
namespace {

double at(const Tensor& t) { return t.to_double(); }

TEST(Grad, OfAProductIsTheOtherFactor) {  // the notes' example f = (x + y) z
  auto f = [](const Tensor& x, const Tensor& y, const Tensor& z) { return (x + y) * z; };
  auto [value, grads] = value_and_grad(f)(scalar(2, f64), scalar(3, f64), scalar(4, f64));
  EXPECT_EQ(at(value), 20);
  EXPECT_EQ(at(grads[0]), 4);
  EXPECT_EQ(at(grads[1]), 4);
  EXPECT_EQ(at(grads[2]), 5);
}

TEST(Grad, OfFannedOutValuesIsAdded) {
  auto f = [](const Tensor& x) {
    const Tensor y = x * x;
    return y * y + y;
  };
  EXPECT_EQ(at(grad(f)(scalar(3, f64))), 4 * 27 + 6);
}

TEST(Grad, ComposesWithItself) {
  auto d2 = grad(grad([](const Tensor& x) { return sin(x); }));
  auto d3 = grad(d2);
  EXPECT_NEAR(at(d2(scalar(0.7, f64))), -std::sin(0.7), 1e-15);
  EXPECT_NEAR(at(d3(scalar(0.7, f64))), -std::cos(0.7), 1e-15);
}

TEST(Grad, ReadsValuesForHostControlFlow) {
  auto f = [](const Tensor& x) {
    Tensor y = x;
    while (y.item<double>() < 10) y = y * 2;
    return y;
  };
  EXPECT_EQ(at(grad(f)(scalar(3, f64))), 4);
}

TEST(Grad, KeepsNoHistoryOnceItHasReturned) {
  Tensor middle;
  const Tensor g = grad([&](const Tensor& t) {
    middle = exp(t);
    middle.evaluate();
    EXPECT_NE(middle.cell()->node, nullptr);
    return middle * t;
  })(scalar(3, f64));
  EXPECT_EQ(middle.cell()->node, nullptr);
  g.evaluate();
  EXPECT_EQ(g.cell()->node, nullptr);
}

TEST(Grad, ByVariablesLeavesDataAlone) {
  Variable w(scalar(3, f64), {.name = "w"}), unused(scalar(1, f64), {.name = "unused"});
  auto loss = [&](const Tensor& x) { return square(w * x); };
  take_warnings();
  auto [value, grads] = value_and_grad(loss, {w, unused})(scalar(2, f64));
  EXPECT_EQ(at(value), 36);
  EXPECT_EQ(at(grads[w]), 2 * 3 * 4);
  EXPECT_EQ(at(grads[unused]), 0);
  EXPECT_EQ(take_warnings(),
            std::vector<std::string>{
                "grad: the loss does not depend on variable \"unused\"; its gradient is zero"});
}

TEST(Grad, AssignmentsInsideAreCarriedOutOnceAndNotDifferentiated) {
  Variable w(scalar(3, f64), {.name = "w"}),
      mean(scalar(0, f64), {.name = "mean", .trainable = false});
  auto loss = [&] {
    const Tensor y = w * 2;
    mean.assign(mean.value() + y);
    return y;
  };
  auto [value, grads] = value_and_grad(loss, {w})();
  EXPECT_EQ(at(mean.value()), 6);
  EXPECT_EQ(mean.version(), 1u);
  EXPECT_EQ(at(grads[w]), 2);
}

TEST(Grad, RefusesWhatHasNoGradient) {
  const ShapeError e = test::error_of<ShapeError>([&] {
    grad([](const Tensor& x) { return x * 2; })(tensor({1.f, 2.f}));
  });
  EXPECT_STREQ(e.what(),
               "grad: the function must return a scalar, got f32[2]\n"
               "  hint: take its sum or mean, or use vjp with cotangents of your own");
  EXPECT_THROW(grad([](const Tensor& x) { return x; })(scalar(1, i32)), DTypeError);
}

TEST(Jvp, AgreesWithVjpThroughTheInnerProduct) {
  auto f = [](const Tensors& x) { return Tensors{sin(x[0]) * x[1], exp(x[1])}; };
  const Tensors x{tensor({0.3, 1.2}), tensor({-0.4, 0.9})},
      t{tensor({1.0, -2.0}), tensor({0.5, 0.25})}, u{tensor({0.1, 0.2}), tensor({-1.0, 3.0})};
  const auto forward = jvp(f, x, t);
  const auto backward = vjp(f, x, u);
  double left = 0, right = 0;
  for (size_t i = 0; i < 2; ++i) {
    for (double v : (u[i] * forward.tangents[i]).to_doubles()) left += v;
    for (double v : (backward.cotangents[i] * t[i]).to_doubles()) right += v;
  }
  EXPECT_NEAR(left, right, 1e-12);
}

TEST(StopGradient, LetsNothingThrough) {
  auto f = [](const Tensor& x) { return x * stop_gradient(x); };
  EXPECT_EQ(at(grad(f)(scalar(3, f64))), 3);
}

TEST(Grad, OfAVariableThatIsGivenTwiceIsRefusedByName) {
  Variable w(scalar(2, f32), {.name = "w"}), b(scalar(1, f32), {.name = "b"});
  EXPECT_EQ(test::message_of<ValueError>([&] {
              value_and_grad([&] { return w * b; }, Variables{w, b, w})();
            }),
            "grad: variable \"w\" is given twice");
}

TEST(CustomDerivative, RefusesWhatItsGraphCannotHold) {
  Variable w(scalar(2, f32), {.name = "w"});
  const auto rule = [](const Tensors&, const Tensors&, const Tensors& ct) { return ct; };
  const auto told = [&](std::function<Tensors(const Tensors&)> f) {
    return test::message_of<UnsupportedError>(
        [&] { custom_derivative(f, rule)(Tensors(scalar(1, f32))); });
  };
  EXPECT_EQ(told([&](const Tensors& x) -> Tensors { return x[0] * w; }),
            "custom_derivative: the function reads variable \"w\"");
  EXPECT_EQ(told([&](const Tensors& x) -> Tensors {
              w.assign(x[0]);
              return x[0];
            }),
            "custom_derivative: the function assigns variable \"w\"");
  EXPECT_EQ(told([&](const Tensors& x) -> Tensors { return debug::print(x[0]); }),
            "custom_derivative: debug::print inside the function");
  EXPECT_EQ(w.value().to_double(), 2);
}

TEST(CustomDerivative, ReplacesTheRule) {
  auto clipped = custom_derivative([](const Tensors& x) { return Tensors{square(x[0])}; },
                                   [](const Tensors& x, const Tensors&, const Tensors& ct) {
                                     return Tensors{ct[0] * clip(2 * x[0], -1, 1)};
                                   });
  auto f = [&](const Tensor& x) { return clipped(Tensors(x)).only() * 3; };
  EXPECT_EQ(at(f(scalar(5, f64))), 75);
  EXPECT_EQ(at(grad(f)(scalar(5, f64))), 3);
}

}  // namespace
}  // namespace varve
