// A training step of your own in `fit`: two models and two optimizers (a generative adversarial
// network that learns a normal distribution).
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  random::seed(1);
  const int64_t n = 4096, noise = 4;
  Dataset numbers(random::normal(Key(1), {n, 1}, {.mean = 3, .standard_deviation = 0.5}));

  // [step]
  Sequential generator{nn::Input{.shape = {noise}}, nn::Dense{16, "tanh"}, nn::Dense{1}};
  Sequential critic{nn::Input{.shape = {1}}, nn::Dense{32, "relu"}, nn::Dense{1}};
  Optimizer g = optim::Adam{.learning_rate = 1e-3, .beta_1 = 0.5};
  Optimizer c = optim::Adam{.learning_rate = 2e-3, .beta_1 = 0.5};
  Loss loss = losses::BinaryCrossEntropy{.from_logits = true};
  Variable noise_key(tensor<uint64_t>({7, 0}), {.name = "noise_key", .trainable = false});

  auto step = [&](const Batch& batch) -> StepLogs {
    // What changes from step to step is a variable: a number would be a constant of the trace.
    Tensor z = random::normal(Key(noise_key.value()), {batch.size(), noise});
    noise_key.assign(noise_key + tensor<uint64_t>({0, 1}));
    Tensor real = ones({batch.size(), 1}), fake = zeros({batch.size(), 1});

    auto [critic_loss, critic_grads] = value_and_grad(
        [&] { return loss(critic(batch.x()), real) + loss(critic(generator(z)), fake); },
        critic.trainable())();
    c.update(critic_grads);
    auto [generator_loss, generator_grads] =
        value_and_grad([&] { return loss(critic(generator(z)), real); }, generator.trainable())();
    g.update(generator_grads);
    return {{"critic", critic_loss}, {"generator", generator_loss}};
  };
  generator.compile({.train_step = step});
  generator.fit(numbers, {.batch_size = 128, .epochs = 150, .seed = 1, .progress = false});
  // [/step]

  Tensor made = generator.predict(random::normal(Key(9), {2000, noise}));
  std::printf("real: mean 3, standard deviation 0.5\nmade: mean %.2f, standard deviation %.2f\n",
              mean(made).to_double(), varve::std(made).to_double());
}
