#include "cases.h"

#include "base/error.h"
#include "varve/losses.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve::bench {

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> list;
    for (const auto& family : {image_cases(), sequence_cases(), other_cases()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  return all;
}

const Case& find_case(const std::string& name) {
  std::vector<std::string> names;
  for (const Case& c : cases()) {
    if (c.name == name) return c;
    names.push_back(c.name);
  }
  throw ValueError("case \"" + escaped(name) + "\" is unknown", did_you_mean(name, names));
}

LossFunctionOf cross_entropy() {
  return [loss = Loss(losses::CrossEntropy{.from_logits = true})](
             const Tensor& o, const Tensor& t) { return loss(o, t); };
}

Optimizer adam(std::optional<double> clip_norm) {
  return optim::Adam{.learning_rate = 1e-3, .epsilon = 1e-8, .clip_norm = clip_norm};
}
Optimizer adam_w() {
  return optim::AdamW{.learning_rate = 1e-3, .weight_decay = 0.01, .epsilon = 1e-8};
}
Optimizer momentum() {
  return optim::SGD{.learning_rate = 1e-3, .momentum = 0.9, .weight_decay = 1e-4};
}
Optimizer descent(std::optional<double> clip_norm) {
  return optim::SGD{.learning_rate = 1e-3, .clip_norm = clip_norm};
}

std::function<Tensor(const Tensors&)> step_of(
    std::function<ValueAndGradsOf(const Tensors&)> gradients, Optimizer optimizer) {
  return [=](const Tensors& data) mutable {
    const auto [value, grads] = gradients(data);
    optimizer.update(grads);
    return value;
  };
}

namespace {

/// A network's type follows that of the samples it was recorded for, which its text names.
Supervised in_type(Supervised s, DType dtype) {
  const std::string from = '"' + std::string(name_of(s.x[0].dtype())) + '"',
                    to = '"' + std::string(name_of(dtype)) + '"';
  std::string text = s.network.config();
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
    text.replace(at, from.size(), to);
  }
  s.network = Layer::from_config(text);
  s.x = cast(s.x[0], dtype).evaluate();
  if (is_floating(s.y.dtype())) s.y = cast(s.y, dtype).evaluate();
  return s;
}

}  // namespace

Bench supervised(const Supervised& s) {
  Bench b;
  b.batch = b.infer_batch = s.x[0].shape()[0];
  std::vector<Shape> samples;
  for (size_t i = 0; i < s.x.size(); ++i) {
    const std::vector<int64_t> dims = s.x[i].shape().dims();
    samples.emplace_back(std::vector<int64_t>(dims.begin() + 1, dims.end()));
    b.seen.push_back({s.x.size() == 1 ? "x" : "x" + std::to_string(i), s.x[i]});
  }
  Layer net = s.network;
  if (!net.built()) net.build_many(samples, s.x[0].dtype());
  b.networks = {{"net", net}};
  b.data = b.seen;
  b.data.push_back({"y", s.y});
  b.gradients = [net, loss = s.loss](const Tensors& data) {
    const std::vector<Tensor> all = data.list();
    const Tensors x(std::vector<Tensor>(all.begin(), all.end() - 1));
    const auto objective = [&] { return loss(net(x, {.training = true}), all.back()); };
    return value_and_grad(objective, net.trainable())();
  };
  b.step = step_of(b.gradients, s.optimizer);
  b.infer = [net](const Tensors& x) { return Tensor(net(x)); };
  if (is_floating(s.x[0].dtype())) {
    b.in_type = [s](DType dtype) { return supervised(in_type(s, dtype)); };
  }
  return b;
}

Tensor normal(const Shape& shape) { return random::normal(Key(1), shape).evaluate(); }
Tensor labels(int64_t n, const Shape& shape) {
  return random::integers(Key(2), 0, n, shape).evaluate();
}

}  // namespace varve::bench
