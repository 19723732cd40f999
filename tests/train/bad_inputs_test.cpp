// Bad input given to the library: one row a case, named as in the catalogue of bad inputs, with
// what the message must say. Rows about the bytes of files stand in tests/formats.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "helpers.h"
#include "support/folder.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/indexing.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/table.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using namespace test;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Row {
  const char* id;
  std::function<void()> action;
  const char* type;  // of the error
  std::string says;  // message and hint contain it
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.id);
    try {
      row.action();
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(type_of(e), row.type) << e.what();
      EXPECT_NE((e.message() + "\n" + e.hint()).find(row.says), std::string::npos) << e.what();
    }
  }
}

Sequential dense(int64_t inputs, int64_t units, const char* name = "fc1") {
  Sequential model{nn::Dense{.units = units, .use_bias = false, .name = name}};
  model.build({inputs});
  return model;
}

// A file of one tensor of a type that Varve does not compute.
std::string fp8_file(const Folder& folder) {
  const std::string header =
      R"({"fc1.kernel":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[0,6]}})";
  const auto length = static_cast<uint64_t>(header.size());
  return folder.file("fp8.safetensors",
                     std::string(reinterpret_cast<const char*>(&length), 8) + header + "abcdef");
}

TEST(BadInput, WeightsThatDoNotFitAreListedAndNothingIsHalfLoaded) {  // B023, B024, B025, B026
  const Folder folder;
  const std::string one = folder / "one.safetensors", wide = folder / "wide.safetensors",
                    nan = folder / "nan.safetensors";
  dense(784, 128, "other").save_weights(one);
  Sequential small = dense(128, 256);
  small.save_weights(wide);
  Sequential bad = dense(2, 3);
  bad.variable("fc1.kernel").assign(tensor({1.f, 2.f, 3.f, 4.f, kInf, kNaN}, {2, 3}));
  bad.save_weights(nan);

  Sequential model = dense(784, 128), narrow = dense(128, 784), other = dense(2, 3);
  const auto before = weights_of(model);
  std::vector<Layer> many;
  for (int i = 0; i < 12; ++i) {
    many.push_back(nn::Dense{.units = 2, .use_bias = false, .name = "l" + std::to_string(i)});
  }
  Sequential deep(many);
  deep.build({2});
  check({{"B023", [&] { model.load_weights(one); }, "FormatError",
          "model expects \"fc1.kernel\" F32[784,128]: not in file"},
         {"B023 all", [&] { model.load_weights(one); }, "FormatError",
          "file has \"other.kernel\" F32[784,128]: not in the model"},
         {"B023 ten", [&] { deep.load_weights(one); }, "FormatError",
          "model expects \"l9.kernel\" F32[2,2]: not in file\n  ... and 2 more"},
         {"B024", [&] { narrow.load_weights(wide); }, "FormatError",
          "\"fc1.kernel\": model F32[128,784], file F32[128,256]"},
         {"B025", [&] { other.load_weights(fp8_file(folder)); }, "FormatError", "F8_E4M3"},
         {"B026", [&] { other.load_weights(nan, {.require_finite = true}); }, "FormatError",
          "tensor \"fc1.kernel\": infinity at [1, 1]"}});
  EXPECT_EQ(weights_of(model), before);
  take_warnings();
  EXPECT_EQ(other.load_weights(nan).not_finite,
            (std::vector<std::string>{"tensor \"fc1.kernel\": infinity at [1, 1]"}));
  EXPECT_EQ(take_warnings(), (std::vector<std::string>{nan + ": 1 tensor holds NaN or infinity"}));
}

TEST(BadInput, ACellThatIsNoNumberIsNamedByLineAndColumn) {  // B074
  const auto fit = [](const std::string& cell, Column column) {
    const Table t = Table::parse("age;y\n1;a\n2;b\n" + cell + ";a\n", {.separator = ";"});
    return TablePreprocessing::fit(t, {.target = "y", .columns = {{"age", column}}});
  };
  check({{"B074 text", [&] { fit("abc", "number"); }, "FormatError",
          "line 4 column \"age\": expected number, got \"abc\""},
         {"B074 decimal comma", [&] { fit("1,5", "number"); }, "FormatError",
          "line 4 column \"age\": expected number, got \"1,5\""},
         {"B074 empty",
          [&] {
            fit("", {"number", "error"});
          },
          "FormatError", "line 4 column \"age\": the value is missing"}});
  // By default what is missing is filled.
  EXPECT_EQ(fit("", "number").features(), 1);
  EXPECT_EQ(fit("nan", "number").features(), 1);
}

TEST(BadInput, DerivativesThatCannotBeMeantSayWhatToDo) {  // B106
  const Tensor x = tensor({1.f, 2.f});
  const Variable used(tensor({1.f}), {.name = "used"}), unused(tensor({1.f}), {.name = "unused"});
  check(
      {{"B106 not a scalar", [&] { grad([](const Tensor& t) { return t * 2; })(x); }, "ShapeError",
        "take its sum or mean"},
       {"B106 integer", [&] { grad([](const Tensor& t) { return sum(t); })(tensor({int64_t{1}})); },
        "DTypeError", "i64"}});
  take_warnings();
  const auto r = value_and_grad([&] { return sum(used.value() * 3); }, {used, unused})();
  EXPECT_EQ(r.grads[used].to_doubles(), (std::vector<double>{3}));
  EXPECT_EQ(r.grads[unused].to_doubles(), (std::vector<double>{0}));
  const std::vector<std::string> warnings = take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("\"unused\""), std::string::npos) << warnings[0];
}

TEST(BadInput, ASnapshotKeepsItsContentsAcrossAnUpdateInPlace) {  // B107
  std::vector<float> start(1000);
  for (size_t i = 0; i < start.size(); ++i) start[i] = static_cast<float>(i) / 7;
  Variable v(tensor(start, {1000}), {.name = "v"});
  auto step = jit([&](const Tensor& by) { v.assign(v.value() * by + 1); });
  for (int round = 0; round < 5; ++round) {
    const Tensor before = v.value();
    const std::vector<double> kept = before.to_doubles();
    const Tensor view = reshape(before, {10, 100});
    step(scalar(1.5, f32));
    step(scalar(0.5, f32));
    EXPECT_EQ(before.to_doubles(), kept);
    EXPECT_EQ(view.to_doubles(), kept);
    EXPECT_NE(v.value().to_doubles(), kept);
  }
}

TEST(BadInput, AnIndexOutOfRangeIsNamedWithItsPositionAndTheRange) {  // B108, B109
  const Tensor logits = zeros({40, 10}, f32);
  const auto labels = [](int64_t at, int64_t label) {
    std::vector<int64_t> y(40, 3);
    y[static_cast<size_t>(at)] = label;
    return tensor(y, {40});
  };
  const auto fit = [&](int64_t label, bool eager) {
    Sequential model{nn::Dense{.units = 10}};
    model.compile({.loss = losses::CrossEntropy{.from_logits = true}, .run_eagerly = eager});
    model.fit(zeros({40, 2}, f32), labels(37, label), {.batch_size = 8, .progress = false});
  };
  const auto embed = [](int64_t id, bool eager) {
    Sequential model{nn::Embedding{.input_dim = 50, .output_dim = 2}, nn::Flatten{},
                     nn::Dense{.units = 1}};
    model.compile({.loss = "mse", .run_eagerly = eager});
    std::vector<int64_t> ids(12, 1);
    ids[7] = id;
    model.fit(tensor(ids, {4, 3}), zeros({4, 1}, f32),
              {.batch_size = 2, .shuffle = false, .progress = false});
  };
  const auto loss = [&](int64_t label) {
    return cross_entropy(logits, labels(37, label)).to_doubles();
  };
  check({{"B108 10 of 10", [&] { loss(10); }, "IndexError",
          "cross_entropy: target[37] = 10, expected 0..9"},
         {"B108 -1", [&] { loss(-1); }, "IndexError",
          "cross_entropy: target[37] = -1, expected 0..9"},
         {"B108 fit", [&] { fit(10, false); }, "IndexError",
          "cross_entropy: target[37] = 10, expected 0..9\nclasses count from 0"},
         {"B108 fit, eager", [&] { fit(-1, true); }, "IndexError",
          "cross_entropy: target[37] = -1, expected 0..9"},
         {"B109", [&] { embed(50, false); }, "IndexError",
          "epoch 1, step 2: take: index[1] = 50, expected 0..49"},
         {"B109 eager", [&] { embed(-1, true); }, "IndexError", "= -1, expected 0..49"}});
  // Where asked for, a label may stand for nothing.
  EXPECT_EQ(cross_entropy(logits, labels(37, -1), {.ignore_index = -1}).to_doubles()[37], 0);
}

TEST(BadInput, DataThatIsNotThereIsSaid) {  // B110, B111
  Sequential model = classifier();
  model.compile(for_classes());
  const Dataset data = two_classes(8), none = data.take(0);
  check({{"B110 fit", [&] { model.fit(none); }, "ValueError", "fit: the training set is empty"},
         {"B110 validation", [&] { model.fit(data, {.validation_data = none}); }, "ValueError",
          "fit: validation_data is empty"},
         {"B110 split", [&] { model.fit(data, {.validation_split = 0.01, .stratify = true}); },
          "ValueError", "split: 8 examples do not split into 8 and 0"},
         {"B110 split of one", [&] { model.fit(data.take(1), {.validation_split = 0.5}); },
          "ValueError", "fit: validation_split: 1 sample cannot be split by 0.5"},
         {"B110 evaluate", [&] { model.evaluate(none); }, "ValueError", "has no examples"},
         {"B111", [&] { Loader(data, {.batch_size = 9, .drop_last = true}); }, "ValueError",
          "loader: 0 batches per epoch: 8 examples, batch_size 9"}});
}

TEST(BadInput, ALastBatchOfOneTrainsThroughBatchNorm) {  // B112: it uses the running statistics
  Sequential model{nn::Dense{.units = 4}, nn::BatchNorm{}, nn::Dense{.units = 2}};
  model.compile(for_classes());
  const History h = model.fit(two_classes(33), {.batch_size = 32, .epochs = 3, .progress = false});
  EXPECT_TRUE(std::isfinite(h["loss"].back()));
}

TEST(BadInput, SuspiciousDataIsWarnedOf) {  // B113, B114
  take_warnings();
  Sequential model = classifier();
  model.compile(for_classes());
  model.fit(Dataset(two_classes(9).stored_inputs(), tensor(std::vector<int64_t>(9, 1), {9})),
            {.progress = false});
  EXPECT_EQ(take_warnings(), (std::vector<std::string>{"fit: all 9 labels are class 1"}));
  const Table t = Table::parse("a,b,y\n5,1,u\n5,2,v\n5,4,u\n");
  const TablePreprocessing p = TablePreprocessing::fit(t, {.target = "y"});
  const std::vector<std::string> warnings = take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("column \"a\""), std::string::npos) << warnings[0];
  const std::vector<double> x = p.inputs(t).to_doubles();
  EXPECT_EQ(x[0], 0);  // and nothing is divided by 0
}

TEST(BadInput, NumbersThatAreNotFiniteStopTraining) {  // B115, B116, B117
  std::vector<float> x(100 * 5, 0.5f);
  x[5 * 81 + 3] = kNaN;
  const Dataset bad(tensor(x, {100, 5}), zeros({100, 1}, f32));
  const auto model = [](double rate, bool eager) {
    Sequential m{nn::Dense{.units = 1, .name = "out"}};
    m.compile(
        {.optimizer = optim::SGD{.learning_rate = rate}, .loss = "mse", .run_eagerly = eager});
    return m;
  };
  for (bool eager : {false, true}) {
    const Folder folder;
    const std::string path = folder / "good.safetensors";
    const auto diverge = [&] {
      model(1e10, eager)
          .fit(line(40), {.batch_size = 4,
                          .epochs = 9,
                          .callbacks = {callbacks::Checkpoint{.path = path, .every_steps = 1}},
                          .seed = 1,
                          .progress = false});
    };
    check({{"B115", [&] { model(0.1, eager).fit(bad, {.check_data = true, .progress = false}); },
            "ValueError", "fit: sample 81 feature 3 is nan"},
           {"B116",
            [&] {
              model(0.1, eager).fit(bad, {.batch_size = 10, .shuffle = false, .progress = false});
            },
            "NumericError", "; sample 81 feature 3 is nan"},
           {"B116 place",
            [&] {
              model(0.1, eager).fit(bad, {.batch_size = 10, .shuffle = false, .progress = false});
            },
            "NumericError", "epoch 1, step 9: loss is not finite"},
           {"B117", diverge, "NumericError", "lower the learning rate"},
           {"B117 path", diverge, "NumericError", "the last checkpoint is " + path + " of step "}});
    // It is a good one.
    Sequential again = model(1e-3, eager);
    again.fit(line(40), {.batch_size = 4,
                         .epochs = 0,
                         .callbacks = {callbacks::Checkpoint{.path = path}},
                         .progress = false,
                         .resume = path});
    const auto weights = weights_of(again);
    for (double w : weights[0]) EXPECT_TRUE(std::isfinite(w));
  }
}

TEST(BadInput, IntegersByZeroAndTooLargeNumbersHaveDefinedValues) {  // B118, B119, B120
  const Tensor a = tensor({int32_t{7}, int32_t{-7}, std::numeric_limits<int32_t>::min()});
  const Tensor zero = tensor({int32_t{0}, int32_t{0}, int32_t{0}});
  const Tensor minus = tensor({int32_t{2}, int32_t{2}, int32_t{-1}});
  EXPECT_EQ(floor_divide(a, zero).to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ((a % zero).to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ((a % minus).to_doubles(), (std::vector<double>{1, 1, 0}));
  EXPECT_EQ(floor_divide(a, minus).to_doubles(), (std::vector<double>{3, -4, -2147483648.0}));
  const Tensor far = tensor({int32_t{32}, int32_t{64}, int32_t{-1}});
  EXPECT_EQ(left_shift(a, far).to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(right_shift(a, far).to_doubles(), (std::vector<double>{0, -1, -1}));
  EXPECT_EQ(cast(tensor({kNaN, 1e20f, -1e20f, -kInf}), DType::i32).to_doubles(),
            (std::vector<double>{0, 2147483647, -2147483648.0, -2147483648.0}));
  EXPECT_EQ(softmax(tensor({-kInf, -kInf, 0.f, -kInf}, {2, 2})).to_doubles(),
            (std::vector<double>{0, 0, 1, 0}));
  const Tensor g =
      grad([](const Tensor& x) { return sum(square(softmax(x))); })(tensor({-kInf, -kInf}, {1, 2}));
  EXPECT_EQ(g.to_doubles(), (std::vector<double>{0, 0}));
}

TEST(BadInput, CountsThatCannotBeAreRefusedAndEmptyOnesAreEmpty) {  // B121
  const Tensor x = tensor({3.f, 1.f, 2.f});
  check({{"B121 top_k", [&] { top_k(x, 4); }, "ValueError", "top_k: k"},
         {"B121 one_hot",
          [&] {
            one_hot(tensor({int64_t{1}, int64_t{-1}}), 3).to_doubles();
          },
          "IndexError", "one_hot: index[1] = -1, expected 0..2"},
         {"B121 split", [&] { split(x, 0); }, "ShapeError", "split"},
         {"B121 uneven split", [&] { split(x, 2); }, "ShapeError", "split"}});
  const Tensor none = tensor(std::vector<int64_t>{}, {0});
  EXPECT_EQ(take(x, none, 0).shape(), (Shape{0}));
  EXPECT_EQ(top_k(x, 0).values.shape(), (Shape{0}));
  EXPECT_EQ(take(zeros({4, 3}, f32), none, 1).shape(), (Shape{4, 0}));
}

TEST(BadInput, NoSamplesGoForwardAndBackward) {  // B123
  Sequential model{nn::Conv2D{.filters = 4, .kernel_size = 3, .activation = "relu"},
                   nn::BatchNorm{}, nn::MaxPool2D{.pool_size = 2}, nn::Flatten{},
                   nn::Dense{.units = 3}};
  model.build({8, 8, 1});
  const Tensor x = zeros({0, 8, 8, 1}, f32);
  EXPECT_EQ(Tensor(model(Tensors(x))).shape(), (Shape{0, 3}));
  EXPECT_EQ(Tensor(model.predict(x)).shape(), (Shape{0, 3}));
  const auto r = value_and_grad([&] { return sum(Tensor(model(x))); }, model.trainable())();
  EXPECT_EQ(r.value.to_double(), 0);
  for (const Tensor& g : r.grads.gradients()) {
    for (double v : g.to_doubles()) EXPECT_EQ(v, 0);
  }
}

}  // namespace
}  // namespace varve
