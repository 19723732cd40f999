// The notes on layers: counts of weights, initialization, linear stacks, boxes.
#include "helpers.h"

namespace varve {
namespace {

using namespace notes;

// P4-07. (A figure of the notes says 200 where the second layer has 2,020.)
TEST(NotesModels, TheSequentialModelHas2641Weights) {
  Sequential model{nn::Input{.shape = {10, 5}}, nn::Dense{100, "relu"}, nn::Dense{20, "relu"},
                   nn::Dense{1, "sigmoid"}};
  EXPECT_EQ(model.parameter_count(), 2641);
  std::vector<int64_t> weights;
  std::vector<std::string> shapes;
  for (const nn::LayerCall& call : nn::describe(model)) {
    if (call.type != "dense") continue;
    weights.push_back(call.parameters);
    shapes.push_back(call.outputs[0].shape.to_string());
  }
  EXPECT_EQ(weights, (std::vector<int64_t>{600, 2020, 21}));
  EXPECT_EQ(shapes, (std::vector<std::string>{"[-1, 10, 100]", "[-1, 10, 20]", "[-1, 10, 1]"}));
  EXPECT_EQ(model(zeros({4, 10, 5})).shape(), (Shape{4, 10, 1}));
}

// P4-08. (The notes use `concatenate` without importing it.)
TEST(NotesModels, TheFunctionalModelHas468Weights) {
  const Tensor a = nn::Input{.shape = {16}}, b = nn::Input{.shape = {32}};
  const Tensor left = nn::Dense{8, "relu"}(a), right = nn::Dense{8, "relu"}(b);
  const Tensor both = nn::Concatenate{}({left, right});
  Model model({a, b}, Tensor(nn::Dense{4}(both)));
  EXPECT_EQ(model.parameter_count(), 468);
  std::vector<int64_t> weights;
  for (const nn::LayerCall& call : nn::describe(model)) {
    if (call.type == "dense") weights.push_back(call.parameters);
    if (call.type == "concatenate") {
      EXPECT_EQ(call.outputs[0].shape, (Shape{-1, 16}));
    }
  }
  EXPECT_EQ(weights, (std::vector<int64_t>{136, 264, 68}));
  EXPECT_EQ(Tensor(model(Tensors{zeros({3, 16}), zeros({3, 32})})).shape(), (Shape{3, 4}));
}

// P4-09.
TEST(NotesModels, DenseLayersCountAWeightAConnectionAndABiasAUnit) {
  Sequential model{nn::Input{.shape = {3}}, nn::Dense{4}, nn::Dense{2}};
  EXPECT_EQ(model.variable("dense_1.kernel").shape().size(), 12);
  EXPECT_EQ(model.variable("dense_1.bias").shape().size(), 4);
  EXPECT_EQ(model["dense_1"].parameter_count(), 16);
  EXPECT_EQ(model.variable("dense_2.kernel").shape().size(), 8);
  EXPECT_EQ(model.variable("dense_2.bias").shape().size(), 2);
  EXPECT_EQ(model["dense_2"].parameter_count(), 10);
}

// P4-47. (The notes say that every unit stays the same; that is so for the hidden ones.)
TEST(NotesModels, HiddenUnitsThatBeginAtZeroStayAlike) {
  const Tensor x = normal({32, 5}, 1), y = normal({32, 1}, 2);
  for (const char* initializer : {"zeros", "glorot_uniform"}) {
    Sequential model{
        nn::Dense{.units = 7, .activation = "sigmoid", .kernel_initializer = initializer},
        nn::Dense{.units = 1, .kernel_initializer = initializer}};
    model.compile({.optimizer = optim::SGD{.learning_rate = 0.5}, .loss = "mse"});
    model.fit(x, y, {.batch_size = 8, .epochs = 5, .seed = 3, .progress = false});
    const Variable kernel = model.variable("dense_1.kernel");
    const auto step = value_and_grad([&] { return Loss("mse")(model(x), y); }, Variables{kernel});
    const Tensor g = step().grads[kernel];
    // Columns belong to units: equal ones make a matrix of rank 1.
    const double spread = max(abs(g - slice(g, {{}, {0, 1}}))).to_double();
    const double size = max(abs(g)).to_double();
    EXPECT_GT(size, 1e-6) << initializer;
    if (std::string(initializer) == "zeros") {
      EXPECT_EQ(spread, 0);
      EXPECT_EQ(max(abs(kernel - slice(kernel, {{}, {0, 1}}))).to_double(), 0);
    } else {
      EXPECT_GT(spread, 0.1 * size);
    }
  }
}

/// Variance about zero of what each of ten layers gives before its activation.
Doubles signal(const char* initializer, const char* activation, int64_t odd, int64_t even,
               double scale) {
  Tensor x = normal({500, odd}, 11) * scale;
  Doubles sizes;
  for (int layer = 0; layer < 10; ++layer) {
    const Shape shape{x.shape()[-1], layer % 2 ? odd : even};
    const Tensor w = Initializer(initializer)(Key(100 + static_cast<uint64_t>(layer)), shape);
    const Tensor z = matmul(x, w);
    sizes.push_back(mean(square(z)).to_double());
    x = Activation(activation)(z);
  }
  return sizes;
}

// P4-48. (The notes give one name to two formulas: 1/n is LeCun's, 2/(n + m) Glorot's.)
TEST(NotesModels, InitializersKeepTheVarianceThroughTenLayers) {
  const auto holds = [](const Doubles& sizes, double first) {
    for (double v : sizes) {
      EXPECT_GT(v, first / 2);
      EXPECT_LT(v, first * 2);
    }
  };
  // tanh is near its linear part at 0.1.
  holds(signal("lecun_normal", "tanh", 300, 300, 0.1), 0.01);
  holds(signal("xavier_normal", "tanh", 300, 250, 0.1), 0.01);
  const Doubles relu = signal("he_normal", "relu", 300, 300, 1);
  holds(relu, relu[0]);
  // Half of it is too little for relu: 2^-9 is left.
  const Doubles small = signal("lecun_normal", "relu", 300, 300, 1);
  EXPECT_LT(small.back(), small[0] / 200);
  // The formula for 784 inputs and 300 units.
  EXPECT_NEAR(std::sqrt(2.0 / (784 + 300)), 0.042954, 1e-6);
  const Tensor w = Initializer("xavier_normal")(Key(7), {784, 300});
  // The deviation of 235,200 numbers is known to 0.2 %; four times that.
  EXPECT_NEAR(std(w).to_double(), 0.042954, 0.008 * 0.042954);
  EXPECT_NEAR(max(abs(Initializer("xavier_uniform")(Key(7), {784, 300}))).to_double(),
              std::sqrt(6.0 / (784 + 300)), 1e-5);
}

// P4-49. (The matrices of the notes leave out the 1 appended between the layers.)
TEST(NotesModels, TwoDenseLayersWithoutActivationAreOne) {
  const Tensor x = normal({9, 6}, 1, f64);
  const Tensor w1 = normal({6, 20}, 2, f64), b1 = normal({20}, 3, f64);
  const Tensor w2 = normal({20, 3}, 4, f64), b2 = normal({3}, 5, f64);
  const Tensor stacked = matmul(matmul(x, w1) + b1, w2) + b2;
  const Tensor one = matmul(x, matmul(w1, w2)) + (matmul(b1, w2) + b2);
  EXPECT_LT(distance(stacked, one), 1e-12);

  Sequential two{nn::Input{.shape = {6}}, nn::Dense{20}, nn::Dense{3}};
  Sequential single{nn::Input{.shape = {6}}, nn::Dense{3}};
  const auto value = [&](const char* path) { return two.variable(path).value(); };
  two.variable("dense_1.bias").assign(normal({20}, 6));
  single.variable("dense_1.kernel")
      .assign(matmul(value("dense_1.kernel"), value("dense_2.kernel")));
  single.variable("dense_1.bias")
      .assign(matmul(value("dense_1.bias"), value("dense_2.kernel")) + value("dense_2.bias"));
  EXPECT_LT(distance(two(cast(x, f32)), single(cast(x, f32))), 1e-5);
}

/// A hidden layer of 64 sigmoid steps, a tenth apart, and one linear unit.
struct Boxes {
  static constexpr int64_t kUnits = 64;
  // The steps begin before 0 and end after 2 pi, for those near the ends are smooth, too.
  static constexpr double kMargin = 0.4, kPi = 3.14159265358979323846;
  const double width = (2 * kPi + 2 * kMargin) / kUnits;
  Sequential model{nn::Input{.shape = {1}}, nn::Dense{kUnits, "sigmoid"}, nn::Dense{1}};
  const Tensor x = reshape(linspace(0, 2 * kPi, 201), {201, 1});

  explicit Boxes(double steepness) {
    const Tensor at = linspace(-kMargin, 2 * kPi + kMargin, kUnits, {.endpoint = false});
    model.variable("dense_1.kernel").assign(full({1, kUnits}, steepness));
    model.variable("dense_1.bias").assign(-steepness * (at + width / 2));
    const Tensor rise = sin(at + width) - sin(at);
    model.variable("dense_2.kernel").assign(reshape(rise, {kUnits, 1}));
    model.variable("dense_2.bias").assign(full({1}, std::sin(-kMargin)));
  }
  double worst() { return distance(model(x), sin(x)); }
};

// P4-50. (The notes say "represents any function": continuous ones, approximately.)
TEST(NotesModels, SixtyFourSigmoidUnitsApproximateASineByBoxes) {
  // Two opposite steps make a box.
  const auto step = [](double x, double at) { return 1 / (1 + std::exp(-200 * (x - at))); };
  EXPECT_NEAR(step(1.5, 1) - step(1.5, 2), 1, 1e-9);
  EXPECT_NEAR(step(0.5, 1) - step(0.5, 2), 0, 1e-9);
  // Steep steps are off by about half a step; as wide as they are apart, they fit.
  EXPECT_LT(Boxes(200).worst(), 0.08);
  EXPECT_LT(Boxes(20).worst(), 1e-2);
}

// P4-50, by training.
TEST(NotesModels, TrainingFindsTheHeightsOfTheBoxes) {
  Boxes boxes(3);
  boxes.model.variable("dense_2.kernel").assign(zeros({Boxes::kUnits, 1}));
  boxes.model.variable("dense_2.bias").assign(zeros({1}));
  const auto rate = schedules::Cosine{.initial = 0.02, .steps = 10000};
  boxes.model.compile({.optimizer = optim::Adam{.learning_rate = rate}, .loss = "mse"});
  boxes.model.fit(boxes.x, sin(boxes.x),
                  {.batch_size = 201, .epochs = 10000, .shuffle = false, .progress = false});
  EXPECT_LT(boxes.worst(), 1e-2);
}

}  // namespace
}  // namespace varve
