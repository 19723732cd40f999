// Recurrent networks and attention: what must hold of them, beside values and derivatives.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/shape.h"
#include "runtime/evaluate.h"
#include "support/errors.h"
#include "support/tensors.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/attention.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/recurrent.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;
using test::noise;

/// f of x in f32 by the kernels against f in f64 by the decomposition, with the derivatives by all.
void expect_kernel_right_at(const TensorsFunction& f, const std::vector<Tensor>& x) {
  std::vector<Tensor> wide;
  for (const Tensor& t : x) wide.push_back(cast(t, f64));
  const auto made = [&](const Tensors& at) {
    std::vector<Tensor> ones_list;
    const Tensors y = f(at);
    for (size_t i = 0; i < y.size(); ++i)
      ones_list.push_back(cast(noise(y[i].shape(), 90 + i, f32), y[i].dtype()));
    auto both = vjp(f, at, Tensors(ones_list));
    std::vector<Tensor> all = y.list();
    for (const Tensor& g : both.cotangents) all.push_back(g);
    return all;
  };
  const std::vector<Tensor> got = made(Tensors(x));
  for (const Tensor& t : got) t.evaluate();
  std::vector<Tensor> expected;
  {
    const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
    expected = made(Tensors(wide));
    for (const Tensor& t : expected) t.evaluate();
  }
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    double largest = 0;
    for (double v : expected[i].to_doubles()) largest = std::max(largest, std::abs(v));
    // Some hundreds of roundings one after another.
    EXPECT_LT(distance(cast(got[i], f64), expected[i]), 2e-5 * (largest + 1e-3)) << "result " << i;
  }
}

void expect_kernel_right(const TensorsFunction& f, const std::vector<Shape>& shapes,
                         double spread) {
  std::vector<Tensor> x;
  for (size_t i = 0; i < shapes.size(); ++i) x.push_back(noise(shapes[i], 40 + i, f32) * spread);
  expect_kernel_right_at(f, x);
}

// Sizes around the widths of vectors (4, 8, 16 lanes), of panels and of tiles.
TEST(RecurrentKernels, AgreeWithTheDecompositionAtEverySize) {
  for (int64_t units : {1, 4, 15, 16, 17, 33, 65, 130}) {
    for (int64_t batch : {1, 3, 7}) {
      const int64_t steps = 4, features = 5;
      const Tensor mask = random::bernoulli(Key(3), 0.6, Shape{batch, steps});
      for (bool masked : {false, true}) {
        SCOPED_TRACE(std::to_string(units) + " units, batch " + std::to_string(batch));
        const Tensor m = masked ? mask : Tensor();
        const bool reverse = masked;
        const auto shapes = [&](int64_t gates, std::vector<Shape> more) {
          std::vector<Shape> list{
              {batch, steps, features}, {features, gates * units}, {units, gates * units}};
          list.insert(list.end(), more.begin(), more.end());
          return list;
        };
        const Shape state{batch, units};
        expect_kernel_right(
            [&](const Tensors& x) -> Tensors {
              const LstmResult r = lstm(x[0], x[1], x[2],
                                        {.bias = x[3],
                                         .initial_state = x[4],
                                         .initial_cell = x[5],
                                         .mask = m,
                                         .reverse = reverse});
              return {r.output, r.state, r.cell};
            },
            shapes(4, {{4 * units}, state, state}), 0.3);
        expect_kernel_right(
            [&](const Tensors& x) -> Tensors {
              const RnnResult r =
                  gru(x[0], x[1], x[2],
                      {.bias = x[3], .initial_state = x[4], .mask = m, .reverse = reverse});
              return {r.output, r.state};
            },
            shapes(3, {{2, 3 * units}, state}), 0.3);
        for (const char* f : {"tanh", "relu"}) {
          expect_kernel_right(
              [&](const Tensors& x) -> Tensors {
                const RnnResult r = rnn(x[0], x[1], x[2],
                                        {.bias = x[3],
                                         .initial_state = x[4],
                                         .mask = m,
                                         .reverse = reverse,
                                         .activation = f});
                return {r.output, r.state};
              },
              shapes(1, {{units}, state}), 0.2);
        }
      }
    }
  }
}

TEST(AttentionKernels, AgreeWithTheDecompositionAtEverySize) {
  struct Case {
    int64_t queries, keys, heads, key_heads, size, value_size;
    bool causal;
    double softcap;
    int64_t offset;
  };
  for (const Case& c :
       {Case{1, 1, 1, 1, 1, 1, false, 0, 0}, Case{5, 7, 2, 2, 3, 4, false, 0, 0},
        Case{48, 128, 1, 1, 16, 16, false, 0, 0}, Case{49, 129, 2, 1, 17, 33, false, 0, 0},
        Case{97, 97, 2, 2, 8, 65, true, 0, 0}, Case{50, 300, 4, 2, 20, 12, true, 1.5, 130},
        Case{33, 16, 3, 1, 64, 64, true, 0, -4}, Case{1, 257, 2, 2, 64, 64, false, 3, 0}}) {
    SCOPED_TRACE(std::to_string(c.queries) + " queries, " + std::to_string(c.keys) + " keys");
    const std::vector<Shape> shapes{{2, c.queries, c.heads, c.size},
                                    {2, c.keys, c.key_heads, c.size},
                                    {2, c.keys, c.key_heads, c.value_size}};
    const Tensor per_key = random::bernoulli(Key(5), 0.7, Shape{2, 1, 1, c.keys}),
                 full = random::bernoulli(Key(6), 0.7, Shape{2, c.heads, c.queries, c.keys}),
                 per_query = random::bernoulli(Key(7), 0.7, Shape{c.queries, 1});
    for (const Tensor& mask : {Tensor(), per_key, full, per_query}) {
      expect_kernel_right(
          [&](const Tensors& x) -> Tensors {
            return attention(
                x[0], x[1], x[2],
                {.causal = c.causal, .mask = mask, .softcap = c.softcap, .offset = c.offset});
          },
          shapes, 1);
    }
    expect_kernel_right(
        [&](const Tensors& x) -> Tensors {
          return attention(x[0], x[1], x[2],
                           {.causal = c.causal,
                            .mask = per_key,
                            .softcap = c.softcap,
                            .dropout = 0.3,
                            .key = Key(11),
                            .offset = c.offset});
        },
        shapes, 1);
    auto with_bias = shapes;
    with_bias.push_back({c.heads, c.queries, c.keys});
    expect_kernel_right(
        [&](const Tensors& x) -> Tensors {
          return attention(x[0], x[1], x[2],
                           {.causal = c.causal, .mask = x[3], .offset = c.offset});
        },
        with_bias, 1);
  }
}

// A float next to 1e9 is 64 away: beside such a score the logarithm of a sum is nothing.
TEST(AttentionKernels, KeepTheSumOfWeightsBesideHugeScores) {
  for (int64_t queries : {2, 50}) {  // few, and several tiles' rows
    SCOPED_TRACE(std::to_string(queries) + " queries");
    const Shape shape{1, queries, 2, 8}, keys{1, 150, 2, 8};
    // Queries of zeros: the scores of a row are all alike, in both types.
    const Tensor masked_row = where(ops::counted(queries, i64) == 1, -1e9, 0);
    expect_kernel_right_at(
        [&](const Tensors& x) -> Tensors {
          return attention(x[0], x[1], x[2], {.mask = reshape(masked_row, {queries, 1})});
        },
        {zeros(shape), noise(keys, 2, f32), noise(keys, 3, f32)});
    // Powers of two: scores up to 2^27, of which three are alike in each row, are exact.
    const Tensor step = cast(remainder(ops::counted(150, i64), 50), f32) / 64;
    const Tensor first = concat({reshape(step, {1, 150, 1, 1}), zeros({1, 150, 1, 7})}, 3);
    const Tensor rest = noise(keys, 2, f32) * tensor({0.f, 1.f, 1.f, 1.f, 1.f, 1.f, 1.f, 1.f});
    const Tensor query = tensor({0x1p27f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f});
    expect_kernel_right_at(
        [&](const Tensors& x) -> Tensors { return attention(x[0], x[1], x[2], {.scale = 1}); },
        {ones(shape) * query, first + rest, noise(keys, 3, f32)});
  }
}

TEST(Attention, MaskedKeysHaveNoInfluence) {
  const Tensor q = noise({1, 3, 2, 4}, 1, f32), k = noise({1, 5, 2, 4}, 2, f32),
               v = noise({1, 5, 2, 4}, 3, f32);
  const Tensor mask = tensor({true, true, false, true, false});
  const auto g =
      vjp([&](const Tensors& x) -> Tensors { return attention(q, x[0], x[1], {.mask = mask}); },
          {k, v}, {ones({1, 3, 2, 4})})
          .cotangents;
  for (size_t which : {0u, 1u}) {
    const auto d = g[which].to_doubles();
    for (size_t i = 0; i < d.size(); ++i) {
      if (i / 8 == 2 || i / 8 == 4) {
        EXPECT_EQ(d[i], 0);
      } else {
        EXPECT_NE(d[i], 0);
      }
    }
  }
}

TEST(Attention, NeverLooksAheadWhereCausal) {
  const Tensor q = noise({1, 6, 1, 3}, 1, f32), v = noise({1, 6, 1, 3}, 3, f32);
  for (int64_t t = 0; t < 6; ++t) {
    const auto g = grad([&](const Tensor& x) {
      return sum(slice(attention(q, x, x * v, {.causal = true}), {{}, {t, t + 1}}));
    })(noise({1, 6, 1, 3}, 2, f32));
    const auto d = g.to_doubles();
    for (size_t i = 0; i < d.size(); ++i) {
      if (static_cast<int64_t>(i) / 3 > t) {
        EXPECT_EQ(d[i], 0) << "output " << t << ", element " << i;
      }
    }
  }
}

TEST(Attention, ThatSeesNothingGivesZeros) {
  const Tensor x = noise({1, 3, 1, 2}, 1, f32);
  const Tensor none = zeros({3}, DType::bool_);
  expect_near(attention(x, x, x, {.mask = none}), std::vector<double>(6, 0));
  const auto g = grad([&](const Tensor& v) { return sum(attention(v, v, v, {.mask = none})); })(x);
  expect_near(g, std::vector<double>(6, 0));
}

TEST(Attention, IsWhatItsScoresSay) {
  const Tensor q = noise({2, 4, 2, 3}, 1), k = noise({2, 5, 2, 3}, 2), v = noise({2, 5, 2, 3}, 3);
  const AttentionOptions o{.causal = true, .softcap = 2, .offset = 1};
  const Tensor w = attention_scores(q, k, o);
  const Tensor y = transpose(matmul(w, transpose(v, {0, 2, 1, 3})), {0, 2, 1, 3});
  EXPECT_LT(distance(y, attention(q, k, v, o)), 1e-12);
  EXPECT_LT(distance(softmax(attention_scores(q, k, o, "masked")), w), 1e-12);
  const Tensor product = attention_scores(q, k, o, "product");
  EXPECT_LT(distance(attention_scores(q, k, o, "capped"), tanh(product / 2) * 2), 1e-12);
  // Dropped are those that the key says, by their place among the weights.
  const Tensor kept = random::bernoulli(Key(7), 0.75, Shape{2, 2, 4, 5});
  const Tensor some = matmul(where(kept, w / 0.75, 0), transpose(v, {0, 2, 1, 3}));
  AttentionOptions drops = o;
  drops.dropout = 0.25;
  drops.key = Key(7);
  EXPECT_LT(distance(transpose(some, {0, 2, 1, 3}), attention(q, k, v, drops)), 1e-12);
  // Dropping weights keeps the mean.
  const Tensor many =
      attention(q, k, broadcast_to(Tensor(ones({2, 5, 2, 1}, f64)), {2, 5, 2, 4000}),
                {.dropout = 0.5, .key = Key(1)});
  EXPECT_NEAR(mean(many).to_double(), 1, 0.2);
}

TEST(CacheWrite, KeepsItsSizeAndRefusesWhatGoesBeyond) {
  const Tensor cache = zeros({1, 4, 2}), fresh = ones({1, 2, 2});
  expect_near(cache_write(cache, fresh, 1), {0, 0, 1, 1, 1, 1, 0, 0});
  EXPECT_THROW(cache_write(cache, fresh, 3).evaluate(), IndexError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              cache_write(cache, ones({1, 5, 2}), 0);
            }),
            "cache_write: entries [1, 5, 2] at one integer position do not fit into a cache "
            "[1, 4, 2] along axis 1");
}

TEST(Positions, AreTheWavesOfThePaper) {
  const auto p = sinusoidal_positions(3, 4).to_doubles();
  expect_near(p,
              {0, 1, 0, 1, std::sin(1.), std::cos(1.), std::sin(0.01), std::cos(0.01), std::sin(2.),
               std::cos(2.), std::sin(0.02), std::cos(0.02)},
              1e-7);
  const auto halves = sinusoidal_positions(2, 4, {.interleaved = false}).to_doubles();
  EXPECT_NEAR(halves[5], std::sin(0.01), 1e-7);
  EXPECT_NEAR(halves[6], std::cos(1.), 1e-7);
}

TEST(Rotary, ProductsDependOnTheDistanceAlone) {
  const Tensor q = noise({1, 1, 1, 8}, 1), k = noise({1, 1, 1, 8}, 2);
  for (bool interleaved : {false, true}) {
    const auto product = [&](int64_t a, int64_t b) {
      const Tensor x = rotary_embedding(q, {.offset = a, .interleaved = interleaved}),
                   y = rotary_embedding(k, {.offset = b, .interleaved = interleaved});
      return sum(x * y).to_double();
    };
    EXPECT_NEAR(product(5, 3), product(12, 10), 1e-9);
    EXPECT_GT(std::abs(product(5, 3) - product(5, 4)), 1e-3);
    EXPECT_NEAR(product(0, 0), sum(q * k).to_double(), 1e-12);
  }
}

TEST(Rotary, TurnsNeighboursOrHalves) {
  const Tensor x = tensor({1., 2., 3., 4., 9.}, Shape{1, 1, 5});
  const double c = std::cos(2.), s = std::sin(2.), d = std::cos(0.02), t = std::sin(0.02);
  expect_near(rotary_embedding(x, {.offset = 2, .rotary_size = 4}),
              {c - 3 * s, 2 * d - 4 * t, 3 * c + s, 4 * d + 2 * t, 9});
  expect_near(rotary_embedding(x, {.offset = 2, .rotary_size = 4, .interleaved = true}),
              {c - 2 * s, 2 * c + s, 3 * d - 4 * t, 4 * d + 3 * t, 9});
  const Tensor positions = tensor({int64_t{2}}, Shape{1, 1});
  EXPECT_EQ(distance(rotary_embedding(x, {.positions = positions, .rotary_size = 4}),
                     rotary_embedding(x, {.offset = 2, .rotary_size = 4})),
            0);
  EXPECT_EQ(message_of<ValueError>([&] { rotary_embedding(x); }),
            "rotary_embedding: rotary_size: expected an even number up to 5, got 5");
}

TEST(Gates, AreConvertedThereAndBack) {
  const Tensor w = noise({2, 8}, 1);
  for (const Tensor& back : {lstm_gates(lstm_gates(w, "keras", "onnx"), "onnx", "keras"),
                             lstm_gates(w, "keras", "pytorch"),
                             lstm_gates(lstm_gates(w, "cudnn", "onnx"), "onnx", "pytorch")}) {
    EXPECT_EQ(distance(back, w), 0);
  }
  const Tensor order = tensor({1., 2., 3., 4.});
  expect_near(lstm_gates(order, "keras", "onnx"), {1, 4, 2, 3});
  expect_near(gru_gates(tensor({1., 2., 3.}), "keras", "pytorch"), {2, 1, 3});
  expect_near(gru_gates(tensor({1., 2., 3.}), "onnx", "keras"), {1, 2, 3});
  EXPECT_EQ(message_of<ShapeError>([&] {
              lstm_gates(ones({3, 6}), "keras", "onnx");
            }),
            "lstm_gates: 4 gates do not divide axis 1 of [3, 6]");
}

TEST(Lstm, GradientsOfTheNotesAgreeWithDifferences) {  // P4-46
  const Tensor x = noise({1, 3, 2}, 1), w = noise({2, 8}, 2), u = noise({2, 8}, 3);
  const auto loss = [&](const Tensor& k) { return sum(square(lstm(x, k, u).output)); };
  const auto g = grad(loss)(w).to_doubles();
  const auto at = w.to_doubles();
  constexpr double kStep = 1e-6;
  for (size_t i = 0; i < at.size(); ++i) {
    auto up = at, down = at;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope =
        (loss(tensor(up, {2, 8})).to_double() - loss(tensor(down, {2, 8})).to_double()) /
        (2 * kStep);
    EXPECT_NEAR(g[i], slope, 1e-6);
  }
}

}  // namespace
}  // namespace varve
