// Steps that fail: every state stays as it was, the error says where, and the next step works.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/frame.h"
#include "ops/table.h"
#include "support/errors.h"
#include "varve/varve.h"

namespace varve {
namespace {

using test::error_of;
using test::message_of;

using Doubles = std::vector<double>;

/// Two variables and a count that a step changes before and after what fails.
struct States {
  Variable w{tensor({1.f, 2.f, 3.f}), {.name = "w"}};
  Variable picked{zeros({2}), {.name = "picked"}};
  Variable count{scalar(0, i64), {.name = "count"}};

  void expect(const Doubles& w_is, const Doubles& picked_is, int64_t count_is) const {
    EXPECT_EQ(w.value().to_doubles(), w_is);
    EXPECT_EQ(picked.value().to_doubles(), picked_is);
    EXPECT_EQ(count.value().item<int64_t>(), count_is);
  }
};

TEST(Failures, AnIndexOutOfRangeInAnAssignedValueChangesNothing) {
  States s;
  auto step = jit([&](const Tensor& at) {
    s.w.assign(s.w * 2);
    s.count.assign(s.count + 1);
    s.picked.assign(take(s.w, at, 0));
  });
  const int line = __LINE__ - 2;
  const Tensor good = tensor<int64_t>({2, 0}), bad = tensor<int64_t>({2, 3});
  step(good);
  s.expect({2, 4, 6}, {6, 2}, 1);
  const Error e = error_of([&] { step(bad); });
  EXPECT_EQ(e.message(), "take: index[1] = 3, expected 0..2");
  EXPECT_EQ(e.at(), "failures_test.cpp:" + std::to_string(line));
  s.expect({2, 4, 6}, {6, 2}, 1);
  step(good);
  s.expect({4, 8, 12}, {12, 4}, 2);
}

TEST(Failures, OfAUsersOwnOperationChangeNothing) {
  bool fail = false;
  const auto moody =
      custom_op({.name = "moody",
                 .infer = [](const std::vector<TensorSpec>& in) { return in; },
                 .forward =
                     [&](const std::vector<Elements>& in, const std::vector<Elements>& out) {
                       if (fail) throw ValueError("moody: not today");
                       for (size_t i = 0; i < out[0].span<float>().size(); ++i)
                         out[0].span<float>()[i] = in[0].span<float>()[i] + 1;
                     }});
  States s;
  auto step = jit([&] {
    s.count.assign(s.count + 1);
    s.w.assign(moody(s.w.value())[0]);
  });
  step();
  fail = true;
  EXPECT_EQ(message_of(step), "moody: not today");
  s.expect({2, 3, 4}, {0, 0}, 1);
  fail = false;
  step();
  s.expect({3, 4, 5}, {0, 0}, 2);
}

TEST(Failures, WhileTracingChangeNothing) {
  States s;
  int calls = 0;
  auto step = jit([&](const Tensor& x) {
    s.w.assign(s.w + 1);
    if (++calls == 1) throw std::runtime_error("the function's own");
    return x + s.w;
  });
  EXPECT_THROW(step(ones({3})), std::runtime_error);
  s.expect({1, 2, 3}, {0, 0}, 0);
  EXPECT_THROW(step(ones({4})), ShapeError);
  s.expect({1, 2, 3}, {0, 0}, 0);
  EXPECT_EQ(step(ones({3})).to_doubles(), (Doubles{3, 4, 5}));
  // Nothing is left of the traces that broke off.
  EXPECT_FALSE(ir::tracing());
  EXPECT_EQ((s.w + 1).to_doubles(), (Doubles{3, 4, 5}));
}

TEST(Failures, OfDerivativesAtOnceChangeNothing) {
  States s;
  const auto step = [&](const Tensor& at) {
    return value_and_grad(
        [&] {
          s.count.assign(s.count + 1);
          s.picked.assign(take(s.w, at, 0));
          return sum(square(s.w.value()));
        },
        Variables{s.w})();
  };
  EXPECT_THROW(step(tensor<int64_t>({0, 7})), IndexError);
  s.expect({1, 2, 3}, {0, 0}, 0);
  EXPECT_FALSE(ir::links_kept());
  EXPECT_EQ(step(tensor<int64_t>({0, 1})).grads[s.w].to_doubles(), (Doubles{2, 4, 6}));
  s.expect({1, 2, 3}, {1, 2}, 1);
}

TEST(Failures, OfAnOptimizersStepLeaveParametersAndSlots) {
  for (bool compiled : {false, true}) {
    Variable w(tensor({1.f, 2.f}), {.name = "dense.kernel"});
    Optimizer adam = optim::Adam{.learning_rate = 0.1};
    const auto update = [&](const Tensor& x) {
      auto [loss, grads] = value_and_grad([&] { return sum(x * w); }, Variables{w})();
      adam.update(grads);
      return loss;
    };
    const auto planned = jit(update);
    const auto step = [&](const Tensor& x) { return compiled ? planned(x) : update(x); };
    step(ones({2}));
    std::vector<Doubles> before{w.value().to_doubles()};
    for (const auto& s : adam.state()) before.push_back(s.variable.value().to_doubles());
    const Error e = error_of([&] { step(tensor({1.f, NAN})); });
    EXPECT_NE(e.message().find("gradient of dense.kernel"), std::string::npos) << e.message();
    std::vector<Doubles> after{w.value().to_doubles()};
    for (const auto& s : adam.state()) after.push_back(s.variable.value().to_doubles());
    EXPECT_EQ(after, before) << (compiled ? "compiled" : "at once");
    step(ones({2}));
    EXPECT_EQ(adam.step().value().item<int64_t>(), 2);
  }
}

TEST(Failures, NameTheVariableOrArgumentThatWasNotFiniteAlready) {
  Variable w(tensor({1.f, INFINITY}), {.name = "w"});
  auto step = jit([&](const Tensor& x) {
    const Tensor loss = sum(x * w);
    ir::guard(loss, "loss");
    w.assign(w + 1);
    return loss;
  });
  EXPECT_EQ(message_of([&] { step(ones({2})); }),
            "loss is not finite: variable \"w\" already was not");
  w.assign(ones({2}));
  EXPECT_EQ(message_of([&] {
              step(tensor({1.f, NAN}));
            }),
            "loss is not finite: argument 0 of the step already was not");
  EXPECT_EQ(w.value().to_doubles(), (Doubles{1, 1}));
}

TEST(Failures, AreNotBlamedOnWhatIsInfiniteByIntention) {
  const auto step = jit([](const Tensor& x, const Tensor& mask) {
    const Tensor unread = log(mask);
    const Tensor p = softmax(x + mask);
    const Tensor safe = where(p == 0, 0, p * log(p));
    const Tensor loss = sum(safe) + sum(log(x)) + 0 * sum(where(is_finite(unread), unread, 0));
    ir::guard(loss, "loss");
    return loss;
  });
  const Tensor mask = tensor({0.f, -INFINITY, 0.f});
  step(ones({3}), mask);
  const Error e = error_of([&] { step(tensor({1.f, 2.f, -1.f}), mask); });
  EXPECT_EQ(e.message(), "loss is not finite: log made it so (f32[3])");
  EXPECT_EQ(e.at(), "failures_test.cpp:" + std::to_string(__LINE__ - 8));
}

TEST(Failures, OfAGradientNameTheLineWhoseDerivativeItIs) {
  Variable w(ones({2}), {.name = "w"});
  int line = 0;
  auto step = jit([&](const Tensor& x) {
    const auto loss = [&] {
      line = __LINE__ + 1;
      const Tensor root = sqrt(w * x);
      return sum(root);
    };
    const Tensor g = value_and_grad(loss, Variables{w})().grads[w];
    ir::guard(g, "gradient of w");
    w.assign(w - g);
  });
  step(ones({2}));
  const Error e = error_of([&] { step(zeros({2})); });
  EXPECT_EQ(e.message().rfind("gradient of w is not finite: ", 0), 0u) << e.message();
  EXPECT_EQ(e.at(), "failures_test.cpp:" + std::to_string(line)) << e.message();
  EXPECT_EQ(w.value().to_doubles(), (Doubles{0.5, 0.5}));
}

TEST(Failures, OfManyKindsNameTheLineOfTheUser) {
  const Tensor a = ones({2, 3}), b = ones({4});
  const Tensor labels = tensor<int64_t>({0, 9});
  const Tensors pair{a, b};
  const std::vector<std::pair<int, std::function<void()>>> faults{
      {__LINE__, [&] { a + b; }},
      {__LINE__, [&] { matmul(a, b); }},
      {__LINE__, [&] { reshape(a, {4}); }},
      {__LINE__, [&] { sum(a, {.axes = {2}}); }},
      {__LINE__, [&] { conv2d(a, b); }},
      {__LINE__, [&] { stack(pair); }},
      {__LINE__, [&] { take(b, labels, 0).evaluate(); }},
      {__LINE__, [&] { one_hot(labels, 3).evaluate(); }},
      {__LINE__, [&] { cross_entropy(a, labels).evaluate(); }},
      {__LINE__, [&] { index(a, {5}); }},
      {__LINE__, [&] { embedding(a, labels).evaluate(); }},
      {__LINE__, [&] { leaky_relu(a) + b; }},
  };
  for (const auto& [line, fault] : faults) {
    const Error e = error_of(fault);
    EXPECT_EQ(e.at().substr(0, e.at().find(' ')), "failures_test.cpp:" + std::to_string(line))
        << e.message();
  }
}

}  // namespace
}  // namespace varve
