// Dual numbers beside the library's own forward mode, function by function and to second order.
#include "varve/dual.h"

#include <gtest/gtest.h>

#include <set>

#include "base/pointwise.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

// While compiling.
static_assert(derivative([](auto x) { return x * x; }, 3.0) == 6);
static_assert(second_derivative([](auto x) { return x * x * x; }, 2.0) == 12);
static_assert(derivative([](auto x) { return (x + 1) / (x - 1); }, 3.0) == -0.5);

using D = Dual<double>;
using DD = Dual<Dual<double>>;

struct Unary {
  const char* name;
  D (*dual)(D);
  DD (*second)(DD);
  Dual<float> (*single)(Dual<float>);
  Tensor (*tensor)(const Operand&);
  double low = -2, high = 2;
};

/// One function of one name as a dual, a dual of duals, a dual of floats and a tensor.
#define VARVE_TEST_FUNCTION(name)                                                         \
#name,                                                                                  \
      [](D x) { return name(x); },                                                        \
                                [](DD x) { return name(x); },                             \
                                                           [](Dual <float>                \
                                                                  x) { return name(x); }, \
                                                                                       varve::name

const Unary kUnary[] = {
    {VARVE_TEST_FUNCTION(negative)},
    {VARVE_TEST_FUNCTION(sign)},
    {VARVE_TEST_FUNCTION(square)},
    {VARVE_TEST_FUNCTION(reciprocal), 0.3, 2},
    {VARVE_TEST_FUNCTION(sqrt), 0.3, 2},
    {VARVE_TEST_FUNCTION(rsqrt), 0.3, 2},
    {VARVE_TEST_FUNCTION(exp)},
    {VARVE_TEST_FUNCTION(expm1)},
    {VARVE_TEST_FUNCTION(log), 0.3, 2},
    {VARVE_TEST_FUNCTION(log1p), -0.7, 2},
    {VARVE_TEST_FUNCTION(log2), 0.3, 2},
    {VARVE_TEST_FUNCTION(sin)},
    {VARVE_TEST_FUNCTION(cos)},
    {VARVE_TEST_FUNCTION(tan), -1, 1},
    {VARVE_TEST_FUNCTION(asin), -0.9, 0.9},
    {VARVE_TEST_FUNCTION(acos), -0.9, 0.9},
    {VARVE_TEST_FUNCTION(atan)},
    {VARVE_TEST_FUNCTION(sinh)},
    {VARVE_TEST_FUNCTION(cosh)},
    {VARVE_TEST_FUNCTION(tanh)},
    {VARVE_TEST_FUNCTION(asinh)},
    {VARVE_TEST_FUNCTION(acosh), 1.2, 3},
    {VARVE_TEST_FUNCTION(atanh), -0.9, 0.9},
    {VARVE_TEST_FUNCTION(erf)},
    {VARVE_TEST_FUNCTION(erfc)},
    {VARVE_TEST_FUNCTION(sigmoid), -30, 30},
    {VARVE_TEST_FUNCTION(log_sigmoid), -30, 30},
    {VARVE_TEST_FUNCTION(softplus), -30, 30},
    {VARVE_TEST_FUNCTION(softsign)},
    {VARVE_TEST_FUNCTION(silu), -30, 30},
    {VARVE_TEST_FUNCTION(gelu), -6, 6},
    {VARVE_TEST_FUNCTION(relu)},
    {VARVE_TEST_FUNCTION(floor)},
    {VARVE_TEST_FUNCTION(ceil)},
    {VARVE_TEST_FUNCTION(trunc)},
    {VARVE_TEST_FUNCTION(round)},
    {"identity", [](D x) { return identity(x); }, [](DD x) { return identity(x); },
     [](Dual<float> x) { return identity(x); },
     [](const Operand& x) -> Tensor { return x.tensor() * 1; }},
    {"absolute", [](D x) { return abs(x); }, [](DD x) { return abs(x); },
     [](Dual<float> x) { return abs(x); }, varve::abs},
};

struct Binary {
  const char* name;
  D (*dual)(D, D);
  DD (*second)(DD, DD);
  Tensor (*tensor)(const Operand&, const Operand&);
  double low = -2;
};
#define VARVE_TEST_FUNCTION2(name) \
#name, [](D a, D b) { return name(a, b); }, [](DD a, DD b) { return name(a, b); }, varve::name
#define VARVE_TEST_OPERATOR(name, op) \
#name, [](D a, D b) { return a op b; }, [](DD a, DD b) { return a op b; }, varve::name

const Binary kBinary[] = {
    {VARVE_TEST_OPERATOR(add, +)},        {VARVE_TEST_OPERATOR(subtract, -)},
    {VARVE_TEST_OPERATOR(multiply, *)},   {VARVE_TEST_OPERATOR(divide, /)},
    {VARVE_TEST_FUNCTION2(floor_divide)}, {VARVE_TEST_FUNCTION2(remainder)},
    {VARVE_TEST_FUNCTION2(fmod)},         {VARVE_TEST_FUNCTION2(power), 0.1},
    {VARVE_TEST_FUNCTION2(maximum)},      {VARVE_TEST_FUNCTION2(minimum)},
    {VARVE_TEST_FUNCTION2(atan2)},
};

double value_of(const Tensor& t) { return t.to_double(); }
bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

struct Derivatives {
  double value, first, second;
};
/// The library's: forward mode over forward mode, along (u, v).
Derivatives of_tensors(const TensorsFunction& f, const Tensors& at, const Tensors& along) {
  const auto first = [&](const Tensors& x) { return jvp(f, x, along).tangents; };
  const auto second = jvp(first, at, along);
  return {value_of(f(at)[0]), value_of(second.value[0]), value_of(second.tangents[0])};
}

void expect_same(const std::string& where, const D& first, const DD& second,
                 const Derivatives& expected) {
  const auto near = [&](double got, double want, const char* what) {
    EXPECT_NEAR(got, want, 1e-12 * std::max(1., std::abs(want))) << what << " of " << where;
  };
  near(first.value, expected.value, "value");
  near(first.derivative, expected.first, "derivative");
  near(second.value.value, expected.value, "value in twos");
  near(second.value.derivative, expected.first, "derivative in twos");
  near(second.derivative.derivative, expected.second, "second derivative");
}

TEST(Dual, OfEveryFunctionIsTheLibrarysForwardMode) {
  for (const Unary& u : kUnary) {
    for (int i = 0; i < 9; ++i) {
      const double x = u.low + (u.high - u.low) * (i + 0.37) / 9;
      const Derivatives expected =
          of_tensors([&](const Tensors& t) -> Tensors { return u.tensor(t[0]); }, scalar(x, f64),
                     scalar(1, f64));
      const std::string where = std::string(u.name) + "(" + std::to_string(x) + ")";
      expect_same(where, u.dual(D(x, 1)), u.second(DD(D(x, 1), D(1))), expected);
      const Dual<float> single = u.single({static_cast<float>(x), 1});
      EXPECT_NEAR(single.derivative, expected.first, 3e-5 * std::max(1., std::abs(expected.first)))
          << where << " of floats";
    }
  }
}

TEST(Dual, OfEveryFunctionOfTwoIsTheLibrarysForwardMode) {
  for (const Binary& f : kBinary) {
    for (int i = 0; i < 25; ++i) {
      const double a = f.low + (2 - f.low) * (i % 5 + 0.31) / 5, b = -2 + 4 * (i / 5 + 0.27) / 5;
      const Derivatives expected =
          of_tensors([&](const Tensors& t) -> Tensors { return f.tensor(t[0], t[1]); },
                     {scalar(a, f64), scalar(b, f64)}, {scalar(0.7, f64), scalar(-0.4, f64)});
      const std::string where =
          std::string(f.name) + "(" + std::to_string(a) + ", " + std::to_string(b) + ")";
      expect_same(where, f.dual(D(a, 0.7), D(b, -0.4)),
                  f.second(DD(D(a, 0.7), D(0.7)), DD(D(b, -0.4), D(-0.4))), expected);
    }
  }
}

// 1 / 0.1 rounds to 10, and 0.1 is a little more than a tenth: nine whole ones fit.
TEST(Dual, QuotientsAndRemaindersAreExact) {
  EXPECT_EQ(floor_divide(D(1), D(0.1)).value, 9);
  EXPECT_EQ(fmod(D(1), D(0.1)).value, std::fmod(1, 0.1));
  EXPECT_EQ(remainder(D(-1), D(0.1)).value, std::fmod(-1, 0.1) + 0.1);
  EXPECT_EQ(fmod(D(5), D(INFINITY)).value, 5);
  EXPECT_EQ(remainder(D(-5), D(INFINITY)).value, INFINITY);
  EXPECT_EQ(fmod(D(1e300), D(3)).value, std::fmod(1e300, 3));
  const double places[] = {1, 0.1, 0.3, 0.7, -1, 6, -6.3, 3, 1e17, 1e-7, INFINITY, -INFINITY};
  for (const Binary& f : kBinary) {
    const std::string name = f.name;
    if (name != "floor_divide" && name != "remainder" && name != "fmod") continue;
    for (const double a : places) {
      for (const double b : places) {
        const std::string where = name + "(" + std::to_string(a) + ", " + std::to_string(b) + ")";
        const Tensor expected = f.tensor(scalar(a, f64), scalar(b, f64));
        const D got = f.dual(D(a, 0.7), D(b, -0.4));
        EXPECT_TRUE(same_number(got.value, expected.to_double()))
            << where << ": " << got.value << ", expected " << expected.to_double();
        EXPECT_TRUE(same_number(f.second(DD(D(a)), DD(D(b))).value.value, expected.to_double()))
            << where;
        if (!std::isfinite(got.value)) continue;
        const double slope =
            value_of(jvp([&](const Tensors& t) -> Tensors { return f.tensor(t[0], t[1]); },
                         {scalar(a, f64), scalar(b, f64)}, {scalar(0.7, f64), scalar(-0.4, f64)})
                         .tangents[0]);
        EXPECT_TRUE(same_number(got.derivative, slope))
            << where << ": derivative " << got.derivative << ", expected " << slope;
      }
    }
  }
}

const double kSpecialPlaces[] = {0.,     -0.,    1,       -1,       0.5,       -0.5, 1e200,
                                 -1e200, 1e-200, -1e-200, INFINITY, -INFINITY, NAN};

void expect_the_librarys(const std::string& where, const D& got, const Tensor& value,
                         const Tensor& slope) {
  const auto near = [](double a, double b) {
    return same_number(a, b) || std::abs(a - b) <= 1e-12 * std::abs(b);
  };
  EXPECT_TRUE(near(got.value, value.to_double()))
      << where << ": " << got.value << ", expected " << value.to_double();
  // Of what is no number there is no derivative either.
  if (std::isnan(got.value)) return;
  EXPECT_TRUE(near(got.derivative, slope.to_double()))
      << where << ": derivative " << got.derivative << ", expected " << slope.to_double();
}

TEST(Dual, AtSpecialNumbersIsTheLibrarysForwardMode) {
  for (const Unary& u : kUnary) {
    for (const double x : kSpecialPlaces) {
      // The limit, 1; the library multiplies infinity by 0 there.
      if (u.tensor == varve::gelu && x == INFINITY) continue;
      const auto expected = jvp([&](const Tensors& t) -> Tensors { return u.tensor(t[0]); },
                                scalar(x, f64), scalar(1, f64));
      expect_the_librarys(std::string(u.name) + "(" + std::to_string(x) + ")", u.dual(D(x, 1)),
                          expected.value[0], expected.tangents[0]);
    }
  }
}

// One argument moves, the other is a constant.
TEST(Dual, OfTwoAtSpecialNumbersIsTheLibrarysForwardMode) {
  for (const Binary& f : kBinary) {
    for (const double a : kSpecialPlaces) {
      for (const double b : kSpecialPlaces) {
        const std::string where =
            std::string(f.name) + "(" + std::to_string(a) + ", " + std::to_string(b) + ")";
        const auto by_first =
            jvp([&](const Tensors& t) -> Tensors { return f.tensor(t[0], scalar(b, f64)); },
                scalar(a, f64), scalar(1, f64));
        expect_the_librarys(where + " by the first", f.dual(D(a, 1), D(b)), by_first.value[0],
                            by_first.tangents[0]);
        const auto by_second =
            jvp([&](const Tensors& t) -> Tensors { return f.tensor(scalar(a, f64), t[0]); },
                scalar(b, f64), scalar(1, f64));
        expect_the_librarys(where + " by the second", f.dual(D(a), D(b, 1)), by_second.value[0],
                            by_second.tangents[0]);
      }
    }
  }
}

TEST(Dual, OfConstantsIsZero) {
  const D x(3, 1), zero(0);
  EXPECT_EQ((x + sqrt(zero)).derivative, 1);
  EXPECT_EQ((x + rsqrt(zero) + log(zero) + 1 / zero + power(zero, 0.5)).derivative, 1);
  EXPECT_EQ((x + asin(D(1)) + atanh(D(1)) + exp(D(1000)) + atan2(zero, zero)).derivative, 1);
  EXPECT_EQ((D(INFINITY, 1) * 2).derivative, 2);
  EXPECT_EQ((D(INFINITY, 1) / 2).derivative, 0.5);
  EXPECT_EQ(second_derivative([](auto v) { return v * v + sqrt(decltype(v)(0)); }, 3.0), 2);
  // By the plain number: the exponent moves, the base stands at 0.
  EXPECT_EQ(derivative([](auto v) { return power(0, v); }, 0.5), 0);
  EXPECT_TRUE(is_nan(clip(D(1, 1), NAN, 2)) && is_nan(clip(D(1, 1), 0, NAN)));
}

TEST(Dual, KnowsEveryFunctionOfRealNumbersInThePointwiseTable) {
  std::set<std::string> known{"select",     "clip",    "is_nan",       "is_finite",
                              "is_inf",     "equal",   "not_equal",    "less",
                              "less_equal", "greater", "greater_equal"};
  for (const Unary& u : kUnary) known.insert(u.name);
  for (const Binary& b : kBinary) known.insert(b.name);
  for (int i = 0; i < kPointwiseCount; ++i) {
    const std::string name = info(static_cast<Pointwise>(i)).name;
    // Truth values and bits are no duals.
    const bool bits = name.find("logical_") == 0 || name.find("bitwise_") == 0 ||
                      name.find("_shift") != name.npos;
    EXPECT_TRUE(bits || known.contains(name)) << name;
  }
}

TEST(Dual, AtKinksAgreesWithTheLibrary) {
  const auto zero = scalar(0, f64), one = scalar(1, f64);
  const auto slope = [&](const TensorsFunction& f) {
    return value_of(jvp(f, zero, one).tangents[0]);
  };
  EXPECT_EQ(derivative([](auto x) { return abs(x); }, 0.0),
            slope([](const Tensors& t) -> Tensors { return varve::abs(t[0]); }));
  EXPECT_EQ(derivative([](auto x) { return relu(x); }, 0.0),
            slope([](const Tensors& t) -> Tensors { return varve::relu(t[0]); }));
  EXPECT_EQ(derivative([](auto x) { return maximum(x, 0); }, 0.0), 0.5);
  EXPECT_EQ(slope([](const Tensors& t) -> Tensors { return varve::maximum(t[0], 0); }), 0.5);
  for (const double x : {-2., -1., 0., 1., 2.}) {
    const auto by_library =
        value_of(jvp([](const Tensors& t) -> Tensors { return varve::clip(t[0], -1, 1); },
                     scalar(x, f64), one)
                     .tangents[0]);
    EXPECT_EQ(derivative([](auto v) { return clip(v, -1, 1); }, x), by_library) << x;
  }
}

TEST(Dual, OfPowersOfNegativeNumbersByConstantsIsANumber) {
  EXPECT_EQ(derivative([](auto x) { return power(x, 3); }, -2.0), 12);
  EXPECT_EQ(derivative([](auto x) { return power(x, 2); }, 0.0), 0);
  EXPECT_EQ(derivative([](auto x) { return power(x, 0); }, 0.0), 0);
  EXPECT_NEAR(derivative([](auto x) { return power(2, x); }, 3.0), 8 * std::log(2), 1e-14);
}

TEST(Dual, MixesWithNumbersAndCompares) {
  const D x(2, 1);
  EXPECT_EQ((1 + x * 3 - 4.5f / x).derivative, 3 + 4.5 / 4);
  EXPECT_TRUE(x > 1 && x < 3 && x == 2 && x != 3 && 1 <= x && x >= 2.0);
  D y = x;
  y += 1;
  y *= x;
  y -= 2;
  y /= 2;
  EXPECT_EQ(y.value, 2);
  EXPECT_EQ(y.derivative, 2.5);
  EXPECT_EQ(where(x > 1, x * x, D(0)).derivative, 4);
  EXPECT_TRUE(is_nan(D(NAN)) && is_inf(D(INFINITY)) && is_finite(x));
}

// The notes: a loop with a condition is differentiated as it runs.
TEST(Dual, GoesThroughLoopsAndBranches) {
  const auto newton = [](auto a) {
    auto x = a;
    for (int i = 0; i < 20; ++i) x = (x + a / x) / 2;
    return x;
  };
  EXPECT_NEAR(derivative(newton, 2.0), 0.5 / std::sqrt(2.), 1e-15);
  EXPECT_NEAR(second_derivative(newton, 2.0), -0.25 / std::pow(2., 1.5), 1e-15);
}

}  // namespace
}  // namespace varve
