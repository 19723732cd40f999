// An operation of your own on plain spans: it evaluates, differentiates and compiles as the
// library's do.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  // [op]
  auto cube = custom_op({.name = "cube",
                         .infer =
                             [](const std::vector<TensorSpec>& x) {
                               if (x.size() != 1 || x[0].dtype != f32)
                                 throw DTypeError("cube: expected one f32");
                               return std::vector<TensorSpec>{x[0]};
                             },
                         .forward =
                             [](const std::vector<Elements>& x, const std::vector<Elements>& y) {
                               std::span<float> from = x[0].span<float>(), to = y[0].span<float>();
                               for (size_t i = 0; i < from.size(); ++i)
                                 to[i] = from[i] * from[i] * from[i];
                             },
                         .vjp = [](const Tensors& x, const Tensors&, const Tensors& c) -> Tensors {
                           return 3 * square(x[0]) * c[0];
                         }});
  // [/op]

  auto f = [&](const Tensor& x) { return sum(cube(x).only()); };
  auto [value, gradients] = jit(value_and_grad(f))(tensor({1.f, 2.f, 3.f}));
  std::printf("sum of cubes %g, gradient %s\n", value.to_double(),
              gradients[0].to_string().c_str());
}
