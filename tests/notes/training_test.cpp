// The notes on training: batches, checkpoints, early stopping, dropout, batch normalization.
#include "helpers.h"
#include "support/folder.h"

namespace varve {
namespace {

using namespace notes;

// P4-11.
TEST(NotesTraining, AThousandExamplesInBatchesOfFiveHundredAreTwoIterations) {
  const Dataset data(normal({1000, 2}, 1), normal({1000, 1}, 2));
  const auto sizes = [&](LoaderOptions options) {
    Loader loader(data, options);
    std::vector<int64_t> list;
    for (const Batch& batch : loader) list.push_back(batch.size());
    EXPECT_EQ(loader.size(), static_cast<int64_t>(list.size()));
    return list;
  };
  using Sizes = std::vector<int64_t>;
  EXPECT_EQ(sizes({.batch_size = 500}), (Sizes{500, 500}));
  EXPECT_EQ(sizes({.batch_size = 300}), (Sizes{300, 300, 300, 100}));
  EXPECT_EQ(sizes({.batch_size = 300, .drop_last = true}), (Sizes{300, 300, 300}));
  EXPECT_EQ(sizes({.batch_size = 2000}), (Sizes{1000}));
  EXPECT_THROW(sizes({.batch_size = 2000, .drop_last = true}), ValueError);

  Sequential model{nn::Dense{1}};
  model.compile({.loss = "mse"});
  int64_t updates = 0;
  const auto count = [&](TrainState& s) { updates = s.step(); };
  model.fit(data, {.batch_size = 500,
                   .epochs = 3,
                   .callbacks = {callbacks::Hooks{.on_batch_end = count}},
                   .progress = false});
  EXPECT_EQ(updates, 6);
}

// P4-26. (`tf.train.Variable` of the notes does not exist, and their manager lacks an argument.)
TEST(NotesTraining, ACheckpointBringsBackWhatWasSaved) {
  const test::Folder folder;
  const std::string path = folder / "checkpoint.safetensors";
  Variable x(scalar(1, f32), {.name = "x"});
  Optimizer optimizer = optim::Adam{.learning_rate = 0.125};
  const auto step = [&] {
    const auto loss = [&] { return square(x.value()); };
    optimizer.update(value_and_grad(loss, Variables{x})().grads);
  };
  const auto everything = [&] {
    std::vector<NamedVariable> list{{"x", x}};
    for (const auto& s : optimizer.state()) list.push_back({"optimizer." + s.path, s.variable});
    return list;
  };
  const auto contents = [&] {
    std::vector<Doubles> list;
    for (const auto& v : everything()) list.push_back(v.variable.value().to_doubles());
    return list;
  };
  step();
  step();
  x.assign(scalar(1, f32));
  x.assign(x + 2);
  const std::vector<Doubles> saved = contents();
  ASSERT_GE(saved.size(), 4u);  // x, the step, and two slots
  save_weights(path, everything());
  step();
  x.assign(scalar(-7, f32));
  EXPECT_NE(contents(), saved);
  load_weights(path, everything());
  EXPECT_EQ(x.value().to_double(), 3);
  EXPECT_EQ(contents(), saved);
  EXPECT_EQ(optimizer.step().value().item<int64_t>(), 2);
}

/// Trains on given validation losses; how many epochs it took to stop.
int64_t epochs_until_stop(const Doubles& losses, Dim patience) {
  // The only weight is the prediction and the target is 0, so the loss is its square.
  Sequential model{nn::Input{.shape = {1}}, nn::Dense{.units = 1, .use_bias = false}};
  const Dataset data(ones({1, 1}), zeros({1, 1}));
  model.compile({.optimizer = optim::SGD{.learning_rate = 0}, .loss = "mse"});
  const auto set = [&](TrainState& s) {
    const double loss = losses[static_cast<size_t>(s.epoch())];
    model.variable("dense_1.kernel").assign(full({1, 1}, std::sqrt(loss)));
  };
  const History h = model.fit(data, {.epochs = losses.size(),
                                     .callbacks = {callbacks::Hooks{.on_epoch_begin = set},
                                                   callbacks::EarlyStopping{.patience = patience}},
                                     .validation_data = data,
                                     .progress = false});
  return h.epochs();
}

// P4-28. (The notes look at the test loss; that must not be looked at: it is the validation loss.)
TEST(NotesTraining, EarlyStoppingStopsAtTheFirstRiseOrAfterThree) {
  const Doubles losses{5, 4, 3, 3.5, 2, 2.5, 2.6, 2.7, 1};
  EXPECT_EQ(epochs_until_stop(losses, 0), 4);
  EXPECT_EQ(epochs_until_stop(losses, 3), 8);
}

// P4-29. (The notes use p for what is dropped and for what is kept; at one half they agree. The
// library scales while training, so that nothing is left to do afterwards.)
TEST(NotesTraining, TheMeanOverTheFourDropoutMasksIsHalfTheSum) {
  const double t1 = 0.75, t2 = -1.5, x1 = 2, x2 = 3;
  double plain = 0, inverted = 0;
  for (double m1 : {0, 1}) {
    for (double m2 : {0, 1}) {
      plain += (t1 * m1 * x1 + t2 * m2 * x2) / 4;
      inverted += (t1 * m1 * 2 * x1 + t2 * m2 * 2 * x2) / 4;
    }
  }
  EXPECT_EQ(plain, (t1 * x1 + t2 * x2) / 2);
  EXPECT_EQ(inverted, t1 * x1 + t2 * x2);

  const int64_t n = 4096;
  const Tensor x = broadcast_to(tensor({2.f, 3.f}), {n, 2});
  Layer dropout = nn::Dropout{.rate = 0.5};
  EXPECT_EQ(dropout(x).to_doubles(), x.to_doubles());
  const Doubles y = dropout(x, {.training = true}).to_doubles();
  std::map<std::pair<double, double>, int> seen;
  for (size_t i = 0; i < y.size(); i += 2) ++seen[{y[i], y[i + 1]}];
  ASSERT_EQ(seen.size(), 4u);
  for (const auto& [values, count] : seen) {
    EXPECT_TRUE(values.first == 0 || values.first == 4) << values.first;
    EXPECT_TRUE(values.second == 0 || values.second == 6) << values.second;
    // A quarter of 4,096 with a deviation of 27.7: five of these.
    EXPECT_NEAR(count, 1024, 139);
  }
}

// P4-39. (In the notes' formula for images the statistics are over the samples alone: they are over
// height and width, too.)
TEST(NotesTraining, BatchNormalizationCanUndoItself) {
  const Tensor x = normal({16, 5, 5, 3}, 3) * 3 + 2;
  Layer norm = nn::BatchNorm{};
  norm.build({5, 5, 3});
  const std::vector<int> all_but_channels{0, 1, 2};
  norm.variable("gamma").assign(sqrt(var(x, {.axes = all_but_channels}) + 1e-3));
  norm.variable("beta").assign(mean(x, {.axes = all_but_channels}));
  EXPECT_LT(distance(norm(x, {.training = true}), x), 1e-5);
}

/// A convolution and batch normalization with statistics of some data.
struct Normalized {
  Layer conv, norm;
  Tensor x = normal({4, 9, 9, 3}, 4);

  explicit Normalized(bool bias)
      : conv(nn::Conv2D{.filters = 8, .kernel_size = 3, .use_bias = bias}),
        norm(nn::BatchNorm{.momentum = 0.5}) {
    conv.build({9, 9, 3});
    norm.build({7, 7, 8});
    norm.variable("gamma").assign(1 + 0.3 * normal({8}, 5));
    norm.variable("beta").assign(normal({8}, 6));
    for (int i = 0; i < 3; ++i) norm(conv(x), {.training = true});
  }
};

// P4-39.
TEST(NotesTraining, BatchNormalizationFusesIntoTheConvolutionBefore) {
  Normalized n(true);
  n.conv.variable("bias").assign(normal({8}, 7));
  const auto value = [&](const char* name) { return n.norm.variable(name).value(); };
  const Tensor factor = value("gamma") * rsqrt(value("moving_variance") + 1e-3);
  const Tensor kernel = n.conv.variable("kernel").value() * factor;
  const Tensor bias =
      (n.conv.variable("bias").value() - value("moving_mean")) * factor + value("beta");
  const Tensor unfused = n.norm(n.conv(n.x));
  EXPECT_LT(distance(conv2d(n.x, kernel, {.bias = bias}), unfused), 1e-5);
  // What the compiler makes of the two layers.
  const auto compiled = jit([&](const Tensor& x) { return n.norm(n.conv(x)); });
  EXPECT_LT(distance(compiled(n.x), unfused), 1e-5);
}

// P4-39.
TEST(NotesTraining, ABiasBeforeBatchNormalizationChangesNothing) {
  Normalized n(true);
  const Tensor before = n.norm(n.conv(n.x), {.training = true});
  before.evaluate();
  n.conv.variable("bias").assign(normal({8}, 8) * 5);
  EXPECT_LT(distance(n.norm(n.conv(n.x), {.training = true}), before), 1e-4);
  // And nothing flows back to it.
  const Variable bias = n.conv.variable("bias");
  const auto loss = [&] {
    return sum(n.norm(n.conv(n.x), {.training = true}) * normal({4, 7, 7, 8}, 9));
  };
  const Tensor g = value_and_grad(loss, Variables{bias})().grads[bias];
  EXPECT_LT(max(abs(g)).to_double(), 1e-3);
}

}  // namespace
}  // namespace varve
