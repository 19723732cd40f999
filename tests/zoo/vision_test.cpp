// Networks of images: published counts of parameters at full size, and training at a small one.
#include <gtest/gtest.h>

#include "support/errors.h"
#include "varve/nn/network.h"
#include "varve/ops/reduction.h"
#include "varve/zoo.h"
#include "varve/zoo_vision.h"
#include "zoo/helpers.h"

namespace varve {
namespace {

using test::classes;
using test::Counted;
using test::expect_counts;
using test::expect_overfits;
using test::images;

template <class S>
std::function<Model()> net(S spec) {
  return [spec] { return Model(spec); };
}
std::function<Model()> digits(std::vector<int> units, double dropout) {
  return [=] {
    Sequential m = zoo::MLP{.units = units, .dropout = dropout};
    m.build({28, 28});
    return Model(m);
  };
}

TEST(VisionCounts, OfDigits) {
  expect_counts({
      {"softmax regression", digits({}, 0), 7850},
      {"LeNet-300-100", digits({300, 100}, 0), 266610},
      {"mnist_mlp", digits({512, 512}, 0.2), 669706},
      {"LeNet-5 1998", net(zoo::LeNet5Paper{}), 60000},
      {"LeNet-5 Caffe", net(zoo::LeNet5Caffe{}), 431080},
      {"mnist_cnn", net(zoo::MnistCnn{}), 1199882},
      {"cifar10_cnn", net(zoo::Cifar10Cnn{}), 1250858},
      {"Koch siamese", net(zoo::KochSiamese{}), 38951745},
      {"prototypical Conv-4", net(zoo::ProtoNet{}), 111936},
      {"Keras siamese", net(zoo::KerasSiamese{}), 4804, 5318},
  });
  const Model paper = zoo::LeNet5Paper{};
  const auto of = [&](const char* glob) {
    int64_t n = 0;
    for (const Variable& v : paper.variables(glob)) n += v.shape().size();
    return n;
  };
  EXPECT_EQ(of("c1"), 156);
  EXPECT_EQ(of("s2"), 12);
  EXPECT_EQ(of("c3_*"), 1516);
  EXPECT_EQ(of("s4"), 32);
  EXPECT_EQ(of("c5"), 48120);
  EXPECT_EQ(of("f6"), 10164);
}

TEST(VisionCounts, OfPlainNetworks) {
  expect_counts({
      {"AlexNet 2012", net(zoo::AlexNet{.two_groups = true, .input = {227, 227, 3}}), 60965224},
      {"AlexNet", net(zoo::AlexNet{}), 61100840},
      {"VGG11", net(zoo::VGG{.depth = 11}), 132863336},
      {"VGG16", net(zoo::VGG{}), 138357544},
      {"VGG19", net(zoo::VGG{.depth = 19}), 143667240},
      {"VGG16-BN", net(zoo::VGG{.batch_norm = true}), 138365992},
      {"VGG11-BN for CIFAR-10",
       net(zoo::VGG{.depth = 11,
                    .batch_norm = true,
                    .conv_bias = false,
                    .hidden = 0,
                    .classes = 10,
                    .input = {32, 32, 3}}),
       9228362},
      {"GoogLeNet of the paper", net(zoo::GoogLeNet{.batch_norm = false}), 6998552},
      {"GoogLeNet", net(zoo::GoogLeNet{}), 6624904},
  });
}

TEST(VisionCounts, OfResidualNetworks) {
  expect_counts({
      {"ResNet-18", net(zoo::ResNet{.depth = 18}), 11689512, 11689512 + 9600},
      {"ResNet-34", net(zoo::ResNet{.depth = 34}), 21797672, 21797672 + 17024},
      {"ResNet-50", net(zoo::ResNet{}), 25557032, 25557032 + 53120},
      {"ResNet-101", net(zoo::ResNet{.depth = 101}), 44549160, 44549160 + 105344},
      {"ResNet-152", net(zoo::ResNet{.depth = 152}), 60192808, 60192808 + 151424},
      {"Keras ResNet50", net(zoo::ResNet{.conv_bias = true}), 25636712 - 53120, 25636712},
      {"Keras ResNet101", net(zoo::ResNet{.depth = 101, .conv_bias = true}), 44707176 - 105344,
       44707176},
      {"Keras ResNet152", net(zoo::ResNet{.depth = 152, .conv_bias = true}), 60419944 - 151424,
       60419944},
      {"ResNet-20", net(zoo::CifarResNet{}), 269722},
      {"ResNet-20 B", net(zoo::CifarResNet{.shortcut = "B"}), 272474},
      {"ResNet-32", net(zoo::CifarResNet{.depth = 32}), 464154},
      {"ResNet-44", net(zoo::CifarResNet{.depth = 44}), 658586},
      {"ResNet-56", net(zoo::CifarResNet{.depth = 56}), 853018},
      {"ResNet-110", net(zoo::CifarResNet{.depth = 110}), 1727962},
      {"ResNet-1202", net(zoo::CifarResNet{.depth = 1202}), 19421274},
  });
}

TEST(VisionCounts, OfDenselyConnectedNetworks) {
  expect_counts({
      {"DenseNet-121", net(zoo::DenseNet{}), 7978856, 8062504},
      {"DenseNet-169", net(zoo::DenseNet{.depth = 169}), 14149480, 14307880},
      {"DenseNet-201", net(zoo::DenseNet{.depth = 201}), 20013928, 20242984},
      {"DenseNet-161", net(zoo::DenseNet{.depth = 161}), 28681000},
      {"DenseNet L = 40, k = 12", net(zoo::CifarDenseNet{}), 1019722},
      {"DenseNet-BC L = 100, k = 12", net(zoo::CifarDenseNet{.depth = 100, .bottleneck = true}),
       769162},
  });
}

TEST(VisionCounts, OfSmallAndSegmentingNetworks) {
  expect_counts({
      {"MobileNet", net(zoo::MobileNet{}), 4231976, 4253864},
      {"MobileNetV2", net(zoo::MobileNetV2{}), 3504872, 3538984},
      {"Xception", net(zoo::Xception{}), 22855952, 22910480},
      {"Keras' small Xception", net(zoo::XceptionMini{}), 2723802},
      {"U-Net 2015", net(zoo::UNet{}), 31030658},
      {"U-Net, 3 in, 1 out",
       net(zoo::UNet{.classes = 1, .input = {256, 256, 3}, .padding = "same"}), 31031745},
      {"U-Net with batch norm",
       net(zoo::UNet{.input = {256, 256, 3}, .padding = "same", .batch_norm = true}), 31037698},
  });
}

TEST(Vision, SmallOnesLearnEightImagesByHeart) {
  const Shape s{32, 32, 3};
  const Tensor x = images(s), y = classes(4);
  const std::pair<const char*, Model> list[] = {
      {"lenet5 caffe", zoo::LeNet5Caffe{.classes = 4, .input = s, .width = 0.25}},
      {"mnist_cnn", zoo::MnistCnn{.classes = 4, .input = s, .width = 0.25}},
      {"cifar10_cnn", zoo::Cifar10Cnn{.classes = 4, .input = s, .width = 0.25}},
      {"vgg11", zoo::VGG{.depth = 11, .classes = 4, .input = s, .width = 0.125, .dropout = 0}},
      {"vgg16 bn",
       zoo::VGG{.batch_norm = true, .classes = 4, .input = s, .width = 0.125, .dropout = 0}},
      {"googlenet", zoo::GoogLeNet{.classes = 4, .input = s, .width = 0.25}},
      {"googlenet paper",
       zoo::GoogLeNet{.batch_norm = false, .classes = 4, .input = s, .width = 0.25}},
      {"resnet18", zoo::ResNet{.depth = 18, .classes = 4, .input = s, .width = 0.125}},
      {"resnet50", zoo::ResNet{.classes = 4, .input = s, .width = 0.125}},
      {"resnet20", zoo::CifarResNet{.classes = 4, .input = s, .width = 0.5}},
      {"resnet20 b", zoo::CifarResNet{.shortcut = "B", .classes = 4, .input = s, .width = 0.5}},
      {"densenet121", zoo::DenseNet{.classes = 4, .input = s, .width = 0.125}},
      {"densenet bc",
       zoo::CifarDenseNet{.depth = 22, .growth = 4, .bottleneck = true, .classes = 4}},
      {"mobilenet", zoo::MobileNet{.classes = 4, .input = s, .width = 0.25}},
      {"mobilenet v2", zoo::MobileNetV2{.classes = 4, .input = s, .width = 0.25}},
      {"xception", zoo::Xception{.classes = 4, .input = {64, 64, 3}, .width = 0.125}},
  };
  for (const auto& [name, model] : list) {
    SCOPED_TRACE(name);
    const bool larger = std::string(name) == "xception";
    const Tensor in = larger ? images({64, 64, 3}) : x;
    EXPECT_EQ(Tensor(model(in)).shape(), (Shape{8, 4}));
    expect_overfits(model, in, y, "cross_entropy");
  }
}

TEST(Vision, AlexNetsNeedLargerImages) {
  const Shape s{67, 67, 3};
  for (const bool groups : {false, true}) {
    Model m =
        zoo::AlexNet{.two_groups = groups, .classes = 4, .input = s, .width = 0.125, .dropout = 0};
    expect_overfits(m, images(s), classes(4), "cross_entropy", 1e-3);
  }
}

TEST(Vision, LeNet5OfThePaperLearns) {
  expect_overfits(zoo::LeNet5Paper{}, images({32, 32, 1}), classes(10), "cross_entropy");
}

TEST(Vision, UNetsGiveMapsOfThePapersSizes) {
  const Model full = zoo::UNet{};
  EXPECT_EQ(nn::outputs_of(full)[0].type.shape, Shape(std::vector<int64_t>{-1, 388, 388, 2}));
  for (const bool norm : {false, true}) {
    Model m = zoo::UNet{
        .levels = 2, .input = {16, 16, 1}, .padding = "same", .batch_norm = norm, .width = 0.125};
    const Tensor x = images({16, 16, 1});
    expect_overfits(m, x, cast(x > 0.5, i64), "cross_entropy", 1e-2);
  }
  EXPECT_THROW(Model(zoo::UNet{.input = {100, 100, 1}, .padding = "same"}), ShapeError);
}

TEST(Vision, TwinsLearnWhichPairsAreAlike) {
  const Shape s{65, 65, 1};
  Model twins = zoo::KochSiamese{.input = s, .width = 0.0625};
  const Tensor a = images(s, 1), noise = images(s, 2);
  const Tensor same = cast(arange(8) % 2, f32);
  const Tensor b = where(reshape(same, {8, 1, 1, 1}) == 1, a, noise);
  expect_overfits(twins, Tensors{a, b}, same, "binary_cross_entropy", 5e-3);
  expect_overfits(zoo::ProtoNet{.width = 0.25}, images({28, 28, 1}), abs(images({16}, 3)), "mse",
                  1e-2);
  expect_overfits(zoo::KerasSiamese{}, images({28, 28, 1}), tanh(images({10}, 3)), "mse", 1e-2);
}

TEST(Vision, SpecsRefuseWhatTheyAreNot) {
  EXPECT_EQ(test::message_of([] { (void)Model(zoo::ResNet{.depth = 20}); }),
            "resnet: depth: expected 18, 34, 50, 101 or 152, got 20");
  EXPECT_EQ(test::message_of([] { (void)Model(zoo::CifarResNet{.depth = 21}); }),
            "cifar_resnet: depth: expected 6 n + 2, got 21");
  EXPECT_THROW((void)Model(zoo::VGG{.depth = 12}), ValueError);
  EXPECT_THROW((void)Model(zoo::DenseNet{.depth = 122}), ValueError);
  EXPECT_THROW((void)Model(zoo::CifarResNet{.shortcut = "C"}), ValueError);
  // Features instead of classes.
  const Model m =
      zoo::ResNet{.depth = 18, .input = {64, 64, 3}, .width = 0.125, .include_top = false};
  EXPECT_EQ(Tensor(m(images({64, 64, 3}))).shape(), (Shape{8, 2, 2, 64}));
}

}  // namespace
}  // namespace varve
