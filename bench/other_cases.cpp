// Generative networks, graphs and agents.
#include "cases.h"
#include "varve/generative_losses.h"
#include "varve/losses.h"
#include "varve/model.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/segment.h"
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
  b.step = step_of(b.gradients, adam());
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
  b.step = step_of(b.gradients, adam());
  b.seen = {{"x", drawn(4, {1, 4})}};
  b.infer_batch = 1;
  b.infer = [=](const Tensors& x) { return argmax(net(x[0]), {.axis = 1}); };
  return b;
}

/// Noise as the step draws it, or as it is given at a place of the data.
Tensor given_or_drawn(const Tensors& data, size_t place, const Layer& noise, const Shape& shape) {
  return data.size() > place ? data[place] : Tensor(noise(zeros(shape), {.training = true}));
}

/// One step of the discriminator, then one of the generator against the new discriminator, on the
/// same images. Gives the discriminator's loss.
Bench dcgan(const CaseOptions& o) {
  const zoo::MnistDCGAN networks{};
  const Model g = networks.generator(), d = networks.discriminator();
  const Layer noise = Noise{};
  const Shape codes{64, 100};
  Bench b;
  b.batch = b.infer_batch = 64;
  b.networks = {{"d", d}, {"g", g}};
  b.data = {{"x", (random::uniform(Key(1), {64, 28, 28, 1}) * 2 - 1).evaluate()}};
  if (o.deterministic) b.data.push_back({"noise", normal(codes)});
  const CallOptions training{.training = true};
  const auto made = [=](const Tensors& data) {
    return Tensor(g(given_or_drawn(data, 1, noise, codes), training));
  };
  const auto told_apart = [=](const Tensor& real, const Tensor& fake) {
    const auto objective = [&] {
      return losses::gan_discriminator(d(real, training), d(fake, training));
    };
    return value_and_grad(objective, d.trainable())();
  };
  b.gradients = [=](const Tensors& data) { return told_apart(data[0], made(data)); };
  b.step = [=, of_d = adam(), of_g = adam()](const Tensors& data) mutable {
    Tensor loss;
    const auto objective = [&] {
      const Tensor fake = made(data);
      const auto [value, grads] = told_apart(data[0], stop_gradient(fake));
      of_d.update(grads);
      loss = value;
      return losses::gan_generator(d(fake, training));
    };
    of_g.update(value_and_grad(objective, g.trainable())().grads);
    return loss;
  };
  // The peer draws when it infers, too.
  b.seen = {{"like", zeros(codes).evaluate()}};
  b.infer = [=](const Tensors& x) { return Tensor(g(noise(x[0]))); };
  return b;
}

/// Steps of a diffusion, drawn anew for each batch.
struct DrawnSteps {
  Tensor call(const Tensor& x, Scope& s) const {
    return random::integers(s.key(), 0, 1000, {x.shape()[0]});
  }
};

/// The denoising network learns the noise in images of random steps.
Bench ddpm(const CaseOptions& o) {
  const Layer net = zoo::DiffusionUNet{}, noise = Noise{}, steps = DrawnSteps{};
  const Shape images{32, 28, 28, 1};
  Bench b;
  b.batch = b.infer_batch = 32;
  b.networks = {{"net", net}};
  b.data = {{"x", normal(images)}};
  if (o.deterministic) {
    b.data.push_back({"noise", random::normal(Key(3), images).evaluate()});
    b.data.push_back({"steps", labels(1000, {32})});
  }
  // The share of the image's variance that is left after each step.
  const Tensor left = cumprod(1 - linspace(1e-4, 0.02, 1000)).evaluate();
  b.gradients = [=](const Tensors& data) {
    const Tensor x = data[0], eps = given_or_drawn(data, 1, noise, images);
    const Tensor t = data.size() > 2 ? data[2] : Tensor(steps(x, {.training = true}));
    const Tensor share = reshape(take(left, t, 0), {32, 1, 1, 1});
    const Tensor noisy = sqrt(share) * x + sqrt(1 - share) * eps;
    const auto objective = [&] {
      return mean(square(Tensor(net({noisy, t}, {.training = true}).only()) - eps));
    };
    return value_and_grad(objective, net.trainable())();
  };
  b.step = step_of(b.gradients, adam());
  const Tensor at = full({32}, 500, i64).evaluate();
  b.seen = {b.data[0], {"steps", at}};
  b.infer = [=](const Tensors& x) { return net({x[0], x[1]}).only(); };
  net({b.data[0].value, at});  // builds it
  return b;
}

/// A random graph of Cora's size, normalized with loops, and its features; 140 nodes have classes.
Bench gcn(const CaseOptions& o) {
  constexpr int64_t kNodes = 2708, kFeatures = 1433, kEdges = 5429, kKnown = 140;
  const Tensor from = random::integers(Key(3), 0, kNodes, {kEdges}),
               to = random::integers(Key(4), 0, kNodes, {kEdges}), self = arange(kNodes);
  const Tensor rows = concat({from, to, self}, 0), columns = concat({to, from, self}, 0);
  const Tensor degree = segment_sum(ones(rows.shape()), rows, kNodes);
  const Tensor values = rsqrt(take(degree, rows, 0) * take(degree, columns, 0));
  const SparseMatrix a = sparse_matrix(rows, columns, values, kNodes, kNodes);
  const Layer net = zoo::SparseGCN{.dropout = o.deterministic ? 0 : 0.5, .bias_first = true};
  Bench b;
  b.batch = kNodes;
  b.infer_batch = 1;
  b.networks = {{"net", net}};
  const Tensor x = cast(random::uniform(Key(1), {kNodes, kFeatures}) < 0.0127, f32);
  b.seen = {{"x", x.evaluate()},
            {"values", a.values.evaluate()},
            {"columns", a.columns.evaluate()},
            {"row_starts", a.row_starts.evaluate()}};
  b.data = b.seen;
  b.data.push_back({"y", labels(7, {kNodes})});
  const auto inputs = [](const Tensors& data) {
    return Tensors{data[0], data[1], data[2], data[3]};
  };
  b.gradients = [=, loss = cross_entropy()](const Tensors& data) {
    const std::vector<Slice> known{{0, kKnown}};
    const auto objective = [&] {
      const Tensor y = net(inputs(data), {.training = true}).only();
      return loss(slice(y, known), slice(data[4], known));
    };
    return value_and_grad(objective, net.trainable())();
  };
  b.step = step_of(b.gradients, adam());
  b.infer = [=](const Tensors& data) { return net(inputs(data)).only(); };
  net(inputs(Tensors{b.seen[0].value, b.seen[1].value, b.seen[2].value, b.seen[3].value}));
  return b;
}

}  // namespace

std::vector<Case> other_cases() {
  return {
      {"vae_mnist", vae}, {"dcgan_mnist", dcgan}, {"ddpm_mnist", ddpm},
      {"gcn_cora", gcn},  {"dqn_cartpole", dqn},
  };
}

}  // namespace varve::bench
