// Control flow: what loops and branches compute, differentiate and carry, against the same written
// out in C++.
#include <gtest/gtest.h>

#include <cmath>

#include "../support/errors.h"
#include "varve/varve.h"

namespace varve {
namespace {

Tensor doubles(std::vector<double> v) { return tensor(v, Shape{v.size()}); }

void expect_near(const Tensor& got, const Tensor& expected, double tolerance = 1e-12) {
  ASSERT_EQ(got.shape(), expected.shape());
  const auto a = got.to_doubles(), b = expected.to_doubles();
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], tolerance * std::max(1.0, std::abs(b[i]))) << "at " << i;
}

/// A small recurrent net, as a scan and written out.
Tensor recurrent(const Tensor& w, const Tensor& u, const Tensor& h0, const Tensor& xs,
                 bool reverse = false) {
  const auto r = scan(
      [&](const Tensors& h, const Tensors& x) -> ScanStep {
        const Tensor next = tanh(matmul(h[0], w) + matmul(x[0], u));
        return {next, next * next};
      },
      h0, xs, {.reverse = reverse});
  return sum(r.carry.only()) + 2 * sum(r.outputs.only());
}
Tensor written_out(const Tensor& w, const Tensor& u, const Tensor& h0, const Tensor& xs,
                   bool reverse = false) {
  Tensor h = h0, total = scalar(0, f64);
  for (int64_t i = 0; i < xs.shape()[0]; ++i) {
    const int64_t t = reverse ? xs.shape()[0] - 1 - i : i;
    h = tanh(matmul(h, w) + matmul(index(xs, {t}), u));
    total = total + sum(h * h);
  }
  return sum(h) + 2 * total;
}
struct RecurrentCase {
  Tensor w = random::normal(Key(1), {3, 3}, {.dtype = f64}),
         u = random::normal(Key(2), {2, 3}, {.dtype = f64}),
         h0 = random::normal(Key(3), {4, 3}, {.dtype = f64}),
         xs = random::normal(Key(4), {5, 4, 2}, {.dtype = f64});
};

TEST(Scan, ComputesAndDifferentiatesLikeTheLoopWrittenOut) {
  const RecurrentCase c;
  for (bool reverse : {false, true}) {
    const auto f = [&](const Tensor& w, const Tensor& u, const Tensor& h, const Tensor& x) {
      return recurrent(w, u, h, x, reverse);
    };
    const auto g = [&](const Tensor& w, const Tensor& u, const Tensor& h, const Tensor& x) {
      return written_out(w, u, h, x, reverse);
    };
    const auto a = value_and_grad(f)(c.w, c.u, c.h0, c.xs),
               b = value_and_grad(g)(c.w, c.u, c.h0, c.xs);
    expect_near(a.value, b.value);
    for (size_t i = 0; i < 4; ++i) expect_near(a.grads[i], b.grads[i]);
    const auto compiled = jit([&](const Tensor& w, const Tensor& u, const Tensor& h,
                                  const Tensor& x) { return value_and_grad(f)(w, u, h, x); });
    const auto d = compiled(c.w, c.u, c.h0, c.xs);
    expect_near(d.value, b.value);
    for (size_t i = 0; i < 4; ++i) expect_near(d.grads[i], b.grads[i]);
  }
}

TEST(Scan, PassesGradientChecksInBothModesAndTwice) {
  const RecurrentCase c;
  const TensorsFunction f = [](const Tensors& x) -> Tensors {
    return recurrent(x[0], x[1], x[2], x[3]);
  };
  const Tensors at{c.w, c.u, c.h0, c.xs};
  EXPECT_NO_THROW(gradcheck(f, at));
  const TensorsFunction slope = [&](const Tensors& x) -> Tensors {
    return vjp(f, x, scalar(1, f64)).cotangents;
  };
  EXPECT_NO_THROW(gradcheck(slope, at));
}

TEST(Scan, ForwardModeAgreesWithReverseMode) {
  const RecurrentCase c;
  const TensorsFunction f = [](const Tensors& x) -> Tensors {
    return recurrent(x[0], x[1], x[2], x[3]);
  };
  const Tensors at{c.w, c.u, c.h0, c.xs};
  std::vector<Tensor> tangents;
  double expected = 0;
  const Tensors g = vjp(f, at, scalar(1, f64)).cotangents;
  for (size_t i = 0; i < at.size(); ++i) {
    tangents.push_back(random::normal(Key(10 + i), at[i].shape(), {.dtype = f64}));
    expected += sum(g[i] * tangents[i]).item<double>();
  }
  EXPECT_NEAR(jvp(f, at, tangents).tangents.only().item<double>(), expected, 1e-10);
}

TEST(Scan, CarriesVariablesThatItsBodyAssigns) {
  Variable count(tensor({0.0f}));
  const Variable weight(tensor({3.0f}));
  const auto r = scan(
      [&](const Tensors& c, const Tensors& x) -> ScanStep {
        count.assign(count.value() + 1);
        return {c[0] + weight.value() * x[0] * count.value(), {}};
      },
      tensor({0.0f}), tensor({1.0f, 10.0f, 100.0f}, {3, 1}));
  EXPECT_EQ(r.carry.only().to_doubles(), std::vector<double>{3 * 1 + 3 * 20 + 3 * 300});
  EXPECT_EQ(count.value().to_doubles(), std::vector<double>{3});
  EXPECT_EQ(weight.value().to_doubles(), std::vector<double>{3});
  const auto g = value_and_grad(
      [&](const Tensor& x) {
        return sum(scan(
                       [&](const Tensors& c, const Tensors& e) -> ScanStep {
                         return {c[0] + weight.value() * weight.value() * e[0], {}};
                       },
                       tensor({0.0f}), x)
                       .carry.only());
      },
      Variables{weight})(tensor({1.0f, 10.0f, 100.0f}, {3, 1}));
  EXPECT_EQ(g.grads[weight].to_doubles(), std::vector<double>{2 * 3 * 111});
}

TEST(Scan, OfNoStepsGivesTheCarryAndAGradientOfOne) {
  const auto f = [](const Tensor& c, const Tensor& x) {
    const auto r = scan(
        [](const Tensors& a, const Tensors& b) -> ScanStep {
          return {a[0] * b[0], a[0]};
        },
        c, x);
    EXPECT_EQ(r.outputs.only().shape(), (Shape{0}));
    return r.carry.only();
  };
  const auto r = value_and_grad(f)(scalar(5, f64), tensor(std::vector<double>{}, {0}));
  EXPECT_EQ(r.value.item<double>(), 5);
  EXPECT_EQ(r.grads[0].item<double>(), 1);
  EXPECT_EQ(r.grads[1].shape(), (Shape{0}));
}

TEST(Scan, CountsIntegersBesideWhatIsDifferentiated) {
  // sum over t of t * x^t by a carried power and a carried integer
  const auto f = [](const Tensor& x) {
    const auto r = scan(
        [&](const Tensors& c, const Tensors&) -> ScanStep {
          const Tensor power = c[0] * x;
          const Tensor t = c[1] + 1;
          return {{power, t}, power * cast(t, f64)};
        },
        {scalar(1, f64), scalar(0, i64)}, {}, {.length = 4});
    return sum(r.outputs.only());
  };
  const auto r = value_and_grad(f)(scalar(2, f64));
  EXPECT_DOUBLE_EQ(r.value.item<double>(), 2 + 2 * 4 + 3 * 8 + 4 * 16);
  EXPECT_DOUBLE_EQ(r.grads[0].item<double>(), 1 + 4 * 2 + 9 * 4 + 16 * 8);
}

TEST(Scan, NestsAndCapturesFromEveryLevel) {
  const Tensor a = scalar(0.5, f64);
  const auto f = [&](const Tensor& w) {
    const auto outer = scan(
        [&](const Tensors& c, const Tensors& x) -> ScanStep {
          const Tensor scaled = x[0] * w;
          const auto inner = scan(
              [&](const Tensors& d, const Tensors&) -> ScanStep {
                return {d[0] * w + scaled * a, {}};
              },
              c, {}, {.length = 3});
          return {inner.carry, {}};
        },
        scalar(1, f64), doubles({1, 2, 3}));
    return outer.carry.only();
  };
  const auto loop = [&](const Tensor& w) {
    Tensor c = scalar(1, f64);
    for (double x : {1.0, 2.0, 3.0}) {
      for (int i = 0; i < 3; ++i) c = c * w + x * w * a;
    }
    return c;
  };
  const auto x = value_and_grad(f)(scalar(1.25, f64)), y = value_and_grad(loop)(scalar(1.25, f64));
  EXPECT_NEAR(x.value.item<double>(), y.value.item<double>(), 1e-12);
  EXPECT_NEAR(x.grads[0].item<double>(), y.grads[0].item<double>(), 1e-10);
}

TEST(Cond, TakesOneBranchAndItsDerivative) {
  const auto f = jit([](const Tensor& x) {
    return value_and_grad([](const Tensor& v) {
      return cond(
                 v > 1, [&] { return v * v * v; }, [&] { return 5 * v; })
          .only();
    })(x);
  });
  EXPECT_EQ(f(scalar(2, f64)).value.item<double>(), 8);
  EXPECT_EQ(f(scalar(2, f64)).grads[0].item<double>(), 12);
  EXPECT_EQ(f(scalar(0.5, f64)).value.item<double>(), 2.5);
  EXPECT_EQ(f(scalar(0.5, f64)).grads[0].item<double>(), 5);
  const auto t = jvp(
      [](const Tensors& x) -> Tensors {
        return cond(
            x[0] > 1, [&] { return x[0] * x[0] * x[0]; }, [&] { return 5 * x[0]; });
      },
      scalar(2, f64), scalar(10, f64));
  EXPECT_EQ(t.tangents.only().item<double>(), 120);
}

// The branch that is not taken must not run: its NaN would reach the gradient by way of a where.
TEST(Cond, KeepsWhatTheOtherBranchWouldHaveMadeNaNOutOfTheGradient) {
  const auto f = [](const Tensor& x) {
    return cond(
               x > 0, [&] { return sqrt(x); }, [&] { return x * 0; })
        .only();
  };
  EXPECT_EQ(grad(f)(scalar(0, f64)).item<double>(), 0);
  EXPECT_EQ(grad(f)(scalar(4, f64)).item<double>(), 0.25);
}

TEST(Cond, AssignsVariablesOfTheBranchTaken) {
  Variable hits(tensor({0.0f})), misses(tensor({0.0f}));
  const auto f = jit([&](const Tensor& x) {
    return cond(
               x > 0,
               [&] {
                 hits.assign(hits.value() + 1);
                 return x;
               },
               [&] {
                 misses.assign(misses.value() + 1);
                 return -x;
               })
        .only();
  });
  for (float v : {1.f, -2.f, 3.f}) EXPECT_EQ(f(scalar(v, f32)).item<float>(), std::abs(v));
  EXPECT_EQ(hits.value().to_doubles(), std::vector<double>{2});
  EXPECT_EQ(misses.value().to_doubles(), std::vector<double>{1});
}

TEST(WhileLoop, RunsAsLongAsItsConditionHolds) {
  // Newton's square root of 2, until it stands still; and Euclid's algorithm on integers
  const auto root =
      while_loop([](const Tensors& s) { return abs(s[0] * s[0] - 2) > 1e-12; },
                 [](const Tensors& s) -> Tensors { return (s[0] + 2 / s[0]) / 2; }, scalar(1, f64));
  EXPECT_NEAR(root.only().item<double>(), std::sqrt(2.0), 1e-12);
  const auto gcd = jit([](const Tensor& a, const Tensor& b) {
    return while_loop([](const Tensors& s) { return s[1] != 0; },
                      [](const Tensors& s) -> Tensors {
                        return {s[1], s[0] % s[1]};
                      },
                      {a, b})[0];
  });
  EXPECT_EQ(gcd(scalar(1071, i64), scalar(462, i64)).item<int64_t>(), 21);
  EXPECT_EQ(gcd(scalar(17, i64), scalar(0, i64)).item<int64_t>(), 17);
}

TEST(WhileLoop, DifferentiatesForwardAlwaysAndBackwardWithABound) {
  // x multiplied by w until it passes 10: w^n x
  const auto f = [](const Tensor& w, const Tensor& x, std::optional<int64_t> bound) {
    return while_loop([](const Tensors& s) { return s[0] < 10; },
                      [&](const Tensors& s) -> Tensors { return s[0] * w; }, x,
                      {.max_steps = bound})
        .only();
  };
  const Tensor w = scalar(1.5, f64), x = scalar(1, f64);  // 1.5^6 = 11.390625
  const auto both =
      value_and_grad([&](const Tensor& a, const Tensor& b) { return f(a, b, 20); })(w, x);
  EXPECT_DOUBLE_EQ(both.value.item<double>(), std::pow(1.5, 6));
  EXPECT_DOUBLE_EQ(both.grads[0].item<double>(), 6 * std::pow(1.5, 5));
  EXPECT_DOUBLE_EQ(both.grads[1].item<double>(), std::pow(1.5, 6));
  const auto moved = jvp([&](const Tensors& v) -> Tensors { return f(v[0], v[1], {}); }, {w, x},
                         {scalar(1, f64), scalar(0, f64)});
  EXPECT_DOUBLE_EQ(moved.tangents.only().item<double>(), 6 * std::pow(1.5, 5));
  try {
    grad([&](const Tensor& a) { return f(a, x, {}); })(w);
    FAIL() << "reverse mode without a bound";
  } catch (const UnsupportedError& e) {
    EXPECT_NE(std::string(e.what()).find("max_steps"), std::string::npos) << e.what();
  }
}

TEST(WhileLoop, StopsAtItsBound) {
  const auto r = while_loop([](const Tensors&) { return scalar(1, DType::bool_); },
                            [](const Tensors& s) -> Tensors { return s[0] + 1; }, scalar(0, i64),
                            {.max_steps = 7});
  EXPECT_EQ(r.only().item<int64_t>(), 7);
}

TEST(ControlFlow, NamesWhatDoesNotFit) {
  const Tensor x = scalar(1, f32);
  const auto message = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  const auto has = [&](const std::function<void()>& f, const std::string& part) {
    EXPECT_NE(message(f).find(part), std::string::npos) << message(f);
  };
  has(
      [&] {
        cond(
            x, [&] { return x; }, [&] { return x; });
      },
      "expected a condition of type bool[]");
  has(
      [&] {
        cond(
            x > 0, [&] { return x; }, [&] { return cast(x, f64); });
      },
      "result of the else branch 0: expected f32[], got f64[]");
  has(
      [&] {
        scan([](const Tensors& c, const Tensors&) -> ScanStep { return {c, {}}; }, x, {});
      },
      "give {.length = n}");
  has(
      [&] {
        scan(
            [](const Tensors& c, const Tensors&) -> ScanStep {
              return {c, {}};
            },
            x, {tensor({1.f, 2.f}), tensor({1.f})});
      },
      "x 1: expected length 2");
  has(
      [&] {
        scan(
            [&](const Tensors&, const Tensors& y) -> ScanStep {
              return {cast(y[0], f64), {}};
            },
            x, tensor({1.f, 2.f}));
      },
      "carry that the body gives, 0: expected f32[], got f64[]");
  has([&] { while_loop([&](const Tensors&) { return x; }, [](const Tensors& s) { return s; }, x); },
      "expected a condition of type bool[]");
  has(
      [&] {
        cond(
            x > 0, [&] { return debug::print(x); }, [&] { return x; });
      },
      "debug::print inside a body");
}

TEST(ControlFlow, ReportsAnIndexOutOfRangeInABody) {
  const Tensor table = tensor({1.f, 2.f, 3.f});
  const auto f = jit([&](const Tensor& ids) {
    return scan(
               [&](const Tensors& c, const Tensors& i) -> ScanStep {
                 return {c[0] + take(table, i[0], 0), {}};
               },
               scalar(0, f32), ids)
        .carry.only();
  });
  EXPECT_EQ(f(tensor<int64_t>({0, 2, 2})).item<float>(), 7);
  EXPECT_THROW(f(tensor<int64_t>({0, 3, 1})), IndexError);
  EXPECT_EQ(f(tensor<int64_t>({1, 1, 1})).item<float>(), 6);
}

}  // namespace
}  // namespace varve
