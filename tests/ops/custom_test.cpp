#include <gtest/gtest.h>

#include <algorithm>

#include "support/errors.h"
#include "varve/custom_op.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

std::function<Tensors(const Tensors&)> cube() {
  return custom_op({
      .name = "cube",
      .infer =
          [](const std::vector<TensorSpec>& x) {
            if (x[0].dtype != f32) throw DTypeError("cube: expected f32");
            return x;
          },
      .forward =
          [](const std::vector<Elements>& x, const std::vector<Elements>& y) {
            const auto from = x[0].span<float>(), to = y[0].span<float>();
            for (size_t i = 0; i < from.size(); ++i) {
              if (from[i] == 13) throw ValueError("cube: 13 brings bad luck");
              to[i] = from[i] * from[i] * from[i];
            }
          },
      .vjp = [](const Tensors& x, const Tensors&,
                const Tensors& ct) { return Tensors{ct[0] * 3 * square(x[0])}; },
  });
}

TEST(CustomOp, EvaluatesDifferentiatesAndCompiles) {
  const auto f = cube();
  const Tensor x = tensor({1.f, 2.f, 3.f, 4.f}, {2, 2});
  EXPECT_EQ(f(transpose(x)).only().to_doubles(), (std::vector<double>{1, 27, 8, 64}));
  auto one = [&](const Tensor& t) { return f(t).only(); };
  EXPECT_EQ(grad(one)(scalar(2, f32)).to_double(), 12);
  EXPECT_EQ(jit(grad(one))(scalar(2, f32)).to_double(), 12);
  EXPECT_EQ(jit([&](const Tensor& t) { return f(transpose(t)).only(); })(x).to_doubles(),
            (std::vector<double>{1, 27, 8, 64}));
}

TEST(CustomOp, ItsErrorsReachTheCaller) {
  const auto f = cube();
  EXPECT_THROW(f(scalar(13, f32)).only().to_double(), ValueError);
  EXPECT_THROW(f(scalar(1, f64)), DTypeError);
  EXPECT_THROW(jit([&](const Tensor& t) { return f(t).only(); })(scalar(13, f32)), ValueError);
  EXPECT_THROW(custom_op({.name = "nothing"}), ValueError);
}

TEST(CustomOp, ItsCotangentsAreHeldAgainstTheInputs) {
  const auto with = [](std::function<Tensors(const Tensors&, const Tensors&, const Tensors&)> vjp) {
    const auto f =
        custom_op({.name = "same",
                   .infer = [](const std::vector<TensorSpec>& x) { return x; },
                   .forward =
                       [](const std::vector<Elements>& x, const std::vector<Elements>& y) {
                         const auto from = x[0].span<float>();
                         std::copy(from.begin(), from.end(), y[0].span<float>().begin());
                       },
                   .vjp = std::move(vjp)});
    return test::message_of([&] {
      grad([&](const Tensor& x) { return sum(f(x).only()); })(ones({2, 3}));
    });
  };
  EXPECT_EQ(with([](auto&, auto&, const Tensors& ct) -> Tensors { return ct; }), "no error");
  EXPECT_EQ(with([](auto&, auto&, const Tensors& ct) -> Tensors { return sum(ct[0]); }),
            "same: cotangent 0: expected f32[2, 3], got f32[]");
  EXPECT_EQ(with([](auto&, auto&, const Tensors& ct) -> Tensors { return cast(ct[0], f64); }),
            "same: cotangent 0: expected f32[2, 3], got f64[2, 3]");
  EXPECT_EQ(with([](auto&, auto&, const Tensors& ct) -> Tensors {
              return {ct[0], ct[0]};
            }),
            "same: vjp must return one tensor an argument: expected 1, got 2");
}

TEST(DebugPrint, ShowsAValueWhenTheStepEnds) {
  auto f = jit([](const Tensor& x) {
    const Tensor y = debug::print(x * 2, "y");
    return y + 1;
  });
  for (int i = 0; i < 2; ++i) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(f(scalar(i, f32)).to_double(), 2 * i + 1);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "y: f32[]\n" + std::to_string(2 * i) + "\n");
  }
}

}  // namespace
}  // namespace varve
