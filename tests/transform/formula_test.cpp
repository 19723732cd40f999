// Formulas: sixty derivatives out of textbooks, each by its text and by its values; what printing
// and simplifying do otherwise; and what derivatives cost.
#include "varve/formula.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <map>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/control.h"
#include "varve/gradcheck.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::message_of;

/// Reads a formula of x and gives its value: the text alone is what is held against differences.
class Calculator {
 public:
  Calculator(const std::string& text, double x) : text_(text), x_(x) {}
  double value() {
    const double v = comparison();
    if (at_ != text_.size()) fail();
    return v;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::runtime_error("not understood at " + std::to_string(at_) + ": " + text_);
  }
  void space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  double comparison() {
    const double a = sum();
    if (take('>')) return a > sum();
    if (take('<')) return a < sum();
    return a;
  }
  double sum() {
    double v = take('-') ? -product() : product();
    for (;;) {
      if (take('+')) {
        v += product();
      } else if (take('-')) {
        v -= product();
      } else {
        return v;
      }
    }
  }
  double product() {
    double v = raised();
    for (;;) {
      if (take('*')) {
        v *= raised();
      } else if (take('/')) {
        v /= raised();
      } else {
        return v;
      }
    }
  }
  double raised() {
    const double base = atom();
    return take('^') ? std::pow(base, atom()) : base;
  }
  double atom() {
    if (take('(')) {
      const double v = comparison();
      if (!take(')')) fail();
      return v;
    }
    space();
    if (at_ < text_.size() && (std::isdigit(text_[at_]) || text_[at_] == '.')) {
      size_t n = 0;
      const double v = std::stod(text_.substr(at_), &n);
      at_ += n;
      return v;
    }
    std::string name;
    while (at_ < text_.size() && (std::isalnum(text_[at_]) || text_[at_] == '_'))
      name += text_[at_++];
    if (name == "x") return x_;
    if (name == "pi") return M_PI;
    return function(name);
  }
  double function(const std::string& name) {
    if (!take('(')) fail();
    std::vector<double> a{comparison()};
    while (take(',')) a.push_back(comparison());
    if (!take(')')) fail();
    if (name == "where" && a.size() == 3) return a[0] != 0 ? a[1] : a[2];
    static const std::map<std::string, double (*)(double)> known{
        {"sin", [](double v) { return std::sin(v); }},
        {"cos", [](double v) { return std::cos(v); }},
        {"tan", [](double v) { return std::tan(v); }},
        {"atan", [](double v) { return std::atan(v); }},
        {"asin", [](double v) { return std::asin(v); }},
        {"exp", [](double v) { return std::exp(v); }},
        {"log", [](double v) { return std::log(v); }},
        {"sqrt", [](double v) { return std::sqrt(v); }},
        {"abs", [](double v) { return std::abs(v); }},
        {"sign", [](double v) { return double((v > 0) - (v < 0)); }},
        {"sinh", [](double v) { return std::sinh(v); }},
        {"cosh", [](double v) { return std::cosh(v); }},
        {"tanh", [](double v) { return std::tanh(v); }},
        {"erf", [](double v) { return std::erf(v); }},
        {"sigmoid", [](double v) { return 1 / (1 + std::exp(-v)); }},
    };
    if (!known.contains(name) || a.size() != 1) fail();
    return known.at(name)(a[0]);
  }

  const std::string& text_;
  double x_;
  size_t at_ = 0;
};

double value_of(const std::string& formula, double x) { return Calculator(formula, x).value(); }

using X = const Tensor&;
struct Textbook {
  const char* function;
  Tensor (*f)(X);
  const char* derivative;
  double low = 0.2, high = 2;  ///< where f is defined and the places of comparison lie
};

// Exercises of first courses in calculus (Spivak, Calculus, chapters 9 to 20; Stewart, Calculus,
// chapter 3), the activations of the notes at the end.
const Textbook kTextbook[] = {
    {"5", [](X x) { return 0 * x + 5; }, "0"},
    {"x", [](X x) { return x + 0; }, "1"},
    {"3*x + 2", [](X x) { return 3 * x + 2; }, "3"},
    {"x*x", [](X x) { return x * x; }, "2*x"},
    {"x^3", [](X x) { return power(x, 3); }, "3*x^2"},
    {"x*x*x*x", [](X x) { return x * x * x * x; }, "4*x^3"},
    {"x^10", [](X x) { return power(x, 10); }, "10*x^9"},
    {"x^3/3", [](X x) { return power(x, 3) / 3; }, "x^2"},
    {"x^3 - x^2 + x - 1", [](X x) { return x * x * x - x * x + x - 1; }, "3*x^2 - 2*x + 1"},
    {"(x + 1)^2", [](X x) { return square(x + 1); }, "2*x + 2"},
    {"(2x + 3)^5", [](X x) { return power(2 * x + 3, 5); }, "10*(2*x + 3)^4"},
    {"1/x", [](X x) { return 1 / x; }, "-1/x^2"},
    {"1/x^2", [](X x) { return 1 / square(x); }, "-2/x^3"},
    {"x + 1/x", [](X x) { return x + 1 / x; }, "1 - 1/x^2"},
    {"sqrt(x)", [](X x) { return sqrt(x); }, "1/(2*sqrt(x))"},
    {"1/sqrt(x)", [](X x) { return 1 / sqrt(x); }, "-1/(2*x^(3/2))"},
    {"x^(1/3)", [](X x) { return power(x, 1. / 3); }, "1/(3*x^(2/3))"},
    {"x^(3/2)", [](X x) { return x * sqrt(x); }, "3*sqrt(x)/2"},
    {"sqrt(1 + x^2)", [](X x) { return sqrt(1 + square(x)); }, "x/sqrt(x^2 + 1)"},
    {"sqrt(1 - x^2)", [](X x) { return sqrt(1 - square(x)); }, "-x/sqrt(1 - x^2)", -0.9, 0.9},
    {"x/(1 + x)", [](X x) { return x / (1 + x); }, "1/(x + 1)^2"},
    {"1/(1 + x^2)", [](X x) { return 1 / (1 + x * x); }, "-2*x/(x^2 + 1)^2"},
    {"(x - 1)/(x + 1)", [](X x) { return (x - 1) / (x + 1); }, "2/(x + 1)^2"},
    {"x/(1 + x^2)", [](X x) { return x / (1 + x * x); }, "(1 - x^2)/(x^2 + 1)^2"},
    {"exp(x)", [](X x) { return exp(x); }, "exp(x)"},
    {"exp(2x)", [](X x) { return exp(2 * x); }, "2*exp(2*x)"},
    {"exp(-x^2)", [](X x) { return exp(-square(x)); }, "-2*x*exp(-x^2)"},
    {"exp(-x^2/2)", [](X x) { return exp(-square(x) / 2); }, "-x*exp(-x^2/2)"},
    {"x exp(x)", [](X x) { return x * exp(x); }, "exp(x)*(x + 1)"},
    {"x^2 exp(-x)", [](X x) { return square(x) * exp(-x); }, "exp(-x)*(2*x - x^2)"},
    {"2^x", [](X x) { return power(2, x); }, "2^x*log(2)"},
    {"x^x", [](X x) { return power(x, x); }, "x^x*(log(x) + 1)"},
    {"log(x)", [](X x) { return log(x); }, "1/x"},
    {"log(3x)", [](X x) { return log(3 * x); }, "1/x"},
    {"log2(x)", [](X x) { return log2(x); }, "1/(x*log(2))"},
    {"x log(x)", [](X x) { return x * log(x); }, "log(x) + 1"},
    {"x log(x) - x", [](X x) { return x * log(x) - x; }, "log(x)"},
    {"log(x)/x", [](X x) { return log(x) / x; }, "(1 - log(x))/x^2"},
    {"log(1 + x^2)", [](X x) { return log(1 + square(x)); }, "2*x/(x^2 + 1)"},
    {"log(log(x))", [](X x) { return log(log(x)); }, "1/(x*log(x))", 1.5, 4},
    {"log(exp(x))", [](X x) { return log(exp(x)); }, "1"},
    {"exp(3 log(x))", [](X x) { return exp(3 * log(x)); }, "3*x^2"},
    {"sin(x)", [](X x) { return sin(x); }, "cos(x)"},
    {"cos(x)", [](X x) { return cos(x); }, "-sin(x)"},
    {"tan(x)", [](X x) { return tan(x); }, "tan(x)^2 + 1", -1, 1},
    {"sin(3x)", [](X x) { return sin(3 * x); }, "3*cos(3*x)"},
    {"cos(x^2)", [](X x) { return cos(x * x); }, "-2*x*sin(x^2)"},
    {"sin(x)^2", [](X x) { return square(sin(x)); }, "2*cos(x)*sin(x)"},
    {"sin(x)^2 + cos(x)^2", [](X x) { return square(sin(x)) + square(cos(x)); }, "0"},
    {"x sin(x)", [](X x) { return x * sin(x); }, "x*cos(x) + sin(x)"},
    {"exp(sin(x))", [](X x) { return exp(sin(x)); }, "cos(x)*exp(sin(x))"},
    {"exp(x) sin(x)", [](X x) { return exp(x) * sin(x); }, "exp(x)*(cos(x) + sin(x))"},
    {"sin(x)/x", [](X x) { return sin(x) / x; }, "cos(x)/x - sin(x)/x^2"},
    {"log(cos(x))", [](X x) { return log(cos(x)); }, "-tan(x)", -1, 1},
    {"asin(x)", [](X x) { return asin(x); }, "1/sqrt(1 - x^2)", -0.9, 0.9},
    {"acos(x)", [](X x) { return acos(x); }, "-1/sqrt(1 - x^2)", -0.9, 0.9},
    {"atan(x)", [](X x) { return atan(x); }, "1/(x^2 + 1)"},
    {"x atan(x)", [](X x) { return x * atan(x); }, "x/(x^2 + 1) + atan(x)"},
    {"sinh(x)", [](X x) { return sinh(x); }, "cosh(x)"},
    {"cosh(x)", [](X x) { return cosh(x); }, "sinh(x)"},
    {"tanh(x)", [](X x) { return tanh(x); }, "1 - tanh(x)^2"},
    {"asinh(x)", [](X x) { return asinh(x); }, "1/sqrt(x^2 + 1)"},
    {"|x|", [](X x) { return abs(x); }, "sign(x)", -2, 2},
    {"x|x|", [](X x) { return x * abs(x); }, "2*abs(x)", -2, 2},
    {"erf(x)", [](X x) { return erf(x); }, "2*exp(-x^2)/sqrt(pi)"},
    {"sigmoid(x)", [](X x) { return sigmoid(x); }, "sigmoid(x)*(1 - sigmoid(x))", -2, 2},
    {"softplus(x)", [](X x) { return softplus(x); }, "sigmoid(x)", -2, 2},
    {"relu(x)", [](X x) { return relu(x); }, "where(x > 0, 1, 0)", -2, 2},
};

TEST(Formula, OfSixtyTextbookDerivativesIsThatOfTheBook) {
  EXPECT_GE(std::size(kTextbook), 60u);
  for (const Textbook& t : kTextbook) {
    EXPECT_EQ(formula(grad(t.f), "x"), t.derivative) << "of " << t.function;
  }
}

TEST(Formula, OfSixtyTextbookDerivativesHasTheValuesThatDifferencesGive) {
  for (const Textbook& t : kTextbook) {
    const std::string text = formula(grad(t.f), "x");
    const Tensor places =
        random::uniform(Key(7), {8}, {.low = t.low, .high = t.high, .dtype = f64});
    for (double x : places.to_doubles()) {
      const double expected = numeric_gradient(t.f, scalar(x, f64)).to_double();
      EXPECT_NEAR(value_of(text, x), expected, 1e-7 * std::max(1., std::abs(expected)))
          << text << " at " << x << ", of " << t.function;
    }
  }
}

TEST(Formula, OfAFunctionItselfCollectsLikeTerms) {
  EXPECT_EQ(formula([](X x) { return x + x + x; }, "x"), "3*x");
  EXPECT_EQ(formula([](X x) { return x - x; }, "x"), "0");
  EXPECT_EQ(formula([](X x) { return x / x; }, "x"), "1");
  EXPECT_EQ(formula([](X x) { return exp(x) * exp(x) / exp(3 * x); }, "x"), "exp(-x)");
  EXPECT_EQ(formula([](X x) { return sqrt(x * x); }, "x"), "abs(x)");
  EXPECT_EQ(formula([](X x) { return sin(x) / cos(x); }, "x"), "tan(x)");
  EXPECT_EQ(formula([](X x) { return 0.1 * x + 0.25 * x * x; }, "x"), "x^2/4 + 0.1*x");
  EXPECT_EQ(formula(varve::sin, "angle"), "sin(angle)");
}

TEST(Formula, KeepsChoicesThatAreNotTheirOtherBranch) {
  EXPECT_EQ(formula([](X x) { return where(x == 0, 5, x); }, "x"), "where(x == 0, 5, x)");
  EXPECT_EQ(formula([](X x) { return where(x == 2, 4, x * x); }, "x"), "x^2");
  EXPECT_EQ(formula([](X x) { return where(x == 2, 5, x * x); }, "x"), "where(x == 2, 5, x^2)");
  EXPECT_EQ(formula([](X x, X y) { return where(x == y, x, y); }, "x", "y"), "y");
  EXPECT_EQ(formula([](X x, X y) { return where(x == y, x * y, y * y); }, "x", "y"), "y^2");
  EXPECT_EQ(formula([](X x, X y) { return where(x == y, 1, y); }, "x", "y"), "where(x == y, 1, y)");
  // A guard's number at a point where the rest has none is a value of its own, but for 0.
  EXPECT_EQ(formula([](X x) { return where(x == 0, 1, sin(x) / x); }, "x"),
            "where(x == 0, 1, sin(x)/x)");
  EXPECT_EQ(formula([](X x) { return where(x == 0, 0, x * log(x)); }, "x"), "x*log(x)");
  // Within a branch its condition is known.
  EXPECT_EQ(formula([](X x) { return where(x > 1, where(x > 1, x, 2), where(x > 1, 3, -x)); }, "x"),
            "where(x > 1, x, -x)");
}

TEST(Formula, WritesConversionsThatChangeNumbers) {
  EXPECT_EQ(formula([](X x) { return cast(cast(x, i64), f64) * x; }, "x"), "x*trunc(x)");
  EXPECT_EQ(formula([](X x) { return cast(cast(floor(x), i32), f64); }, "x"), "floor(x)");
  EXPECT_EQ(formula([](X x) { return cast(cast(x, u8), f64); }, "x"), "u8(x)");
  EXPECT_EQ(formula([](X x) { return cast(cast(x, f32), f64); }, "x"), "x");
  EXPECT_EQ(formula([](X x) { return where(cast(x, DType::bool_), 1, x); }, "x"),
            "where(x != 0, 1, x)");
  EXPECT_EQ(formula([](const Tensors& v) -> Tensors { return cast(v[0], i8) + cast(v[0], i64); },
                    tensor({int64_t{300}}), {"n"}),
            "n + i8(n)");
  // The derivative is that of what is written: steps have none.
  EXPECT_EQ(formula(grad([](X x) { return cast(cast(x, i64), f64) * x; }), "x"), "trunc(x)");
}

TEST(Formula, OfSeveralArgumentsKeepsOneOrder) {
  const auto f = [](X x, X y, X z) { return (x + y) * z; };
  EXPECT_EQ(formula(f, "x", "y", "z"), "z*(x + y)");
  EXPECT_EQ(formula([&](X x, X y, X z) { return grad(f)(x, y, z)[2]; }, "x", "y", "z"), "x + y");
  EXPECT_EQ(formula([](X x, X y) { return y * x - x * y + x / y; }, "x", "y"), "x/y");
  EXPECT_EQ(formula([](X a, X b) { return power(a, b) * power(a, b); }, "a", "b"), "a^(2*b)");
}

TEST(Formula, OfHigherDerivatives) {
  EXPECT_EQ(formula(grad(grad([](X x) { return sin(x); })), "x"), "-sin(x)");
  EXPECT_EQ(formula(grad(grad(grad([](X x) { return power(x, 5); }))), "x"), "60*x^2");
  EXPECT_EQ(formula(grad(grad([](X x) { return x * exp(x); })), "x"), "exp(x)*(x + 2)");
}

TEST(Formula, OfTensorsWritesCallsAndNoBroadcasts) {
  const Tensor x = ones({4, 3}), w = ones({3, 2}), y = ones({4, 2});
  const auto loss = [&](const Tensors& v) -> Tensors {
    return mean(square(matmul(v[0], v[1]) - v[2]));
  };
  EXPECT_EQ(formula(loss, {x, w, y}, {"x", "w", "y"}), "mean((matmul(x, w) - y)^2)");
  EXPECT_EQ(
      formula(
          [&](const Tensors& v) -> Tensors { return grad([&](X u) { return sum(u * u); })(v[0]); },
          x, {"x"}),
      "2*x");
}

TEST(Formula, NamesTheVariablesThatAFunctionReads) {
  Variable w(scalar(3, f64), {.name = "dense_1.kernel"}), x(scalar(1, f64), {.name = "x"}),
      odd(scalar(1, f64), {.name = "a + b"}), none(scalar(1, f64));
  EXPECT_EQ(formula([&](X v) { return w * v + w * v; }, "x"), "2*dense_1.kernel*x");
  EXPECT_EQ(formula(grad([&](X v) { return w * v * v; }), "x"), "2*dense_1.kernel*x");
  EXPECT_EQ(formula([&](X v) { return v - x + none - odd; }, "x"),
            "variable - \"a + b\" + x - x_2");
  EXPECT_EQ(formula(
                [&](const Tensors& v) -> Tensors {
                  return matmul(v[0], w * ones({2, 2}, f64));
                },
                ones({2, 2}, f64), {"v"}),
            "matmul(v, dense_1.kernel)");
  const auto updated = [&](X v) {
    w.assign(w.value() * v);
    return w.value() + v;
  };
  EXPECT_EQ(formula(updated, "v"), "dense_1.kernel*v + v");
  EXPECT_EQ(w.value().to_double(), 3) << "nothing ran";
}

TEST(Formula, KeepsApartWhatOnlyTheTextHasInCommon) {
  // Constants whose first elements are equal.
  EXPECT_EQ(formula(
                [](const Tensors& v) -> Tensors {
                  return v[0] + tensor({1., 2., 3., 4., 5.}) - tensor({1., 2., 3., 4., 6.});
                },
                zeros({5}, f64), {"x"}),
            "f64[5] (1.0, 2.0, 3.0, 4.0, ...) - f64[5] (1.0, 2.0, 3.0, 4.0, ...) + x");
  const Tensor same = tensor({1., 2., 3., 4., 5.});
  EXPECT_EQ(formula([&](const Tensors& v) -> Tensors { return v[0] + same - same; }, same, {"x"}),
            "x");
  // Sizes: log(5) and log(3).
  EXPECT_EQ(
      formula([](X x) { return x + logsumexp(zeros({5}, f64)) - logsumexp(zeros({3}, f64)); }, "x"),
      "x + logsumexp(0) - logsumexp(0)");
  EXPECT_EQ(formula(
                [](X x) {
                  return logsumexp(broadcast_to(x, {5})) - logsumexp(broadcast_to(x, {3})) +
                         logsumexp(broadcast_to(x, {5}));
                },
                "x"),
            "2*logsumexp(x) - logsumexp(x)");
  // Bodies.
  const auto choice = [](X x, double a) {
    return cond(
               x > 0, [&]() -> Tensors { return x * a; }, [&]() -> Tensors { return -x; })
        .only();
  };
  EXPECT_EQ(formula([&](X x) { return choice(x, 2) - choice(x, 3); }, "x"),
            "cond(x > 0, x) - cond(x > 0, x)");
  EXPECT_EQ(formula([&](X x) { return choice(x, 2) - choice(x, 2); }, "x"), "0");
}

TEST(Formula, CollectsNothingAcrossInfinitiesAndNan) {
  const double inf = HUGE_VAL, nan = std::nan("");
  EXPECT_EQ(formula([=](X x) { return x + inf - inf; }, "x"), "x + inf - inf");
  EXPECT_EQ(formula([=](X x) { return x * inf / inf; }, "x"), "inf*x/inf");
  EXPECT_EQ(formula([=](X x) { return x - x * nan + x * nan; }, "x"), "x + nan*x - nan*x");
  EXPECT_EQ(formula([=](X x) { return exp(x - inf) - exp(x - inf); }, "x"),
            "exp(x - inf) - exp(x - inf)");
  EXPECT_EQ(formula([=](X x) { return 0 * (x + inf); }, "x"), "0*inf");
  EXPECT_EQ(formula([=](X x) { return square(sin(x * inf)) + square(cos(x * inf)); }, "x"),
            "cos(inf*x)^2 + sin(inf*x)^2");
  EXPECT_EQ(formula([=](X x) { return where(x > 0, x, -inf); }, "x"), "where(x > 0, x, -inf)");
  const Tensor mask = tensor({0., -inf});
  EXPECT_EQ(formula([&](const Tensors& v) -> Tensors { return v[0] + mask - mask; }, mask, {"x"}),
            "x + f64[2] (0.0, -inf) - f64[2] (0.0, -inf)");
}

TEST(Formula, RefusesNamesThatWouldMislead) {
  const auto f = [](X x) { return x; };
  const auto two = [](X x, X y) { return x + y; };
  EXPECT_EQ(message_of<ValueError>([&] { formula(f, "2x"); }),
            "formula: name \"2x\": expected letters, digits and _");
  EXPECT_EQ(message_of<ValueError>([&] { formula(f, "pi"); }),
            "formula: name \"pi\" stands for the number");
  EXPECT_EQ(message_of<ValueError>([&] { formula(f, "inf"); }),
            "formula: name \"inf\" stands for the number");
  EXPECT_EQ(message_of<ValueError>([&] { formula(f, "nan"); }),
            "formula: name \"nan\" stands for what is no number");
  EXPECT_EQ(message_of<ValueError>([&] { formula(two, "x", "x"); }),
            "formula: name \"x\" is given twice");
  EXPECT_EQ(message_of<ValueError>([&] {
              formula([](const Tensors& v) { return v; }, ones({2}), {"a", "b"});
            }),
            "formula: expected 1 names, got 2");
}

TEST(Formula, ThatNobodyCouldReadIsRefused) {
  const auto f = [](X x) {
    Tensor y = x;
    for (int i = 0; i < 60; ++i) y = sin(y) + cos(y);
    return y;
  };
  EXPECT_EQ(message_of<ValueError>([&] { formula(f, "x"); }),
            "formula: the text is longer than 100000 characters");
}

// The notes: forward mode takes O(N M) for N inputs and M operations, reverse mode O(M).
TEST(OperationCounts, OfForwardModeGrowByTheInputsAndThoseOfReverseModeDoNot) {
  // f: R^N -> R of M = 3 N + 2 operations, written element by element.
  const auto f = [](const std::vector<Tensor>& x) {
    Tensor y = x[0] * 0;
    for (const Tensor& v : x) y = y + sin(v) * v;
    return y * y;
  };
  double first_forward = 0, first_reverse = 0;
  for (const int n : {4, 8, 16, 32, 64}) {
    const Tensors x(std::vector<Tensor>(static_cast<size_t>(n), scalar(0.5, f64)));
    const double m =
        count_operations([&](const Tensors& v) -> Tensors { return f(v.list()); }, x).operations;
    EXPECT_EQ(m, 3 * n + 2);
    const auto forward = [&](const Tensors& v) {
      std::vector<Tensor> all;
      for (size_t k = 0; k < v.size(); ++k) {
        std::vector<Tensor> tangents;
        for (size_t i = 0; i < v.size(); ++i) tangents.push_back(scalar(i == k ? 1 : 0, f64));
        const auto moved =
            jvp([&](const Tensors& u) -> Tensors { return f(u.list()); }, v, Tensors(tangents));
        all.push_back(moved.tangents[0]);
      }
      return Tensors(all);
    };
    const auto reverse = [&](const Tensors& v) {
      return vjp([&](const Tensors& u) -> Tensors { return f(u.list()); }, v, scalar(1, f64))
          .cotangents;
    };
    const double by_forward = count_operations(forward, x).operations / (n * m);
    const double by_reverse = count_operations(reverse, x).operations / m;
    if (first_forward == 0) {
      first_forward = by_forward;
      first_reverse = by_reverse;
    }
    EXPECT_NEAR(by_forward, first_forward, 0.2 * first_forward) << "forward, N = " << n;
    EXPECT_NEAR(by_reverse, first_reverse, 0.2 * first_reverse) << "reverse, N = " << n;
    EXPECT_LT(by_forward, 6) << "a small multiple of N M";
    EXPECT_LT(by_reverse, 6) << "a small multiple of M";
  }
}

TEST(OperationCounts, TakeVariablesAsGiven) {
  Variable w(ones({3, 5}, f64));
  const auto f = [&](const Tensors& x) -> Tensors { return matmul(x[0], w); };
  EXPECT_EQ(count_operations(f, ones({4, 3}, f64)).operations, 2 * 4 * 3 * 5);
}

TEST(OperationCounts, OfChoicesAndLoopsAreThoseOfTheirBodies) {
  const Tensor x = ones({4, 4}, f64);
  const double product = 2 * 4 * 4 * 4;
  const auto choice = [](const Tensors& v) {
    return cond(
        scalar(1, DType::bool_), [&]() -> Tensors { return -v[0]; },
        [&]() -> Tensors { return matmul(v[0], v[0]); });
  };
  EXPECT_EQ(count_operations(choice, x).operations, product);
  const auto loop = [](std::optional<int64_t> steps) {
    return [steps](const Tensors& v) {
      return while_loop([](const Tensors& s) { return sum(s[0]) > 1; },
                        [](const Tensors& s) -> Tensors { return matmul(s[0], s[0]); }, v,
                        {.max_steps = steps});
    };
  };
  const double step =
      product +
      count_operations([](const Tensors& v) -> Tensors { return sum(v[0]) > 1; }, x).operations;
  EXPECT_EQ(count_operations(loop(7), x).operations, 7 * step);
  EXPECT_EQ(count_operations(loop({}), x).operations, step);
}

TEST(OperationCounts, CountMultiplicationsOfMatrices) {
  const auto f = [](const Tensors& x) -> Tensors { return matmul(x[0], x[1]); };
  const OperationCounts c = count_operations(f, {ones({4, 3}), ones({3, 5})});
  EXPECT_EQ(c.nodes, 1);
  EXPECT_EQ(c.operations, 2 * 4 * 3 * 5);
}

}  // namespace
}  // namespace varve
