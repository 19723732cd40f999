// Networks of agents and of graphs.
#include <string>
#include <vector>

#include "base/error.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/segment.h"
#include "varve/ops/shape.h"
#include "varve/zoo_generative.h"
#include "zoo/build.h"

namespace varve::zoo {

ActorCritic::operator Model() const {
  const Tensor x = nn::Input{.shape = {observations}, .name = "observation"};
  const Tensor h = nn::Dense{.units = hidden, .activation = "relu", .name = "common"}(x);
  return Model(x, {nn::Dense{.units = actions, .name = "policy"}(h),
                   nn::Dense{.units = 1, .name = "value"}(h)});
}
void ActorCritic::fields(Fields& f) {
  f("observations", observations, "Numbers that are observed.", {.min = 1});
  f("actions", actions, "Actions to choose from.", {.min = 1});
  f("hidden", hidden, "Units of the hidden layer.", {.min = 1});
}

DQN::operator Model() const {
  const Tensor x = nn::Input{.shape = {observations}, .name = "observation"};
  Tensor h = x;
  for (int n : units) h = nn::Dense{.units = n, .activation = "relu"}(h);
  return Model(x, nn::Dense{.units = actions, .name = "values"}(h));
}
void DQN::fields(Fields& f) {
  f("observations", observations, "Numbers that are observed.", {.min = 1});
  f("actions", actions, "Actions to choose from.", {.min = 1});
  f("units", units, "Of the hidden layers.", {.min = 1});
}

NatureDQN::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor frames = nn::Input{.shape = input, .name = "frames"};
  Tensor x =
      style.conv(frames, style(32), {.size = 8, .strides = 4, .padding = "valid"}, "conv1", "relu");
  x = style.conv(x, style(64), {.size = 4, .strides = 2, .padding = "valid"}, "conv2", "relu");
  x = style.conv(x, style(64), {.padding = "valid"}, "conv3", "relu");
  x = nn::Dense{.units = style(512), .activation = "relu", .name = "fc"}(nn::Flatten{}(x));
  return Model(frames, nn::Dense{.units = actions, .name = "values"}(x));
}
void NatureDQN::fields(Fields& f) {
  f("actions", actions, "Actions to choose from.", {.min = 1});
  f("input", input, "Height, width and number of the frames.", {.min = 1});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

GCN::operator Model() const {
  const Tensor x = nn::Input{.shape = {nodes, features}, .name = "features"},
               adjacency = nn::Input{.shape = {nodes, nodes}, .name = "adjacency"};
  // The bias comes after the neighbours are added up.
  const auto layer = [&](const Tensor& h, int64_t units, const std::string& name) -> Tensor {
    const Tensor sent =
        nn::Dense{.units = units, .use_bias = false, .name = name}(dropped(h, dropout));
    return nn::Bias{.name = name + "_bias"}(matmul(adjacency, sent));
  };
  return Model({x, adjacency}, layer(relu(layer(x, hidden, "gc1")), classes, "gc2"));
}
void GCN::fields(Fields& f) {
  f("nodes", nodes, "Nodes of a graph.", {.min = 1});
  f("features", features, "Numbers a node.", {.min = 1});
  f("hidden", hidden, "Units of the hidden layer.", {.min = 1});
  f("classes", classes, "Numbers that each node gets.", {.min = 1});
  f("dropout", dropout, "Share dropped before each layer.", {.min = 0, .below = 1});
}

Tensor SparseGCN::call(const Tensors& x, Scope& s) const {
  if (x.size() != 4)
    throw ValueError("sparse gcn: expected {features, values, columns, row_starts}, got " +
                     std::to_string(x.size()) + " tensors");
  const SparseMatrix adjacency{x[1], x[2], x[3], x[0].shape()[0]};
  const auto layer = [&](const Tensor& h, int64_t units, const std::string& part) -> Tensor {
    const nn::Dense dense{.units = units, .use_bias = bias_first};
    const Tensor in = dropout > 0 ? s(part + "_dropout", nn::Dropout{.rate = dropout}, h) : h;
    const Tensor summed = sparse_matmul(adjacency, s(part, dense, in));
    return bias_first ? summed : s(part + "_bias", nn::Bias{}, summed);
  };
  return layer(relu(layer(x[0], hidden, "gc1")), classes, "gc2");
}
void SparseGCN::fields(Fields& f) {
  f("hidden", hidden, "Units of the hidden layer.", {.min = 1});
  f("classes", classes, "Numbers that each node gets.", {.min = 1});
  f("dropout", dropout, "Share dropped before each layer.", {.min = 0, .below = 1});
  f("bias_first", bias_first, "Whether biases are added before neighbours are.");
  f("name", name, "The layer's name.");
}

GAT::operator Model() const {
  const Tensor x = nn::Input{.shape = {nodes, features}, .name = "features"},
               adjacency = nn::Input{.shape = {nodes, nodes}, .name = "adjacency"};
  const Tensor unseen = where(adjacency == 0, -1e9, 0);
  const auto head = [&](const Tensor& h, int64_t units, const std::string& name) -> Tensor {
    const Tensor in = dropped(h, dropout);
    const Tensor sent = nn::Dense{.units = units, .use_bias = false, .name = name}(in);
    const auto score = [&](const char* side) -> Tensor {
      return nn::Dense{.units = 1, .use_bias = false, .name = name + side}(sent);
    };
    const Tensor scores = leaky_relu(score("_self") + swap_axes(score("_other"), 1, 2), 0.2);
    const Tensor weights = softmax(scores + unseen);
    return matmul(dropped(weights, dropout), dropped(sent, dropout));
  };
  std::vector<Tensor> all;
  for (int64_t i = 1; i <= heads; ++i) all.push_back(head(x, hidden, "head" + std::to_string(i)));
  const Tensor joined = nn::Concatenate{.name = "heads"}(Tensors(all));
  const Tensor h = elu(nn::Bias{.name = "heads_bias"}(joined));
  return Model({x, adjacency}, nn::Bias{.name = "out_bias"}(head(h, classes, "out")));
}
void GAT::fields(Fields& f) {
  f("nodes", nodes, "Nodes of a graph.", {.min = 1});
  f("features", features, "Numbers a node.", {.min = 1});
  f("heads", heads, "Heads of the first layer.", {.min = 1});
  f("hidden", hidden, "Units a head.", {.min = 1});
  f("classes", classes, "Numbers that each node gets.", {.min = 1});
  f("dropout", dropout, "Share dropped of features and weights.", {.min = 0, .below = 1});
}

}  // namespace varve::zoo
