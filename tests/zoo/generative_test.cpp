// Autoencoders, adversarial networks, agents and graphs: published counts, and training when small.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/errors.h"
#include "varve/generative_losses.h"
#include "varve/nn/network.h"
#include "varve/ops/matmul.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/segment.h"
#include "varve/zoo_generative.h"
#include "zoo/helpers.h"

namespace varve {
namespace {

using test::classes;
using test::expect_counts;
using test::expect_overfits;
using test::images;

template <class S>
std::function<Model()> net(S spec) {
  return [spec] { return Model(spec); };
}

/// Built for images of 28 x 28.
Model built(zoo::DiffusionUNet spec) {
  Model m = spec;
  m.build_many({{28, 28, 1}, {}});
  return m;
}

/// The sparse twin of a dense matrix, as the inputs of a network.
Tensors sparse_inputs(const Tensor& x, const Tensor& dense) {
  const int64_t n = dense.shape()[0];
  const Tensor place = arange(n * n);
  const SparseMatrix a =
      sparse_matrix(floor_divide(place, n), place % n, reshape(dense, {-1}), n, n);
  return {x, a.values, a.columns, a.row_starts};
}

TEST(GenerativeCounts, AreThePublishedOnes) {
  expect_counts({
      {"autoencoder", net(zoo::Autoencoder{}), 2837314},
      {"VAE", net(zoo::VAE{}), 652824},
      {"Keras VAE", net(zoo::ConvVAE{}), 69076 + 65089},
      {"DCGAN generator", [] { return zoo::DCGAN{}.generator(); }, 3576704},
      {"DCGAN discriminator", [] { return zoo::DCGAN{}.discriminator(); }, 2765568},
      {"CycleGAN generator", [] { return zoo::CycleGAN{}.generator(); }, 11378179},
      {"CycleGAN discriminator", [] { return zoo::CycleGAN{}.discriminator(); }, 2764737},
      {"actor-critic", net(zoo::ActorCritic{}), 1027},
      {"DQN", net(zoo::DQN{}), 67586},
      {"Nature DQN", net(zoo::NatureDQN{}), 1693362},
      {"GCN Cora", net(zoo::GCN{}), 23063},
      {"GCN Citeseer", net(zoo::GCN{.nodes = 3327, .features = 3703, .classes = 6}), 59366},
      {"GCN Pubmed", net(zoo::GCN{.nodes = 19717, .features = 500, .classes = 3}), 8067},
      {"GAT Cora", net(zoo::GAT{}), 92373},
      // Counted by PyTorch, of the same networks.
      {"MNIST DCGAN generator", [] { return zoo::MnistDCGAN{}.generator(); }, 771969},
      {"MNIST DCGAN discriminator", [] { return zoo::MnistDCGAN{}.discriminator(); }, 138689},
      {"diffusion", [] { return built(zoo::DiffusionUNet{}); }, 984257},
  });
  const Model vae = zoo::ConvVAE{};
  EXPECT_EQ(vae["encoder"].parameter_count(), 69076);
  EXPECT_EQ(vae["decoder"].parameter_count(), 65089);
}

TEST(Generative, AutoencodersReconstruct) {
  const Tensor x = cast(images({24}, 1) > 0, f32);
  const Loss bce = losses::BinaryCrossEntropy{.from_logits = true};
  const auto falls = [&](Model m, const Tensor& data, double share) {
    m.compile({.optimizer = optim::Adam{.learning_rate = 1e-2}, .loss = bce});
    const History h =
        m.fit(data, data, {.batch_size = 8, .epochs = 150, .seed = 3, .progress = false});
    EXPECT_LT(h["loss"].back(), share * h["loss"].front());
  };
  falls(zoo::Autoencoder{.input = 24, .units = {32, 16}, .code = 8}, x, 0.2);
  falls(zoo::VAE{.input = 24, .hidden = 32, .code = 8, .kl_weight = 1e-4}, x, 0.3);
  falls(zoo::ConvVAE{.input = {8, 8, 1}, .code = 4, .kl_weight = 1e-4, .width = 0.25},
        cast(images({8, 8, 1}, 2) > 0, f32), 0.7);
}

// A few alternating steps: the discriminator tells real from fake, the generator moves against it.
TEST(Generative, AdversariesTrainEachOther) {
  Model g = zoo::DCGAN{.code = 8, .channels = 1, .width = 0.0625}.generator();
  Model d = zoo::DCGAN{.channels = 1, .width = 0.0625}.discriminator();
  const Tensor real = tanh(images({64, 64, 1}, 1)), z = images({8}, 2);
  EXPECT_EQ(Tensor(g(z)).shape(), (Shape{8, 64, 64, 1}));
  EXPECT_EQ(Tensor(d(real)).shape(), (Shape{8, 1}));
  Optimizer of_d = optim::Adam{.learning_rate = 2e-3};
  const auto d_loss = [&] {
    return losses::gan_discriminator(
        d(real, {.training = true}),
        d(stop_gradient(g(z, {.training = true})), {.training = true}));
  };
  const double before = Tensor(d_loss()).to_double();
  for (int i = 0; i < 8; ++i) of_d.update(value_and_grad(d_loss, d.trainable())().grads);
  EXPECT_LT(Tensor(d_loss()).to_double(), 0.7 * before);
  Optimizer of_g = optim::Adam{.learning_rate = 2e-3};
  const auto g_loss = [&] { return losses::gan_generator(d(g(z, {.training = true}))); };
  const double start = Tensor(g_loss()).to_double();
  for (int i = 0; i < 8; ++i) of_g.update(value_and_grad(g_loss, g.trainable())().grads);
  EXPECT_LT(Tensor(g_loss()).to_double(), start);
}

TEST(Generative, CycleGansKeepTheSizeOfImages) {
  const zoo::CycleGAN small{.input = {32, 32, 3}, .blocks = 1, .width = 0.125};
  const Tensor x = tanh(images({32, 32, 3}));
  EXPECT_EQ(Tensor(small.discriminator()(x)).shape(), (Shape{8, 2, 2, 1}));
  expect_overfits(small.generator(), x, x * 0.5, "mse", 3e-3);
}

TEST(Agents, LearnValuesAndPolicies) {
  expect_overfits(zoo::DQN{.units = {16, 16}}, images({4}), images({2}, 3), "mse", 1e-2);
  expect_overfits(zoo::NatureDQN{.actions = 4, .input = {36, 36, 4}, .width = 0.25},
                  images({36, 36, 4}), images({4}, 3), "mse");
  Model both = zoo::ActorCritic{};
  const Outputs y = both(Tensors(images({4})));
  EXPECT_EQ(y[0].shape(), (Shape{8, 2}));
  EXPECT_EQ(y[1].shape(), (Shape{8, 1}));
}

TEST(Generative, DiffusionNetworksLearnTheNoiseOfEachStep) {
  const zoo::DiffusionUNet small{.channels = 8, .multipliers = {1, 2}, .groups = 2, .heads = 2};
  const Tensor x = images({8, 8, 2}), steps = arange(8) * 100, noise = images({8, 8, 2}, 3);
  Model m = small;
  m.build_many({{8, 8, 2}, {}});
  EXPECT_EQ(Tensor(m(Tensors{x, steps}).only()).shape(), x.shape());
  // The step is heard.
  EXPECT_GT(max(abs(m(Tensors{x, steps}).only() - m(Tensors{x, steps + 50}).only())).to_double(),
            1e-3);
  expect_overfits(m, {x, steps}, noise, "mse");
  EXPECT_THAT(test::message_of<ShapeError>([&] {
                m(Tensors{images({9, 8, 2}), steps});
              }),
              ::testing::HasSubstr("multiples of 2"));
}

TEST(Generative, SmallAdversariesMakeAndJudgeImages) {
  const zoo::MnistDCGAN small{.code = 8, .width = 0.125};
  EXPECT_EQ(Tensor(small.generator()(images({8}))).shape(), (Shape{8, 28, 28, 1}));
  expect_overfits(small.generator(), images({8}), tanh(images({28, 28, 1}, 3)), "mse");
  expect_overfits(small.discriminator(), images({28, 28, 1}), cast(arange(8) < 4, f32),
                  "binary_cross_entropy");
}

TEST(Graphs, ASparseNetworkGivesWhatADenseOneGives) {
  const int64_t n = 7;
  const Tensor a = abs(random::normal(Key(5), {n, n})), x = random::normal(Key(6), {n, 5});
  const Model dense = zoo::GCN{.nodes = n, .features = 5, .hidden = 4, .classes = 3, .dropout = 0};
  for (bool first : {false, true}) {
    const Layer sparse =
        zoo::SparseGCN{.hidden = 4, .classes = 3, .dropout = 0, .bias_first = first};
    const Tensors in = sparse_inputs(x, a);
    EXPECT_EQ(Tensor(sparse(in).only()).shape(), (Shape{n, 3}));
    const std::vector<Variable> from = dense.trainable(), to = sparse.trainable();
    ASSERT_EQ(from.size(), to.size());
    for (size_t i = 0; i < to.size(); ++i) {
      ASSERT_EQ(from[i].shape(), to[i].shape()) << i;
      Variable(to[i]).assign(random::normal(Key(20 + i), to[i].shape()));
      Variable(from[i]).assign(to[i].value());
    }
    const auto layer = [&](const Tensor& h, size_t i) {
      const Tensor w = to[i].value(), b = to[i + 1].value();
      return first ? matmul(a, matmul(h, w) + b) : matmul(a, matmul(h, w)) + b;
    };
    const Tensor want = layer(relu(layer(x, 0)), 2), got = sparse(in).only();
    EXPECT_LT(max(abs(got - want)).to_double(), 1e-4) << first;
    if (!first) {
      const Tensor whole = dense(Tensors{reshape(x, {1, n, 5}), reshape(a, {1, n, n})}).only();
      EXPECT_LT(max(abs(got - reshape(whole, {n, 3}))).to_double(), 1e-4);
    }
  }
}

TEST(Graphs, NodesLearnTheirClassesFromNeighbours) {
  // Two cliques; the features say nothing but who one is.
  const int64_t n = 6;
  const Tensor group = arange(n) >= 3;
  const Tensor same = cast(reshape(group, {n, 1}) == reshape(group, {1, n}), f32);
  const Tensor a = broadcast_to(reshape(same / 3, {1, n, n}), {8, n, n});
  const Tensor x = broadcast_to(reshape(eye(n), {1, n, n}), {8, n, n});
  const Tensor y = broadcast_to(reshape(cast(group, i64), {1, n}), {8, n});
  const std::pair<const char*, Model> list[] = {
      {"gcn", zoo::GCN{.nodes = n, .features = n, .classes = 2, .dropout = 0}},
      {"gat", zoo::GAT{.nodes = n, .features = n, .heads = 2, .classes = 2, .dropout = 0}}};
  for (const auto& [name, model] : list) {
    SCOPED_TRACE(name);
    Model m = model;
    m.compile({.optimizer = optim::Adam{.learning_rate = 2e-2},
               .loss = losses::CrossEntropy{.from_logits = true}});
    const History h = m.fit(Tensors{Tensor(a * 0 + x), a}, y,
                            {.batch_size = 8, .epochs = 60, .seed = 3, .progress = false});
    EXPECT_LT(h["loss"].back(), 0.2 * h["loss"].front());
  }
}

}  // namespace
}  // namespace varve
