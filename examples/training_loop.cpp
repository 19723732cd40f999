// A training loop of your own: model, loss, derivatives, optimizer, and jit to make it fast.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  TrainTest mnist = datasets::mnist();
  random::seed(1);
  // [loop]
  Sequential model{nn::Flatten{}, nn::Dense{128, "relu"}, nn::Dense{10}};
  model.build({28, 28, 1});
  Loss loss = losses::CrossEntropy{.from_logits = true};
  Optimizer adam = optim::Adam{.learning_rate = 1e-3};
  auto step = jit([&](const Tensor& x, const Tensor& y) {
    auto objective = [&] { return loss(model(x, {.training = true}), y); };
    auto [value, grads] = value_and_grad(objective, model.trainable())();
    adam.update(grads);
    return value;
  });
  Loader loader(mnist.train.take(12800), {.batch_size = 128, .shuffle = true, .seed = 7});
  for (int epoch = 0; epoch < 3; ++epoch) {
    double total = 0;
    for (const Batch& b : loader) total += step(b.x(), b.y()).to_double();
    std::printf("epoch %d: loss %.4f\n", epoch + 1, total / double(loader.size()));
  }
  // [/loop]
  std::printf("traced %d time(s), %d updates\n", step.info().traces(),
              int(adam.step().value().item<int64_t>()));

  // [evaluate]
  auto classify = jit([&](const Tensor& x) { return argmax(model(x), {.axis = -1}); });
  Batch test = mnist.test.all();
  Tensor right = classify(test.x()) == cast(test.y(), i64);
  std::printf("test accuracy: %.3f\n", mean(right).to_double());
  // [/evaluate]
}
