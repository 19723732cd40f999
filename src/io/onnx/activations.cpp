// Activations.
#include "io/onnx/helpers.h"
#include "varve/ops/normalization.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

Values leaky_relu_(Call& c) { return {leaky_relu(c.tensor(0), c.real("alpha", 0.01))}; }
Values elu_(Call& c) { return {elu(c.tensor(0), c.real("alpha", 1))}; }

// max(0, x) + min(0, alpha (exp(x / alpha) - 1)).
Values celu(Call& c) {
  const Tensor& x = c.tensor(0);
  const double alpha = c.real("alpha", 1);
  return {add(maximum(x, 0), minimum(multiply(expm1(divide(x, alpha)), alpha), 0))};
}

Values selu_(Call& c) {
  const Tensor& x = c.tensor(0);
  const double alpha = c.real("alpha", 1.67326319217681884765625),
               gamma = c.real("gamma", 1.05070102214813232421875);
  const Tensor below = multiply(expm1(minimum(x, 0)), alpha);
  return {multiply(where(greater(x, 0), x, below), gamma)};
}

Values hard_sigmoid_(Call& c) {
  const Tensor& x = c.tensor(0);
  const double alpha = c.real("alpha", 0.2), beta = c.real("beta", 0.5);
  return {clip(add(multiply(x, alpha), beta), 0, 1)};
}

Values hard_swish(Call& c) {
  const Tensor& x = c.tensor(0);
  return {multiply(x, clip(add(multiply(x, 1. / 6), 0.5), 0, 1))};
}

Values thresholded_relu(Call& c) {
  const Tensor& x = c.tensor(0);
  return {where(greater(x, number_like(c.real("alpha", 1), x)), x, 0)};
}

Values shrink(Call& c) {
  const Tensor& x = c.tensor(0);
  const double lambda = c.real("lambd", 0.5), bias = c.real("bias", 0);
  const Tensor outside = where(less(x, -lambda), add(x, bias), subtract(x, bias));
  const Tensor inside = logical_and(greater_equal(x, -lambda), less_equal(x, lambda));
  return {as(where(inside, 0, outside), x.dtype())};
}

Values prelu(Call& c) {
  const Tensor &x = c.tensor(0), &slope = c.tensor(1);
  return {where(less(x, 0), multiply(x, slope), x)};
}

Values gelu_(Call& c) {
  const std::string approximate = c.text("approximate", "none");
  if (approximate == "tanh") return {gelu_tanh(c.tensor(0))};
  if (approximate != "none") c.fail("attribute approximate: expected \"none\" or \"tanh\"");
  return {gelu(c.tensor(0))};
}

// x sigmoid(alpha x).
Values swish(Call& c) {
  const Tensor& x = c.tensor(0);
  return {multiply(x, sigmoid(multiply(x, c.real("alpha", 1))))};
}

// Before opset 13 the axes from `axis` on are one.
template <Tensor (*F)(const Operand&, int)>
Values softmax_(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", c.version() >= 13 ? -1 : 1), std::max(x.rank(), 1));
  if (c.version() >= 13 || axis == x.rank() - 1) return {F(x, axis)};
  return {reshape(F(flatten(x, axis), -1), x.shape())};
}

constexpr Row kRows[] = {
    {"Celu", 12, celu},
    {"Elu", 6, elu_},
    {"Gelu", 20, gelu_},
    {"HardSigmoid", 6, hard_sigmoid_},
    {"HardSwish", 14, hard_swish},
    {"Hardmax", 1, softmax_<hardmax>},
    {"LeakyRelu", 6, leaky_relu_},
    {"LogSoftmax", 1, softmax_<log_softmax>},
    {"Mish", 18, unary<mish>},
    {"PRelu", 7, prelu},
    {"Relu", 6, unary<relu>},
    {"Selu", 6, selu_},
    {"Shrink", 9, shrink},
    {"Sigmoid", 6, unary<sigmoid>},
    {"Softmax", 1, softmax_<softmax>},
    {"Softplus", 1, unary<softplus>},
    {"Softsign", 1, unary<softsign>},
    {"Swish", 24, swish},
    {"ThresholdedRelu", 10, thresholded_relu},
};

}  // namespace

std::span<const Row> activation_rows() { return kRows; }

}  // namespace varve::io::onnx
