// Jacobians, Hessians and their products, in both modes, by tensors and by variables, alone and
// under jit and grad.
#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/control.h"
#include "varve/derivatives.h"
#include "varve/gradcheck.h"
#include "varve/jit.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;
using test::noise;

/// From [4] to [2, 3].
Tensor wide(const Tensor& x) {
  const Tensor w = noise({6, 4}, 5);
  return reshape(matmul(w, reshape(sin(x), {4, 1})), {2, 3}) * sum(x);
}

TEST(Jacobian, OfAnElementwiseFunctionIsDiagonal) {
  const Tensor x = noise({3}, 1), c = cos(x);
  const Tensor j = jacobian(varve::sin)(x);
  ASSERT_EQ(j.shape(), (Shape{3, 3}));
  const auto v = j.to_doubles(), d = c.to_doubles();
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(v[i * 3 + k], i == k ? d[i] : 0, 1e-15);
  }
}

TEST(Jacobian, OfALinearMapIsItsMatrix) {
  const Tensor w = noise({5, 3}, 2);
  const auto f = [&](const Tensor& x) { return reshape(matmul(w, reshape(x, {3, 1})), {5}); };
  for (const JacobianOptions& o : {JacobianOptions{}, JacobianOptions{.mode = "forward"},
                                   JacobianOptions{.mode = "reverse"}}) {
    EXPECT_EQ(distance(jacobian(f, o)(noise({3}, 3)), w), 0);
  }
}

TEST(Jacobian, IsTheSameInBothModesAndByDifferences) {
  const Tensor x = noise({4}, 4);
  const Tensor forward = jacobian(wide, {.mode = "forward"})(x),
               reverse = jacobian(wide, {.mode = "reverse"})(x);
  ASSERT_EQ(forward.shape(), (Shape{2, 3, 4}));
  EXPECT_LT(distance(forward, reverse), 1e-13);
  EXPECT_LT(distance(forward, numeric_jacobian(wide, x)), 1e-8);
}

TEST(Jacobian, OfSeveralArgumentsIsABlockEach) {
  const auto f = [](const Tensor& a, const Tensor& b) { return a * sum(b) + exp(a); };
  const Tensor a = noise({3}, 6), b = noise({2, 2}, 7);
  const auto blocks = jacobian(f)(a, b);
  EXPECT_EQ(blocks[0].shape(), (Shape{3, 3}));
  EXPECT_EQ(blocks[1].shape(), (Shape{3, 2, 2}));
  EXPECT_LT(distance(blocks[1], broadcast_to(reshape(a, {3, 1, 1}), {3, 2, 2})), 1e-15);
}

TEST(Jacobian, ByVariablesIsNamedByThem) {
  Variable w(noise({3, 2}, 8), {.name = "w"}), b(noise({2}, 9), {.name = "b"});
  const auto f = [&](const Tensor& x) { return tanh(matmul(x, w.value()) + b.value()); };
  const Tensor x = noise({4, 3}, 10);
  const Grads j = jacobian(f, {w, b})(x);
  EXPECT_EQ(j[w].shape(), (Shape{4, 2, 3, 2}));
  EXPECT_EQ(j[b].shape(), (Shape{4, 2, 2}));
  const auto of_b = [&](const Tensor& v) { return tanh(matmul(x, w.value()) + v); };
  EXPECT_LT(distance(j[b], numeric_jacobian(of_b, b.value())), 1e-8);
}

TEST(Jacobian, OfNothingAndOfScalars) {
  EXPECT_EQ(jacobian(varve::sin)(zeros({0})).shape(), (Shape{0, 0}));
  EXPECT_EQ(jacobian(varve::sin)(scalar(0, f64)).shape(), Shape{});
  EXPECT_EQ(jacobian(varve::sin)(scalar(0, f64)).to_double(), 1);
  const auto constant = [](const Tensor&) { return ones({2}); };
  expect_near(jacobian(constant)(zeros({3})), {0, 0, 0, 0, 0, 0});
}

TEST(Jacobian, ComposesWithJitAndGrad) {
  const Tensor x = noise({4}, 11);
  EXPECT_LT(distance(jit(jacobian(wide))(x), jacobian(wide)(x)), 1e-13);
  const auto size = [](const Tensor& v) { return sum(square(jacobian(wide)(v))); };
  EXPECT_LT(distance(grad(size)(x), numeric_gradient(size, x)), 1e-6);
}

TensorsFunction squares_by_own_rule() {
  return custom_derivative([](const Tensors& x) -> Tensors { return square(x[0]); },
                           [](const Tensors& x, const Tensors&, const Tensors& u) -> Tensors {
                             return 2 * x[0] * u[0];
                           });
}
/// Halves x until its sum is below 1: no bound, so no reverse rule.
Tensor halved(const Tensor& x) {
  return while_loop([](const Tensors& s) { return sum(s[0]) > 1; },
                    [](const Tensors& s) -> Tensors { return s[0] / 2; }, x)[0];
}

// Forward mode would take fewer passes, and reverse mode is the only one; and the other way round.
TEST(Jacobian, InModeAutoTakesTheModeThatHasRules) {
  const auto own = squares_by_own_rule();
  const auto wider = [&](const Tensor& x) { return concat({own(x)[0], own(x)[0]}, 0); };
  const Tensor x = tensor({1., 2., 3.});
  expect_near(jacobian(wider)(x), {2, 0, 0, 0, 4, 0, 0, 0, 6, 2, 0, 0, 0, 4, 0, 0, 0, 6});
  EXPECT_THROW(jacobian(wider, {.mode = "forward"})(x), UnsupportedError);
  const auto narrower = [](const Tensor& v) { return sum(halved(v)); };
  expect_near(jacobian(narrower)(x), {0.125, 0.125, 0.125});
  EXPECT_THROW(jacobian(narrower, {.mode = "reverse"})(x), UnsupportedError);
  const auto neither = [&](const Tensor& v) { return sum(halved(own(v)[0])); };
  EXPECT_EQ(message_of<UnsupportedError>([&] { jacobian(neither)(x); }),
            "while_loop: reverse mode needs a bound on the number of steps");
}

TEST(Hessian, TakesTheModeThatHasRules) {
  const auto own = squares_by_own_rule();
  const Tensor x = tensor({1., 2.}), v = tensor({1., -1.});
  // Its gradient depends on what the function gave: forward mode through the rule is asked for.
  const auto quartic = [&](const Tensor& t) { return sum(square(own(t)[0])); };
  expect_near(hessian(quartic)(x), {12, 0, 0, 48});
  expect_near(
      hessian_vector_product([&](const Tensors& t) -> Tensors { return quartic(t[0]); }, x, v)
          .products[0],
      {12, -48});
  const auto unbounded = [](const Tensor& t) { return sum(square(halved(t))); };
  expect_near(hessian(unbounded)(x), {0.125, 0, 0, 0.125});
  const auto r =
      hessian_vector_product([&](const Tensors& t) -> Tensors { return unbounded(t[0]); }, x, v);
  expect_near(r.gradient[0], {0.125, 0.25});
  expect_near(r.products[0], {0.125, -0.125});
}

TEST(Jacobian, RefusesIntegers) {
  EXPECT_EQ(message_of<DTypeError>([] {
              jacobian(varve::square)(tensor<int32_t>({1, 2}));
            }),
            "jacobian: argument 0 is i32[2]; derivatives are by floating tensors");
  const auto truth = [](const Tensor& x) { return x > 0; };
  EXPECT_EQ(message_of<DTypeError>([&] { jacobian(truth)(ones({2})); }),
            "jacobian: the function must return a floating tensor, got bool[2]");
}

double rosenbrock_value(double a, double b) {
  return (1 - a) * (1 - a) + 100 * (b - a * a) * (b - a * a);
}
Tensor rosenbrock(const Tensor& x) {
  const Tensor a = slice(x, {{0, 1}}), b = slice(x, {{1, 2}});
  return sum(square(1 - a) + 100 * square(b - square(a)));
}

TEST(Hessian, OfRosenbrocksFunctionIsTheKnownOne) {
  EXPECT_EQ(rosenbrock(tensor({-1.2, 1.0})).to_double(), rosenbrock_value(-1.2, 1));
  const Tensor h = hessian(rosenbrock)(tensor({-1.2, 1.0}));
  expect_near(h, {1200 * 1.44 - 400 + 2, 480, 480, 200}, 1e-10);
}

TEST(Hessian, OfAQuadraticFormIsItsSymmetricMatrix) {
  const Tensor a = noise({4, 4}, 12);
  const auto f = [&](const Tensor& x) {
    return sum(x * reshape(matmul(a, reshape(x, {4, 1})), {4})) / 2;
  };
  EXPECT_LT(distance(hessian(f)(noise({4}, 13)), (a + transpose(a)) / 2), 1e-14);
}

TEST(Hessian, OfSeveralArgumentsAndOfVariablesHasBlocks) {
  const auto f = [](const Tensor& a, const Tensor& b) { return sum(exp(a) * sin(b)); };
  const Tensor a = noise({3}, 14), b = noise({3}, 15);
  const auto h = hessian(f)(a, b);
  EXPECT_LT(distance(h[0][1], transpose(h[1][0])), 1e-15);
  Variable u(a, {.name = "u"}), v(b, {.name = "v"});
  const auto rows = hessian([&] { return f(u.value(), v.value()); }, {u, v})();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_LT(distance(rows[i][u], h[i][0]), 1e-15);
    EXPECT_LT(distance(rows[i][v], h[i][1]), 1e-15);
  }
}

TEST(Hessian, ComposesWithJitAndGrad) {
  const Tensor x = tensor({-1.2, 1.0});
  EXPECT_LT(distance(jit(hessian(rosenbrock))(x), hessian(rosenbrock)(x)), 1e-10);
  const auto trace = [](const Tensor& v) {
    return sum(hessian(rosenbrock)(v) * eye(2, 2, 0, f64));
  };
  expect_near(grad(trace)(x), {2400 * -1.2, -400}, 1e-9);
}

TEST(HessianVectorProduct, IsTheHessianTimesTheVector) {
  const Tensor x = noise({5}, 16), v = noise({5}, 17);
  const auto f = [](const Tensor& t) { return sum(exp(sin(t))) * sum(square(t)); };
  const auto r = hessian_vector_product([&](const Tensors& t) -> Tensors { return f(t[0]); }, x, v);
  EXPECT_EQ(r.value.to_double(), f(x).to_double());
  EXPECT_LT(distance(r.gradient[0], grad(f)(x)), 1e-13);
  const Tensor product = reshape(matmul(hessian(f)(x), reshape(v, {5, 1})), {5});
  EXPECT_LT(distance(r.products[0], product), 1e-11);
}

TEST(HessianVectorProduct, ByVariablesTakesOnePassWhateverTheirSize) {
  Variable w(noise({50, 40}, 18), {.name = "w"}), b(noise({40}, 19), {.name = "b"});
  const Tensor x = noise({8, 50}, 20), vw = noise({50, 40}, 21), vb = noise({40}, 22);
  const auto loss = [&] { return mean(square(tanh(matmul(x, w.value()) + b.value()))); };
  const auto r = hessian_vector_product(loss, {w, b}, {vw, vb});
  // Differences of the gradient along the vectors.
  const double h = 1e-5;
  const Tensor w0 = w.value(), b0 = b.value();
  const auto gradient = [&](double t) {
    w.assign(w0 + t * vw);
    b.assign(b0 + t * vb);
    return value_and_grad(loss, {w, b})().grads;
  };
  const Grads above = gradient(h), below = gradient(-h);
  EXPECT_LT(distance(r.products[0], (above[w] - below[w]) / (2 * h)), 1e-8);
  EXPECT_LT(distance(r.products[1], (above[b] - below[b]) / (2 * h)), 1e-8);
}

TEST(HessianVectorProduct, SaysWhatIsWrongWithTheVectors) {
  const auto f = [](const Tensors& t) -> Tensors { return sum(t[0]); };
  EXPECT_EQ(message_of<ShapeError>([&] { hessian_vector_product(f, ones({2}), ones({3})); }),
            "hessian_vector_product: vector 0: expected f32[2], got f32[3]");
  EXPECT_EQ(message_of<ValueError>([&] {
              hessian_vector_product(f, ones({2}), {ones({2}), ones({2})});
            }),
            "hessian_vector_product: expected 1 vectors, got 2");
}

TEST(DirectionalDerivative, IsTheSlopeAlongTheDirection) {
  const auto f = [](const Tensors& t) -> Tensors { return sum(exp(t[0])); };
  const Tensor x = noise({4}, 23), v = noise({4}, 24);
  const double slope = directional_derivative(f, x, v)[0].to_double();
  const double h = 1e-6;
  const double expected = (f(x + h * v)[0].to_double() - f(x - h * v)[0].to_double()) / (2 * h);
  EXPECT_NEAR(slope, expected, 1e-7);
  // Along the gradient it is the gradient's length squared: none is steeper.
  const Tensor g = exp(x);
  EXPECT_NEAR(directional_derivative(f, x, g)[0].to_double(), sum(square(g)).to_double(), 1e-12);
}

TEST(NumericGradient, IsNearTheTruthForEverySizeOfNumber) {
  for (const double x : {1e-8, 1e-3, 0.5, 3.0, 1e4, 1e8}) {
    const auto cube = [](const Tensor& t) { return t * t * t; };
    const double g = numeric_gradient(cube, scalar(x, f64)).to_double();
    EXPECT_NEAR(g, 3 * x * x, 1e-9 * std::max(1., 3 * x * x)) << x;
  }
}

TEST(NumericGradient, OfFloatsHasHalfTheirDigits) {
  const Tensor x = test::normal({20}, 25, f32);
  const auto f = [](const Tensor& t) { return sum(sin(t)); };
  const Tensor g = numeric_gradient(f, x);
  EXPECT_EQ(g.dtype(), f32);
  EXPECT_LT(distance(g, cos(x)), 1e-3);
}

TEST(NumericGradient, ExtrapolatedIsNearerThanPlainDifferences) {
  double plain = 0, better = 0;
  for (const double x : {0.3, 0.7, 1.1, 2.3}) {
    const auto f = [](const Tensor& t) { return exp(sin(t)) / t; };
    const double truth = grad(f)(scalar(x, f64)).to_double();
    plain = std::max(plain, std::abs(numeric_gradient(f, scalar(x, f64)).to_double() - truth));
    better = std::max(
        better,
        std::abs(numeric_gradient(f, scalar(x, f64), {.extrapolate = true}).to_double() - truth));
  }
  EXPECT_LT(plain, 1e-8);
  EXPECT_LT(better, 2e-11);
  EXPECT_LT(better, plain);
}

TEST(NumericGradient, ExtrapolatedFindsWidthsBesidePolesAndBorders) {
  const NumericOptions o{.extrapolate = true};
  for (const double x : {1e-1, 1e-3, -1e-5, 1e-8}) {
    const double g =
        numeric_gradient([](const Tensor& t) { return 1 / t; }, scalar(x, f64), o).to_double();
    EXPECT_NEAR(g * x * x, -1, 1e-9) << "1/x at " << x;
    if (x < 0) continue;
    EXPECT_NEAR(numeric_gradient(varve::log, scalar(x, f64), o).to_double() * x, 1, 1e-9)
        << "log at " << x;
    EXPECT_NEAR(numeric_gradient(varve::sqrt, scalar(x, f64), o).to_double() * 2 * std::sqrt(x), 1,
                1e-9)
        << "sqrt at " << x;
  }
  // What is smooth is not differenced over widths in which it hardly moves.
  for (const double x : {0., 1e-8, 1e-30}) {
    EXPECT_NEAR(numeric_gradient(varve::exp, scalar(x, f64), o).to_double(), std::exp(x), 1e-11)
        << x;
    EXPECT_NEAR(numeric_gradient([](const Tensor& t) { return 1 + 1e-9 * t; }, scalar(x, f64), o)
                        .to_double() *
                    1e9,
                1, 1e-3)
        << x;
  }
  EXPECT_NEAR(numeric_gradient(varve::cos, scalar(M_PI, f64), o).to_double(), 0, 1e-12);
}

TEST(NumericGradient, WidensAStepThatRoundingLoses) {
  // Their differences are exact.
  const auto slope = [](double x, DType dtype, const NumericOptions& o) {
    return numeric_gradient([x](const Tensor& t) { return t - x; }, scalar(x, dtype), o)
        .to_double();
  };
  EXPECT_EQ(slope(1e8, f64, {.step = 1e-10}), 1);
  EXPECT_EQ(slope(-1e4, f32, {.step = 1e-6}), 1);
  EXPECT_NEAR(slope(1e8, f64, {.step = 1e-10, .extrapolate = true}), 1, 1e-12);
}

// D01: a central difference errs with the square of the step.
TEST(NumericGradient, ErrsWithTheSquareOfTheStep) {
  const auto f = [](const Tensor& t) { return exp(t); };
  const double truth = std::exp(1.);
  const auto error = [&](double h) {
    return std::abs(numeric_gradient(f, scalar(1, f64), {.step = h}).to_double() - truth);
  };
  EXPECT_NEAR(error(1e-2) / error(1e-3), 100, 1);
}

TEST(NumericGradient, ByVariablesPutsThemBack) {
  Variable w(noise({3}, 26), {.name = "w"});
  const auto before = w.value().to_doubles();
  const auto loss = [&] { return sum(exp(w.value())); };
  expect_near(numeric_gradient(loss, {w})[w], exp(w.value()).to_doubles(), 1e-8);
  EXPECT_EQ(w.value().to_doubles(), before);
  const auto throws = [&]() -> Tensor { throw ValueError("no"); };
  EXPECT_EQ(message_of<ValueError>([&] { numeric_gradient(throws, {w}); }), "no");
  EXPECT_EQ(w.value().to_doubles(), before);
}

TEST(NumericJacobian, RefusesResultsThatChangeTheirSize) {
  for (const bool longer : {false, true}) {
    const auto f = [&](const Tensor& t) {
      const bool moved = t.to_doubles()[0] != 1;
      return zeros({moved == longer ? 5 : 2}, f64);
    };
    for (const bool extrapolate : {false, true}) {
      EXPECT_EQ(message_of<ShapeError>([&] {
                  numeric_jacobian(f, tensor({1., 2.}), {.extrapolate = extrapolate});
                }),
                std::string("numeric_jacobian: the function's results change their size with its "
                            "argument: ") +
                    (longer ? "2 elements, then 5" : "5 elements, then 2"));
    }
    EXPECT_THROW(gradcheck([&](const Tensors& x) -> Tensors { return f(x[0]); }, tensor({1., 2.})),
                 ShapeError);
  }
  // Shorter at the later widths alone: they were read beyond their end.
  int calls = 0;
  const auto shrinking = [&](const Tensor&) { return zeros({++calls > 4 ? 1 : 9}, f64); };
  EXPECT_THROW(numeric_jacobian(shrinking, scalar(1, f64), {.extrapolate = true}), ShapeError);
}

TEST(NumericGradient, SaysWhatItDoesNotTake) {
  const auto f = [](const Tensor& t) { return t * 2; };
  EXPECT_EQ(message_of<ShapeError>([&] { numeric_gradient(f, ones({2})); }),
            "numeric_gradient: the function must return a scalar, got f32[2]");
  EXPECT_EQ(message_of<DTypeError>([&] { numeric_jacobian(f, tensor<int32_t>({1})); }),
            "numeric_jacobian: expected a floating tensor, got i32[1]");
  EXPECT_EQ(message_of<ValueError>([&] { numeric_jacobian(f, ones({1}), {.step = -1}); }),
            "numeric_jacobian: step: expected a number of 0 or more, got -1.000000");
}

}  // namespace
}  // namespace varve
