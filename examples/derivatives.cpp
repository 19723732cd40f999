// Derivatives of functions of tensors, and jit.
#include <varve/varve.h>

#include <cmath>
#include <cstdio>

using namespace varve;

int main() {
  // [gradient]
  Tensor x = random::normal(Key(1), {32, 13}), y = random::normal(Key(2), {32, 1});
  Tensor w = zeros({13, 1}), b = zeros({1});
  auto mse = [&](const Tensor& w, const Tensor& b) { return mean(square(matmul(x, w) + b - y)); };
  auto [value, gradients] = value_and_grad(mse)(w, b);  // by every argument
  std::printf("loss %.3f, gradient of w %s, of b %s\n", value.to_double(),
              gradients[0].shape().to_string().c_str(), gradients[1].shape().to_string().c_str());
  // [/gradient]

  {
    // [life]
    auto step =
        jit(value_and_grad([&](const Tensor& w) { return mean(square(matmul(x, w) - y)); }));
    auto [loss, gradients] = step(w);
    // [/life]
    std::printf("without b: loss %.3f\n", loss.to_double());
  }

  // [descent]
  auto step = jit(value_and_grad(mse));  // traced once, then replayed
  for (int i = 0; i < 1000; ++i) {
    auto [loss, g] = step(w, b);
    w = w - 0.1 * g[0];
    b = b - 0.1 * g[1];
  }
  auto [least, g] = step(w, b);
  std::printf("after 1000 steps the gradient is %s\n",
              norm(g[0]).to_double() < 1e-3 ? "about zero" : "not zero");
  // [/descent]

  // [higher]
  auto second = jit(grad(grad(varve::sin)));
  std::printf("sin''(1) = %.6f, -sin(1) = %.6f\n", second(scalar(1, f64)).to_double(),
              -std::sin(1.0));
  // [/higher]

  // [modes]
  auto f = [](const Tensors& v) -> Tensors { return v[0] * sin(v[1]); };
  Tensors at{scalar(2, f64), scalar(0.5, f64)};
  Tensors tangents = jvp(f, at, {scalar(1, f64), scalar(0, f64)}).tangents;  // forward mode
  Tensors cotangents = vjp(f, at, Tensors(scalar(1, f64))).cotangents;       // reverse mode
  std::printf("d/da: %.6f forward, %.6f reverse; d/db: %.6f\n", tangents.only().to_double(),
              cotangents[0].to_double(), cotangents[1].to_double());
  // [/modes]

  // [kinds]
  // One derivative in four ways: by symbols, by differences, forward (dual numbers), reverse.
  auto bell = [](auto t) { return exp(-t * t); };
  auto of_tensor = [&](const Tensor& t) { return bell(t); };
  std::printf("%s\n", formula(grad(of_tensor), "t").c_str());
  Tensor place = scalar(0.5, f64);
  std::printf("%.6f %.6f %.6f\n", numeric_gradient(of_tensor, place).to_double(),
              derivative(bell, 0.5), grad(of_tensor)(place).to_double());
  // [/kinds]

  // [matrices]
  auto cubes = [](const Tensor& t) { return sum(t * t * t); };
  Tensor point = tensor({1.0, 2.0});
  std::printf("%s\n%s\n", jacobian(varve::square)(point).to_string().c_str(),
              hessian(cubes)(point).to_string().c_str());
  // H v without H:
  auto listed = [&](const Tensors& t) -> Tensors { return cubes(t.only()); };
  Tensor product = hessian_vector_product(listed, point, tensor({1.0, 1.0})).products.only();
  std::printf("%s\n", product.to_string().c_str());
  // [/matrices]

  // [own]
  // A derivative of your own: round passes gradients straight through (Bengio et al. 2013).
  auto straight = custom_derivative(
      [](const Tensors& v) -> Tensors { return round(v.only()); },
      [](const Tensors&, const Tensors&, const Tensors& cotangents) { return cotangents; });
  auto of_rounded = grad([&](const Tensor& t) { return square(straight(t).only()); });
  std::printf("d/dt round(t)^2 at 1.8, passed straight through: %g\n",
              of_rounded(scalar(1.8, f64)).to_double());
  // [/own]

  // [check]
  std::printf("%s\n", gradcheck(f, at).to_string().c_str());
  // [/check]
}
