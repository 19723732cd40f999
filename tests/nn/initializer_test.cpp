// Initializers: fans, variances, names, and the notes' figures.
#include "nn/helpers.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::message_of;

struct Moments {
  double mean = 0, deviation = 0, low = 0, high = 0;
};
Moments moments(const Tensor& t) {
  const auto v = t.to_doubles();
  Moments m;
  for (double x : v) {
    m.mean += x / static_cast<double>(v.size());
    m.low = std::min(m.low, x);
    m.high = std::max(m.high, x);
  }
  for (double x : v) m.deviation += (x - m.mean) * (x - m.mean) / static_cast<double>(v.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(Initializer, FansAreThoseOfKeras) {
  auto is = [](const Shape& s, double in, double out) {
    const nn::Fans f = nn::fans(s);
    EXPECT_EQ(f.in, in) << s.to_string();
    EXPECT_EQ(f.out, out) << s.to_string();
  };
  is({}, 1, 1);
  is({7}, 7, 7);
  is({784, 300}, 784, 300);
  is({3, 5, 16, 32}, 15 * 16, 15 * 32);
  is({2, 3, 4, 5, 6}, 24 * 5, 24 * 6);
}

TEST(Initializer, DeviationsAreTheNotesFigures) {  // B4: He, Glorot and LeCun at (784, 300)
  const Shape shape{784, 300};
  const double n = 784 * 300;
  struct Row {
    const char* name;
    double deviation, farthest;  // the farthest an element can lie, in deviations
  };
  const double cut = 2 / 0.87962566103423978, uniform = std::sqrt(3.);
  for (const Row& r : {Row{"glorot_normal", 0.042954, cut},
                       {"glorot_uniform", 0.042954, uniform},
                       {"xavier_uniform", 0.042954, uniform},
                       {"he_normal", 0.050508, cut},
                       {"he_uniform", 0.050508, uniform},
                       {"kaiming_normal", 0.050508, cut},
                       {"lecun_normal", 0.035714, cut},
                       {"lecun_uniform", 0.035714, uniform}}) {
    const Moments m = moments(Initializer(r.name)(Key(3), shape));
    // Five standard errors of a deviation and of a mean.
    EXPECT_NEAR(m.deviation, r.deviation, 5 * r.deviation / std::sqrt(2 * n)) << r.name;
    EXPECT_NEAR(m.mean, 0, 5 * r.deviation / std::sqrt(n)) << r.name;
    EXPECT_LE(m.high, r.deviation * r.farthest * 1.0001) << r.name;
    EXPECT_GE(m.low, -r.deviation * r.farthest * 1.0001) << r.name;
    EXPECT_GT(m.high, r.deviation * r.farthest * 0.98) << r.name;
  }
}

TEST(Initializer, SpecsAndConstants) {
  EXPECT_EQ(Initializer("zeros")(Key(1), {3}).to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(Initializer("ones")(Key(1), {2}).to_doubles(), (std::vector<double>{1, 1}));
  EXPECT_EQ(Initializer(0.25)(Key(1), {2}, f64).to_doubles(), (std::vector<double>{0.25, 0.25}));
  EXPECT_EQ(Initializer(2)(Key(1), {0, 3}).size(), 0);
  const Moments m =
      moments(Initializer(nn::RandomNormal{.mean = 2, .stddev = 0.5})(Key(1), {40000}));
  EXPECT_NEAR(m.mean, 2, 5 * 0.5 / 200);
  EXPECT_NEAR(m.deviation, 0.5, 5 * 0.5 / std::sqrt(80000));
  EXPECT_EQ(message_of<ValueError>([] {
              (void)Initializer(nn::VarianceScaling{.mode = "fan_inn"})(Key(1), {2, 2});
            }),
            "variance_scaling: unknown mode \"fan_inn\"");
}

TEST(Initializer, EveryNameGoesThroughItsConfig) {
  ASSERT_GT(nn::initializer_names().size(), 5u);
  for (const std::string& name : nn::initializer_names()) {
    const Initializer i = name;
    EXPECT_EQ(i.config(), "\"" + name + "\"");
    const Tensor a = i(Key(5), {4, 3}), b = Initializer::from_config(i.config())(Key(5), {4, 3});
    EXPECT_EQ(a.shape(), (Shape{4, 3}));
    EXPECT_EQ(test::distance(a, b), 0) << name;
  }
  const Initializer spec = nn::VarianceScaling{.scale = 3, .distribution = "uniform"};
  EXPECT_EQ(
      test::distance(Initializer::from_config(spec.config())(Key(2), {5, 5}), spec(Key(2), {5, 5})),
      0);
}

TEST(Initializer, OrthogonalMatricesAreOrthonormal) {
  for (const Shape& shape : {Shape{5, 5}, Shape{7, 3}, Shape{3, 7}, Shape{2, 3, 4, 5}}) {
    const Tensor w = reshape(Initializer("orthogonal")(Key(1), shape, f64), {-1, shape[-1]});
    const bool tall = w.shape()[0] >= w.shape()[1];
    const Tensor gram = tall ? matmul(transpose(w), w) : matmul(w, transpose(w));
    const int64_t n = gram.shape()[0];
    const auto v = gram.to_doubles();
    for (int64_t i = 0; i < n * n; ++i)
      EXPECT_NEAR(v[static_cast<size_t>(i)], i % (n + 1) == 0, 1e-12);
  }
  EXPECT_THROW((void)Initializer("orthogonal")(Key(1), {5}), ShapeError);
}

TEST(Initializer, VarianceStaysThroughTenLayers) {  // P4-48
  auto through = [](const char* initializer, const char* activation) {
    random::seed(7);
    Layer model = nn::sequential({});
    for (int i = 0; i < 10; ++i) {
      nn::append(model, nn::Dense{.units = 256,
                                  .activation = activation,
                                  .use_bias = false,
                                  .kernel_initializer = initializer});
    }
    const Tensor x = test::normal({256, 256});
    const double before = moments(x).deviation, after = moments(model(x)).deviation;
    return after * after / (before * before);
  };
  // The mean square of a rectified unit is what He's rule keeps; its variance is (1 - 1/pi) of it.
  const double rectified = through("he_normal", "relu") / (1 - 1 / M_PI);
  EXPECT_GT(rectified, 0.5);
  EXPECT_LT(rectified, 2);
  const double linear = through("lecun_normal", "linear");
  EXPECT_GT(linear, 0.5);
  EXPECT_LT(linear, 2);
  // A tenth of the right deviation dies out: 1e-2 a layer.
  const double weak = through("random_normal", "relu");
  EXPECT_LT(weak, 1e-3);
}

TEST(Initializer, TheSameSeedGivesTheSameWeights) {
  auto first = [](uint64_t seed) {
    random::seed(seed);
    Layer model = nn::sequential({nn::Dense{4}, nn::Dense{4}});
    model.build({4});
    return model;
  };
  Layer a = first(1), b = first(1), c = first(2);
  const Tensor ka = a.variable("dense_2.kernel").value();
  // The order of reading does not matter.
  (void)b.variable("dense_2.kernel").value();
  EXPECT_EQ(
      test::distance(a.variable("dense_1.kernel").value(), b.variable("dense_1.kernel").value()),
      0);
  EXPECT_EQ(test::distance(ka, b.variable("dense_2.kernel").value()), 0);
  EXPECT_GT(test::distance(ka, c.variable("dense_2.kernel").value()), 0);
  EXPECT_GT(test::distance(ka, a.variable("dense_1.kernel").value()), 0);
}

}  // namespace
}  // namespace varve
