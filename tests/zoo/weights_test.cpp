// Networks that others trained give their results here.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "support/data.h"
#include "support/errors.h"
#include "support/folder.h"
#include "support/tensors.h"
#include "varve/dataset.h"
#include "varve/foreign_weights.h"
#include "varve/nn/layers.h"
#include "varve/ops/reduction.h"
#include "varve/zoo_vision.h"
#include "zoo/helpers.h"

namespace varve {
namespace {

/// The folder of further data; empty where there is none.
std::string data() { return test::further_data(); }

int64_t right(const Tensor& logits, const Tensor& labels) {
  return sum(cast(argmax(logits, {.axis = 1}) == cast(labels, i64), i64)).item<int64_t>();
}

/// burn's MNIST network (Apache-2.0 or MIT): three convolutions, two dense layers.
Model mnist_network() {
  const Tensor x = nn::Input{.shape = {28, 28, 1}};
  Tensor h = x;
  int number = 0;
  for (int64_t filters : {8, 16, 24}) {
    h = nn::Conv2D{
        .filters = filters, .activation = "relu", .name = "conv" + std::to_string(++number)}(h);
  }
  h = nn::Flatten{}(nn::BatchNorm{.epsilon = 1e-5, .name = "norm1"}(h));
  h = nn::Dense{.units = 32, .activation = "relu", .name = "fc1"}(h);
  h = nn::BatchNorm{.epsilon = 1e-5, .name = "norm2"}(nn::Dense{.units = 10, .name = "fc2"}(h));
  return Model(x, h);
}

TEST(PyTorchWeights, OfAnMnistNetworkFromBothKindsOfFile) {
  if (data().empty()) GTEST_SKIP() << "no VARVE_DATA";
  const auto test = datasets::mnist().test;
  const Batch all = test.all();
  const Tensor images = all.inputs[0], labels = all.targets[0];
  const Tensor x = (images - 0.1307) / 0.3081;
  for (const auto& [file, expected] :
       {std::pair{"mnist_cnn.safetensors", 9917}, std::pair{"mnist_cnn.pt", 9915}}) {
    Model model = mnist_network();
    const LoadReport report = load_pytorch_weights(data() + "/weights/" + file, model);
    EXPECT_TRUE(report.complete()) << report.to_string();
    EXPECT_EQ(right(model.predict(x, {.batch_size = 500}), reshape(labels, {-1})), expected)
        << file;
  }
}

TEST(PyTorchWeights, OfAResNetForCifar10) {
  if (data().empty()) GTEST_SKIP() << "no VARVE_DATA";
  Model model = zoo::CifarResNet{};
  load_pytorch_weights(data() + "/weights/resnet20-12fca82f.th", model,
                       {.prefix = "state_dict.module."});
  std::ifstream file(data() + "/cifar10/data_batch_1.bin", std::ios::binary);
  constexpr int64_t kImages = 2000, kRecord = 3073;
  std::vector<uint8_t> bytes(static_cast<size_t>(kImages * kRecord));
  ASSERT_TRUE(
      file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())));
  const Tensor records = tensor(bytes, {kImages, kRecord});
  const Tensor labels = reshape(slice(records, {{}, {0, 1}}), {kImages});
  const Tensor pixels = reshape(slice(records, {{}, {1, kRecord}}), {kImages, 3, 32, 32});
  const Tensor mean = tensor({0.485f, 0.456f, 0.406f}), std = tensor({0.229f, 0.224f, 0.225f});
  const Tensor x = (cast(transpose(pixels, {0, 2, 3, 1}), f32) / 255 - mean) / std;
  EXPECT_EQ(right(model.predict(x, {.batch_size = 200}), labels), 1997);
}

/// Writes tensors under names of PyTorch's, as a file of weights.
std::string written(const test::Folder& folder,
                    const std::vector<std::pair<const char*, Tensor>>& list) {
  std::vector<NamedVariable> variables;
  for (const auto& [name, value] : list)
    variables.push_back({name, Variable(value, {.name = name})});
  const std::string path = std::string(folder.path()) + "/weights.safetensors";
  save_weights(path, variables);
  return path;
}

TEST(PyTorchWeights, RecurrentGatesComeInThisLibrarysOrder) {
  const test::Folder folder;
  const Tensor w_ih = test::noise({6, 3}, 1, f32), w_hh = test::noise({6, 2}, 2, f32),
               b_ih = test::noise({6}, 3, f32), b_hh = test::noise({6}, 4, f32);
  const std::string path = written(folder, {{"rnn.weight_ih_l1", w_ih},
                                            {"rnn.weight_hh_l1", w_hh},
                                            {"rnn.bias_ih_l1", b_ih},
                                            {"rnn.bias_hh_l1", b_hh}});
  const Tensor x = nn::Input{.shape = {4, 3}};
  Model model(x, nn::GRU{.units = 2, .name = "rnn_l1"}(x));
  load_pytorch_weights(path, model);
  // One step of PyTorch's GRU by hand, from a state of zeros.
  const Tensor step = test::noise({1, 4, 3}, 5, f32);
  Tensor h = zeros({1, 2});
  for (int64_t t = 0; t < 4; ++t) {
    const Tensor at = reshape(slice(step, {{}, {t, t + 1}}), {1, 3});
    const Tensors i = split(sum(reshape(at, {1, 1, 3}) * w_ih, {.axes = {2}}) + b_ih, 3);
    const Tensors s = split(sum(reshape(h, {1, 1, 2}) * w_hh, {.axes = {2}}) + b_hh, 3);
    const Tensor r = sigmoid(i[0] + s[0]), z = sigmoid(i[1] + s[1]);
    h = (1 - z) * tanh(i[2] + r * s[2]) + z * h;
  }
  EXPECT_LT(test::distance(model(step), h), 1e-5);
}

TEST(PyTorchWeights, ModulesAreRenamedAndFaultsAreListed) {
  const test::Folder folder;
  const Tensor weight = test::noise({2, 3}, 1, f32), bias = test::noise({2}, 2, f32);
  const std::string path = written(
      folder,
      {{"net.features.0.weight", weight}, {"net.features.0.bias", bias}, {"other.x", bias}});
  Sequential model{nn::Dense{.units = 2, .name = "first"}};
  model.build({3});
  const FormatError e =
      test::error_of<FormatError>([&] { load_pytorch_weights(path, model, {.prefix = "net."}); });
  EXPECT_NE(
      e.message().find("model expects \"first.kernel\" F32[3,2]: no \"first.weight\" in file"),
      std::string::npos)
      << e.message();
  load_pytorch_weights(path, model, {.prefix = "net.", .map = {{"features.0", "first"}}});
  EXPECT_EQ(test::distance(model.variable("first.kernel").value(), transpose(weight)), 0);
  EXPECT_EQ(test::distance(model.variable("first.bias").value(), bias), 0);
  // Another shape is told, and nothing was changed.
  Sequential wider{nn::Dense{.units = 2, .name = "first"}};
  wider.build({4});
  EXPECT_THROW(
      load_pytorch_weights(path, wider, {.prefix = "net.", .map = {{"features.0", "first"}}}),
      FormatError);
  const LoadReport report = load_pytorch_weights(
      path, wider, {.prefix = "net.", .map = {{"features.0", "first"}}, .partial = true});
  ASSERT_EQ(report.different.size(), 1u);
  EXPECT_EQ(report.different[0],
            "\"first.kernel\": model F32[4,2], file F32[3,2] of net.features.0.weight");
}

TEST(PyTorchWeights, LoadWeightsSaysWhoReadsThem) {
  const test::Folder folder;
  Sequential model{nn::Dense{.units = 2, .name = "first"}};
  model.build({3});
  const Tensor weight = test::noise({2, 3}, 1, f32), bias = test::noise({2}, 2, f32);
  const std::string path = written(folder, {{"first.weight", weight}, {"first.bias", bias}});
  EXPECT_EQ(test::error_of<FormatError>([&] { model.load_weights(path); }).hint(),
            "load_pytorch_weights takes PyTorch's names and layouts");
  const std::string ours = written(folder, {{"second.kernel", weight}});
  EXPECT_EQ(test::error_of<FormatError>([&] { model.load_weights(ours); }).hint(),
            "{.partial = true} loads what fits");
  for (const char* form : {"torch_zip.pt", "torch_legacy.pt"}) {
    const std::string saved = std::string(VARVE_SOURCE_DIR) + "/tests/formats/golden/" + form;
    const FormatError e = test::error_of<FormatError>([&] { model.load_weights(saved); });
    EXPECT_EQ(e.message(), saved +
                               ": not a safetensors file (it begins like a file of "
                               "torch.save)");
    EXPECT_EQ(e.hint(), "load_pytorch_weights reads it");
    // What is cut says which file it is.
    const std::string whole = test::read_text(saved);
    for (size_t n = 200; n < whole.size(); n += 100) {
      const std::string cut = folder.file("cut.pt", whole.substr(0, n));
      const std::string said =
          test::message_of<FormatError>([&] { load_pytorch_weights(cut, model); });
      EXPECT_EQ(said.find(cut), 0u) << said;
    }
  }
}

}  // namespace
}  // namespace varve
