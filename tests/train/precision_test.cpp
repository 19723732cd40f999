// Training and prediction in mixed precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "convnet.h"
#include "support/folder.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/convolution.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using namespace test;
using ::testing::HasSubstr;

TEST(Precision, IsSpelledInFilesAsInCode) {
  EXPECT_EQ(Precision::parse("mixed_bf16"), Precision::mixed_bf16);
  EXPECT_EQ(Precision::parse("f32"), Precision());
  for (Precision p : {Precision::f32, Precision::mixed_bf16})
    EXPECT_EQ(Precision::parse(p.to_string()), p);
  try {
    Precision::parse("mixed_bf61");
    FAIL() << "nothing was thrown";
  } catch (const ValueError& e) {
    EXPECT_EQ(e.message(), "precision: expected \"f32\" or \"mixed_bf16\", got \"mixed_bf61\"");
    EXPECT_THAT(e.hint(), HasSubstr("mixed_bf16"));
  }
}

double size_of(const Tensor& t) { return norm(cast(t, f64)).to_double(); }

TEST(Precision, GradientsLieAsNearAsBf16Allows) {
  const Tensor x = random::normal(Key(1), {4, 8, 8, 16}),
               w = random::normal(Key(2), {3, 3, 16, 32}),
               v = random::normal(Key(3), {8 * 8 * 32, 10}) * 0.1;
  const auto loss = [](const Tensor& in, const Tensor& filter, const Tensor& head) {
    const Tensor h = tanh(conv2d(in, filter * 0.1, {.padding = "same"}));
    return mean(square(matmul(reshape(h, {4, -1}), head)));
  };
  const auto grads = [&](const Tensor& in, const Tensor& filter, const Tensor& head) {
    return grad(loss)(in, filter, head);
  };
  const auto exact = grads(cast(x, f64), cast(w, f64), cast(v, f64));
  const auto single = jit(grads)(x, w, v);
  const auto mixed = jit(grads, {.precision = "mixed_bf16"})(x, w, v);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(mixed[i].dtype(), f32);
    const double distance = size_of(cast(mixed[i], f64) - exact[i]) / size_of(exact[i]);
    EXPECT_LT(distance, 0x1p-6) << i;  // a few roundings to 8 bits
    EXPECT_GT(distance, 0x1p-12) << i << ": nothing was rounded";
    EXPECT_LT(size_of(cast(single[i], f64) - exact[i]) / size_of(exact[i]), 1e-5) << i;
  }
}

TEST(Precision, UpdatesTooSmallForBf16AreKept) {
  Variable w(ones({4, 4}));
  auto step = jit(
      [&](const Tensor& x) {
        const auto [value, grads] = value_and_grad([&] { return sum(matmul(x, w)); }, {w})();
        w.assign(w - grads[w] * 1e-4);
        return value;
      },
      {.precision = Precision::mixed_bf16});
  for (int i = 0; i < 10; ++i) step(ones({1, 4}));
  for (double e : w.value().to_doubles()) EXPECT_NEAR(e, 1 - 10 * 1e-4, 1e-6);
}

TEST(Precision, ANetworkLearnsAsWellAsInF32) {
  std::vector<double> losses;
  for (Precision p : {Precision::f32, Precision::mixed_bf16}) {
    Sequential model = convnet();
    CompileOptions o = with(optim::Adam{.learning_rate = 0.01});
    o.precision = p;
    model.compile(o);
    const History h = model.fit(pictures(200), {.epochs = 15, .seed = 1, .progress = false});
    losses.push_back(h["loss"].back());
    EXPECT_GT(model.evaluate(pictures(200))["accuracy"], 0.97) << p.to_string();
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NEAR(losses[0], losses[1], 0.05);
}

TEST(Precision, OfAModelIsSavedWithIt) {
  const Folder folder;
  const Dataset data = pictures(30);
  Sequential model = convnet();
  CompileOptions o = with(optim::Adam{});
  o.precision = "mixed_bf16";
  model.compile(o);
  model.fit(data, {.progress = false});
  model.save(folder / "model.safetensors");
  Model loaded = Model::load(folder / "model.safetensors");
  EXPECT_EQ(loaded.evaluate(data).to_string(), model.evaluate(data).to_string());
  EXPECT_EQ(Tensor(loaded.predict(data)).to_doubles(), Tensor(model.predict(data)).to_doubles());
  o = with(optim::Adam{});
  Model plain = Model::load(folder / "model.safetensors");
  plain.compile(o);
  EXPECT_NE(Tensor(plain.predict(data)).to_doubles(), Tensor(model.predict(data)).to_doubles());
}

TEST(Precision, IsNotForStepsThatAreNotCompiled) {
  Sequential model = convnet();
  CompileOptions o = with(optim::Adam{}, true);
  o.precision = "mixed_bf16";
  EXPECT_THAT(message_of([&] { model.compile(o); }), HasSubstr("mixed_bf16 needs compiled steps"));
}

}  // namespace
}  // namespace varve
