// Autoencoders, adversarial networks, agents and graphs: published counts, and training when small.
#include <gtest/gtest.h>

#include "support/errors.h"
#include "varve/generative_losses.h"
#include "varve/nn/network.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
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
