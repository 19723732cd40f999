// Generative networks, graphs and agents.
#include "cases.h"
#include "varve/generative_losses.h"
#include "varve/losses.h"
#include "varve/model.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/zoo_generative.h"

namespace varve::bench {
namespace {

/// Standard normal noise of the type of x, other noise at each step.
struct Noise {
  Tensor call(const Tensor& x, Scope& s) const {
    return random::normal(s.key(), x.shape(), {.dtype = x.dtype()});
  }
};

/// The sum of -ELBO over the batch.
Bench vae(const CaseOptions& o) {
  const Model net = zoo::VAE{};
  const Layer encoder = net["encoder"], decoder = net["decoder"], noise = Noise{};
  Bench b;
  b.batch = b.infer_batch = 128;
  b.networks = {{"net", net}};
  b.seen = {{"x", random::uniform(Key(1), {128, 784}).evaluate()}};
  b.data = b.seen;
  if (o.deterministic) b.data.push_back({"noise", normal({128, 20})});
  const auto decoded = [=](const Tensors& code, const Tensor& n) {
    return Tensor(decoder(code[0] + exp(0.5 * code[1]) * n));
  };
  b.gradients = [=](const Tensors& data) {
    const auto objective = [&] {
      const Outputs code = encoder(Tensors(data[0]), {.training = true});
      const Tensor n = data.size() > 1 ? data[1] : noise(code[0], {.training = true});
      const losses::BinaryCrossEntropy reconstruction{.from_logits = true};
      return sum(reconstruction(decoded(code, n), data[0])) +
             sum(losses::gaussian_kl(code[0], code[1]));
    };
    return value_and_grad(objective, net.trainable())();
  };
  b.step = [gradients = b.gradients, optimizer = adam()](const Tensors& data) mutable {
    const auto [value, grads] = gradients(data);
    optimizer.update(grads);
    return value;
  };
  // The peer draws when it infers, too.
  b.infer = [=](const Tensors& x) {
    const Outputs code = encoder(x);
    return decoded(code, noise(code[0]));
  };
  return b;
}

/// One step of deep Q-learning on a batch of transitions, and the best action of one state.
Bench dqn(const CaseOptions&) {
  const auto make = [] { return Model(zoo::DQN{.units = {128, 128}}); };
  const Model net = make(), target = make();
  Bench b;
  b.batch = 64;
  b.networks = {{"net", net}, {"target", target}};
  const auto drawn = [](uint64_t key, const Shape& shape) {
    return random::normal(Key(key), shape).evaluate();
  };
  b.data = {{"state", drawn(1, {64, 4})},
            {"next", drawn(2, {64, 4})},
            {"reward", drawn(3, {64})},
            {"action", labels(2, {64, 1})},
            {"done", zeros({64}).evaluate()}};
  b.gradients = [=](const Tensors& d) {
    const Tensor best = max(target(d[1]), {.axes = {1}});
    const Tensor wanted = d[2] + 0.99 * (1 - d[4]) * best;
    const auto objective = [&] {
      const Tensor values = take_along_axis(net(d[0], {.training = true}), d[3], 1);
      return mean(losses::SmoothL1{}(reshape(values, {64}), wanted));
    };
    return value_and_grad(objective, net.trainable())();
  };
  b.step = [gradients = b.gradients, optimizer = adam()](const Tensors& data) mutable {
    const auto [value, grads] = gradients(data);
    optimizer.update(grads);
    return value;
  };
  b.seen = {{"x", drawn(4, {1, 4})}};
  b.infer_batch = 1;
  b.infer = [=](const Tensors& x) { return argmax(net(x[0]), {.axis = 1}); };
  return b;
}

}  // namespace

std::vector<Case> other_cases() {
  return {
      {"vae_mnist", vae},
      {"dqn_cartpole", dqn},
  };
}

}  // namespace varve::bench
