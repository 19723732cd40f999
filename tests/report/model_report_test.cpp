// What is shown of models: the table, the picture, curves and the confusion matrix.
#include <gtest/gtest.h>

#include "markup.h"
#include "support/errors.h"
#include "support/folder.h"
#include "varve/nn/layers.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"
#include "varve/report.h"

namespace varve {
namespace {

using test::Folder;
using test::read_text;

Sequential convnet() {
  Sequential model{nn::Conv2D{.filters = 32, .kernel_size = 3, .activation = "relu"},
                   nn::MaxPool2D{.pool_size = 2},
                   nn::Conv2D{.filters = 64, .kernel_size = 3, .activation = "relu"},
                   nn::MaxPool2D{.pool_size = 2},
                   nn::Flatten{},
                   nn::Dropout{.rate = 0.5},
                   nn::Dense{.units = 10}};
  model.build({28, 28, 1});
  return model;
}

Model two_inputs() {
  Tensor a = nn::Input{.shape = {4}, .name = "left"};
  Tensor b = nn::Input{.shape = {6}, .name = "right"};
  Layer shared = nn::Dense{.units = 3, .name = "shared"};
  Tensor h = nn::Concatenate{}({shared(a), nn::Dense{.units = 3, .name = "<odd> & name"}(b)});
  Tensor y = nn::Add{}({h, nn::Dense{.units = 6, .name = "skipped"}(h)});
  return Model({a, b}, nn::Dense{.units = 1, .name = "out"}(y));
}

TEST(Summary, ShowsShapesParametersFlopsAndMemory) {
  Sequential model = convnet();
  // 26 * 26 * 32 * (2 * 9) of the products, 26 * 26 * 32 of the relu; 34,826 * 4 bytes.
  const std::string expected =
      "Layer          Type         Output         Parameters     FLOPs\n"
      "---------------------------------------------------------------\n"
      "input          input        [28, 28, 1]\n"
      "conv2d_1       conv2d       [26, 26, 32]          320   411.0 k\n"
      "max_pool2d_1   max_pool2d   [13, 13, 32]                 21.6 k\n"
      "conv2d_2       conv2d       [11, 11, 64]       18,496     4.5 M\n"
      "max_pool2d_2   max_pool2d   [5, 5, 64]                    6.4 k\n"
      "flatten_1      flatten      [1600]\n"
      "dropout_1      dropout      [1600]\n"
      "dense_1        dense        [10]               16,010    32.0 k\n"
      "\n"
      "parameters    34,826, all of them trained\n"
      "computation   4.9 M FLOPs a sample, forward\n"
      "memory        weights 136.0 KiB, what the layers give 157.7 KiB a sample\n";
  EXPECT_EQ(summary(model), expected);
  model.freeze("conv2d_1");
  const std::string frozen = summary(model);
  EXPECT_NE(frozen.find(" 320 * "), std::string::npos) << frozen;
  EXPECT_NE(frozen.find("34,826: 34,506 trained, 320 not (in layers with *)"), std::string::npos)
      << frozen;
}

TEST(Summary, MarksLayersOfWhichAPartIsNotTrained) {
  Sequential model{nn::Input{.shape = {4}}, nn::Dense{3}, nn::BatchNorm{}};
  const std::string text = summary(model);
  EXPECT_NE(text.find(" 12 *"), std::string::npos) << text;
  EXPECT_NE(text.find("27: 21 trained, 6 not (in layers with *)"), std::string::npos) << text;
}

TEST(Summary, IsPrintedByTheModel) {
  testing::internal::CaptureStdout();
  convnet().summary();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), summary(convnet()));
}

TEST(Summary, NeedsABuiltModel) {
  EXPECT_THROW(summary(Sequential{nn::Dense{.units = 2}}), ValueError);
  const Folder folder;
  EXPECT_THROW(plot_model(Sequential{nn::Dense{.units = 2}}, folder / "none.svg"), ValueError);
}

TEST(PlotModel, DrawsEveryLayerWithItsShapeAndParameters) {
  const Folder folder;
  const std::string path = folder / "model.svg";
  plot_model(convnet(), path);
  std::string svg = read_text(path);
  EXPECT_EQ(svg.substr(0, 4), "<svg");
  EXPECT_EQ(report::unbalanced(svg), "");
  for (const char* text : {"conv2d_1", "max_pool2d_2", "flatten_1", "dropout_1", "dense_1",
                           "[26, 26, 32]", "[5, 5, 64]", "[1600]", "[10]", "320 parameters",
                           "18,496 parameters", "16,010 parameters"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  plot_model(two_inputs(), path);
  svg = read_text(path);
  EXPECT_EQ(report::unbalanced(svg), "");
  for (const char* text : {"left", "right", "shared", "&lt;odd&gt; &amp; name", "skipped", "out"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(svg.find("<odd>"), std::string::npos);
  EXPECT_THROW(plot_model(convnet(), folder / "no/such/folder.svg"), IoError);
}

TEST(PlotHistory, DrawsAChartAQuantity) {
  History h;
  h.append({{"loss", 2}, {"accuracy", 0.5}, {"val_loss", 2.5}, {"learning_rate", 0.1}});
  h.append({{"loss", 1}, {"accuracy", 0.7}, {"val_loss", 1.5}, {"learning_rate", 0.1}});
  const Folder folder;
  const std::string path = folder / "history.svg";
  plot_history(h, path);
  const std::string svg = read_text(path);
  EXPECT_EQ(report::unbalanced(svg), "");
  EXPECT_NE(svg.find("Accuracy"), std::string::npos);
  EXPECT_NE(svg.find("validation"), std::string::npos);
  EXPECT_EQ(svg.find("earning"), std::string::npos);  // it never changes
  EXPECT_THROW(plot_history(History(), path), ValueError);
}

TEST(Pictures, AreSvgAndRefuseTheNameOfAnotherFormat) {
  const test::Folder folder;
  const std::string path = folder / "m.png";
  const auto refused = [&](const std::string& operation, const auto& f) {
    const Error e = test::error_of<ValueError>(f);
    EXPECT_EQ(e.message(), operation + ": expected a name that ends in .svg, got \"" + path + "\"");
    EXPECT_FALSE(std::filesystem::exists(path));
  };
  refused("plot_model", [&] { plot_model(convnet(), path); });
  refused("plot_history", [&] { plot_history(History(), path); });
  refused("plot_confusion_matrix", [&] {
    plot_confusion_matrix(ones({1, 1}, i64), {"ant"}, path);
  });
}

TEST(ConfusionMatrix, CountsWhatWasSaidOfEachClass) {
  const Tensor scores = tensor({2.f, 1.f, 0.f,  //
                                0.f, 5.f, 1.f,  //
                                9.f, 5.f, 1.f,  //
                                0.f, 1.f, 3.f},
                               {4, 3});
  const std::vector<double> expected{1, 0, 0, 1, 1, 0, 0, 0, 1};
  const Tensor classes = tensor({int64_t{0}, int64_t{1}, int64_t{1}, int64_t{2}});
  const Tensor counts = confusion_matrix(scores, classes);
  EXPECT_EQ(counts.to_doubles(), expected);
  EXPECT_EQ(confusion_matrix(scores, reshape(classes, {4, 1})).to_doubles(), expected);
  const Tensor rows = tensor({1.f, 0.f, 0.f, 0.f, 1.f, 0.f, 0.f, 1.f, 0.f, 0.f, 0.f, 1.f}, {4, 3});
  EXPECT_EQ(confusion_matrix(scores, rows).to_doubles(), expected);
  const Tensor ones = tensor({0.2f, 0.8f, 0.6f, 0.4f}, {4, 1});
  const Tensor truth = tensor({int64_t{0}, int64_t{1}, int64_t{0}, int64_t{1}});
  EXPECT_EQ(confusion_matrix(ones, truth).to_doubles(), (std::vector<double>{1, 1, 1, 1}));
  EXPECT_EQ(confusion_matrix(ones, truth, 0.7).to_doubles(), (std::vector<double>{2, 0, 1, 1}));
  EXPECT_THROW(confusion_matrix(scores, truth * 3), IndexError);
  EXPECT_THROW(confusion_matrix(scores, tensor({int64_t{1}})), ShapeError);

  const Folder folder;
  const std::string path = folder / "confusion.svg";
  plot_confusion_matrix(counts, {"ant", "bee", "cat"}, path);
  const std::string svg = read_text(path);
  EXPECT_EQ(report::unbalanced(svg), "");
  EXPECT_NE(svg.find("bee"), std::string::npos);
  EXPECT_THROW(plot_confusion_matrix(counts, {"ant", "bee"}, path), ShapeError);
}

}  // namespace
}  // namespace varve
