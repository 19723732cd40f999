// What to do when something is wrong: errors, printing, eager steps, checked derivatives.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  // [error]
  try {
    Tensor a = ones({32, 784}), b = ones({10, 784});
    Tensor c = matmul(a, b);
  } catch (const ShapeError& e) {
    std::printf("%s\n", e.what());
  }
  // [/error]

  // [misspelt]
  try {
    Layer layer = nn::Dense{.units = 8, .activation = "rellu"};
  } catch (const ValueError& e) {
    std::printf("%s\n", e.what());
  }
  // [/misspelt]

  // [nan]
  // A step that makes a NaN is run again operation by operation, and nothing is updated.
  Variable w(tensor({4.f, -1.f}), {.name = "w"});
  Optimizer sgd = optim::SGD{.learning_rate = 0.1};
  auto step = jit([&] {
    auto [loss, grads] = value_and_grad([&] { return sum(sqrt(w)); }, {w})();
    sgd.update(grads);
    return loss;
  });
  try {
    step();
  } catch (const NumericError& e) {
    std::printf("%s\nw is still %s\n", e.what(), w.value().to_string().c_str());
  }
  // [/nan]

  // [print]
  // Inside a compiled step nothing can be read, but everything can be shown when the step ends.
  auto compiled = jit([](const Tensor& x) {
    Tensor h = debug::print(x * 2, "h");  // on standard error
    return sum(h);
  });
  std::printf("sum %g\n", compiled(tensor({1.f, 2.f})).to_double());
  // [/print]

  // [eager]
  // run_eagerly: steps are not compiled, so a layer, a loss, a metric may read values and print.
  Sequential model{nn::Dense{.units = 1}};
  model.compile({.optimizer = "sgd",
                 .loss =
                     [](const Tensor& prediction, const Tensor& target) {
                       std::printf("predictions: mean %.3f\n", mean(prediction).to_double());
                       return square(prediction - target);
                     },
                 .run_eagerly = true});
  model.fit(ones({4, 2}), zeros({4, 1}), {.batch_size = 2, .seed = 1, .progress = false});
  // [/eager]

  // [gradcheck]
  // A derivative of your own, against central differences. This one is wrong by a factor.
  auto wrong = custom_derivative(
      [](const Tensors& x) -> Tensors { return square(x.only()); },
      [](const Tensors& x, const Tensors&, const Tensors& c) -> Tensors { return c[0] * x[0]; });
  GradcheckReport report = gradcheck(wrong, tensor({0.5, 1.5}), {.forward = false});
  std::printf("%s\n", report.to_string().c_str());
  // [/gradcheck]
}
