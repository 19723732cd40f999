#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "helpers.h"
#include "support/errors.h"
#include "support/folder.h"
#include "train/output_kind.h"
#include "varve/ops/pointwise.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using namespace test;

std::vector<std::string> warnings_of(const std::function<void()>& f) {
  take_warnings();
  f();
  return take_warnings();
}

void fit_once(Sequential model, const Loss& loss, const Dataset& data) {
  model.compile({.optimizer = optim::SGD{.learning_rate = 0}, .loss = loss});
  try {
    model.fit(data, {.progress = false});
  } catch (const NumericError&) {  // scores taken for probabilities may sum up to nothing
  }
}

TEST(Checks, ALossThatDoesNotFitTheLastActivationIsToldOf) {
  const Dataset data = two_classes(20);
  const Loss scores = losses::CrossEntropy{.from_logits = true}, shares = "cross_entropy";
  const auto dense = [](const char* activation) {
    return Sequential{nn::Dense{.units = 2, .activation = activation}};
  };
  EXPECT_EQ(warnings_of([&] { fit_once(dense("softmax"), scores, data); }),
            (std::vector<std::string>{"fit: the loss takes scores (from_logits), but layer "
                                      "\"dense_1\" ends in softmax, which would count twice"}));
  EXPECT_EQ(warnings_of([&] { fit_once(dense("linear"), shares, data); }),
            (std::vector<std::string>{
                "fit: the loss takes probabilities, but layer \"dense_1\" gives scores: set "
                "from_logits = true, or end in softmax or sigmoid"}));
  EXPECT_TRUE(warnings_of([&] { fit_once(dense("linear"), scores, data); }).empty());
  EXPECT_TRUE(warnings_of([&] { fit_once(dense("softmax"), shares, data); }).empty());
}

TEST(OutputKind, IsThatOfASoftmaxOrSigmoidAtTheEndElseThatOfTheLoss) {
  using train::OutputKind;
  const Loss logits = losses::CrossEntropy{.from_logits = true},
             yes_no = losses::BinaryCrossEntropy{.from_logits = true};
  const auto kind = [](const char* activation, const Loss& loss) {
    return train::output_kind(
        Sequential{nn::Flatten{}, nn::Dense{.units = 2, .activation = activation}}, loss);
  };
  for (const Loss& loss : {logits, yes_no, Loss("mse"), Loss("hinge"), Loss()}) {
    EXPECT_EQ(kind("softmax", loss), OutputKind::probabilities);
    EXPECT_EQ(kind("sigmoid", loss), OutputKind::probabilities);
  }
  EXPECT_EQ(train::output_kind(Sequential{nn::Dense{.units = 2}, nn::Softmax{}}, logits),
            OutputKind::probabilities);
  EXPECT_EQ(kind("linear", logits), OutputKind::logits);
  EXPECT_EQ(kind("linear", yes_no), OutputKind::yes_no_logits);
  EXPECT_EQ(kind("linear", "cross_entropy"), OutputKind::probabilities);
  EXPECT_EQ(kind("linear", "hinge"), OutputKind::margins);
  EXPECT_EQ(kind("tanh", "categorical_hinge"), OutputKind::margins);
  EXPECT_EQ(kind("linear", "mse"), OutputKind::numbers);
  EXPECT_EQ(kind("linear", Loss()), OutputKind::numbers);
}

TEST(OutputKind, DecidesFromWhereAMetricSaysClassOne) {
  // One unit that gives `x` before its activation, for samples of class 1.
  const auto accuracy = [](double x, const char* activation, const Loss& loss) {
    Sequential model{nn::Dense{.units = 1, .activation = activation, .kernel_initializer = "ones"}};
    model.compile({.loss = loss, .metrics = {metrics::Accuracy{}}});
    const auto v = static_cast<float>(x);
    return model.evaluate(
        Dataset(tensor({v, v}, {2, 1}), tensor(std::vector<int64_t>{1, 1}, {2})))["accuracy"];
  };
  const Loss logits = losses::BinaryCrossEntropy{.from_logits = true};
  EXPECT_EQ(accuracy(0.3, "linear", logits), 1);
  EXPECT_EQ(accuracy(0.3, "linear", "hinge"), 1);
  EXPECT_EQ(accuracy(-0.3, "linear", "hinge"), 0);
  EXPECT_EQ(accuracy(0.3, "linear", "mse"), 0);
  // sigmoid(0.3) is 0.57, sigmoid(-0.3) is 0.43.
  EXPECT_EQ(accuracy(0.3, "sigmoid", logits), 1);
  EXPECT_EQ(accuracy(-0.3, "sigmoid", logits), 0);
}

TEST(Checks, ClassesWithoutExamplesAreToldOf) {
  const Loss loss = losses::CrossEntropy{.from_logits = true};
  EXPECT_EQ(
      warnings_of([&] { fit_once(Sequential{nn::Dense{.units = 4}}, loss, two_classes(20)); }),
      (std::vector<std::string>{"fit: 2 of 4 classes have no example: 2, 3"}));
  const Dataset one(two_classes(9).stored_inputs(), tensor(std::vector<int64_t>(9, 1), {9}));
  EXPECT_EQ(warnings_of([&] { fit_once(Sequential{nn::Dense{.units = 2}}, loss, one); }),
            (std::vector<std::string>{"fit: all 9 labels are class 1"}));
}

TEST(Checks, NaNInTheDataIsNamed) {
  std::vector<float> x(40, 0.5f);
  x[2 * 13 + 1] = std::numeric_limits<float>::quiet_NaN();
  const Dataset bad(tensor(x, {20, 2}), two_classes(20).stored_targets());
  Sequential model{nn::Dense{.units = 2}};
  model.compile(for_classes());
  EXPECT_EQ(message_of([&] { model.fit(bad, {.check_data = true, .progress = false}); }),
            "fit: sample 13 feature 1 is nan");
  const std::string message =
      message_of([&] { model.fit(bad, {.batch_size = 5, .shuffle = false, .progress = false}); });
  EXPECT_EQ(message.substr(0, 16), "epoch 1, step 3:");
  EXPECT_NE(message.find("; sample 13 feature 1 is nan"), std::string::npos) << message;
}

TEST(Checks, ADivergingRunNamesItsLastCheckpoint) {
  const Folder folder;
  const std::string path = folder / "diverging.safetensors";
  Sequential model{nn::Dense{.units = 1}};
  model.compile({.optimizer = optim::SGD{.learning_rate = 1e10}, .loss = "mse"});
  const NumericError e = test::error_of<NumericError>([&] {
    model.fit(line(40), {.batch_size = 4,
                         .epochs = 9,
                         .callbacks = {callbacks::Checkpoint{.path = path, .every_steps = 1}},
                         .progress = false});
  });
  EXPECT_NE(e.hint().find("lower the learning rate"), std::string::npos);
  EXPECT_NE(e.hint().find("the last checkpoint is " + path), std::string::npos) << e.hint();
}

TEST(Preprocessing, TravelsFromTheDatasetIntoTheModelAndItsFile) {
  const Table table =
      Table::parse("height,plan,bought\n1,basic,no\n2,pro,yes\n3,basic,no\n4,pro,yes\n");
  const TablePreprocessing p = TablePreprocessing::fit(table, {.target = "bought"});
  Sequential model{nn::Dense{.units = 2}};
  model.compile(for_classes());
  const Dataset data = p.dataset(table);
  model.fit(data, {.epochs = 30, .progress = false});
  const Folder folder;
  const std::string path = folder / "table_model.safetensors";
  model.save(path);
  Model loaded = Model::load(path);
  EXPECT_EQ(loaded.class_names(), (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(loaded.metadata("preprocessing"), p.to_json());
  EXPECT_EQ(Tensor(loaded.predict(Table::parse("plan,height\npro,2\n"))).to_doubles(),
            Tensor(model.predict(data.batch({1}).x())).to_doubles());
  EXPECT_THROW(classifier().predict(table), ValueError);
  // What it would not know of is not promised.
  EXPECT_EQ(data.map([](const Tensors& x) { return Tensors(x.only() * 2); }).preprocessing(), "");
  EXPECT_EQ(datasets::mnist(VARVE_SOURCE_DIR "/data/mnist").test.preprocessing(),
            R"({"type":"image","height":28,"width":28,"channels":1,"divide_by":255.0})");
}

}  // namespace
}  // namespace varve
