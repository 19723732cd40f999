#include "varve/derivatives.h"

#include <algorithm>

#include "base/error.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "ops/build.h"
#include "ops/function.h"
#include "transform/differentiate.h"
#include "varve/ops/pointwise.h"
#include "varve/warnings.h"

namespace varve {
namespace {

void require_floating(const char* operation, const Tensor& x, size_t position) {
  if (!is_floating(x.dtype())) {
    throw DTypeError(std::string(operation) + ": argument " + std::to_string(position) + " is " +
                         ir::type_of(x).to_string() + "; derivatives are by floating tensors",
                     "capture it in the function instead of passing it");
  }
}

void require_scalar(const Tensor& value) {
  if (value.shape().rank() != 0) {
    throw ShapeError(
        "grad: the function must return a scalar, got " + ir::type_of(value).to_string(),
        "take its sum or mean, or use vjp with cotangents of your own");
  }
  if (!is_floating(value.dtype())) {
    throw DTypeError("grad: the function must return a floating scalar, got " +
                     ir::type_of(value).to_string());
  }
}

void require_like(const char* operation, const char* what, const Tensors& given,
                  const Tensors& expected) {
  if (given.size() != expected.size()) {
    throw ValueError(std::string(operation) + ": expected " + std::to_string(expected.size()) +
                     " " + what + "s, got " + std::to_string(given.size()));
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].defined() && ir::type_of(given[i]) != ir::type_of(expected[i])) {
      throw ShapeError(std::string(operation) + ": " + what + " " + std::to_string(i) +
                       ": expected " + ir::type_of(expected[i]).to_string() + ", got " +
                       ir::type_of(given[i]).to_string());
    }
  }
}

Tensor zeros_of(const Tensor& x) { return ops::full(0, x.dtype(), x.shape()); }
/// The graph of a function whose derivative is the user's own. Its results are all that it may do:
/// what else happened in it would be lost where the graph is replayed.
ir::Graph traced_alone(const ir::Types& types, const TensorsFunction& f) {
  ir::Frame frame(ir::Frame::Kind::trace);
  std::vector<Tensor> x;
  for (const ir::TensorType& t : types) x.push_back(ir::placeholder(t));
  const Tensors y = f(Tensors(x));
  for (const ir::Binding& b : frame.bindings()) {
    const std::string name = "variable \"" + b.variable->name + "\"";
    if (b.assigned) {
      throw UnsupportedError("custom_derivative: the function assigns " + name,
                             "return the new value, and assign it where the function is called");
    }
    throw UnsupportedError("custom_derivative: the function reads " + name,
                           "pass its value as an argument");
  }
  if (!frame.observations().empty()) {
    throw UnsupportedError("custom_derivative: debug::print inside the function",
                           "print what it takes or returns where it is called");
  }
  check(frame.guards().empty(), "guards are set by training steps alone");
  return ir::linearize(y.list(), x);
}

Tensor or_zeros(const Tensor& t, const Tensor& like) { return t.defined() ? t : zeros_of(like); }

}  // namespace

Grads::Grads(Variables variables, std::vector<Tensor> gradients)
    : variables_(std::move(variables)), gradients_(std::move(gradients)) {
  check(variables_.size() == gradients_.size(), "one gradient a variable");
}

Tensor Grads::operator[](const Variable& variable) const {
  for (size_t i = 0; i < variables_.size(); ++i) {
    if (variables_[i] == variable) return gradients_[i];
  }
  throw IndexError("grads: no gradient was asked for by variable \"" + variable.name() + "\"");
}

Tensor Grads::global_norm() const {
  Tensor total = scalar(0, f32);
  for (const Tensor& g : gradients_) {
    const Tensor s = ops::sum_to(square(cast(g, f32)), {});
    total = total + s;
  }
  return sqrt(total);
}

namespace detail {

Tensor value_and_grad(const Flat& f, std::span<const Tensor> at, std::span<Tensor> grads) {
  ir::Frame frame(ir::Frame::Kind::gradient);
  std::vector<Tensor> x;
  for (size_t i = 0; i < at.size(); ++i) {
    require_floating("grad", at[i], i);
    x.push_back(transform::fork(at[i]));
  }
  const Tensor value = f(x);
  require_scalar(value);
  const Tensor one = scalar(1, value.dtype());
  const auto found = transform::pullback(std::span(&value, 1), std::span(&one, 1), x);
  for (size_t i = 0; i < at.size(); ++i) grads[i] = or_zeros(found[i], at[i]);
  frame.commit();
  return value;
}

Tensor value_and_grad(const std::function<Tensor()>& f, const Variables& variables, Grads& grads) {
  std::vector<Tensor> x;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (std::find(variables.begin(), variables.begin() + static_cast<int64_t>(i), variables[i]) !=
        variables.begin() + static_cast<int64_t>(i)) {
      throw ValueError("grad: variable \"" + variables[i].name() + "\" is given twice");
    }
    x.push_back(variables[i].value());
    require_floating("grad", x[i], i);
  }
  ir::Frame frame(ir::Frame::Kind::gradient);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = transform::fork(x[i]);
    frame.bind(variables[i].state(), x[i]);
  }
  const Tensor value = f();
  require_scalar(value);
  const Tensor one = scalar(1, value.dtype());
  auto found = transform::pullback(std::span(&value, 1), std::span(&one, 1), x);
  for (size_t i = 0; i < x.size(); ++i) {
    if (!found[i].defined()) {
      warn("grad: the loss does not depend on variable \"" + variables[i].name() +
           "\"; its gradient is zero");
      found[i] = zeros_of(x[i]);
    }
  }
  grads = Grads(variables, std::move(found));
  frame.commit();
  return value;
}

}  // namespace detail

ValueAndTangents jvp(const TensorsFunction& f, const Tensors& at, const Tensors& tangents) {
  require_like("jvp", "tangent", tangents, at);
  ir::Frame frame(ir::Frame::Kind::gradient);
  std::vector<Tensor> x;
  for (const Tensor& t : at) x.push_back(transform::fork(t));
  const Tensors value = f(Tensors(x));
  auto moved = transform::pushforward(value.list(), x, tangents.list());
  for (size_t i = 0; i < moved.size(); ++i) moved[i] = or_zeros(moved[i], value[i]);
  frame.commit();
  return {value, Tensors(std::move(moved))};
}

ValueAndCotangents vjp(const TensorsFunction& f, const Tensors& at, const Tensors& cotangents) {
  ir::Frame frame(ir::Frame::Kind::gradient);
  std::vector<Tensor> x;
  for (const Tensor& t : at) x.push_back(transform::fork(t));
  const Tensors value = f(Tensors(x));
  require_like("vjp", "cotangent", cotangents, value);
  auto found = transform::pullback(value.list(), cotangents.list(), x);
  for (size_t i = 0; i < found.size(); ++i) found[i] = or_zeros(found[i], at[i]);
  frame.commit();
  return {value, Tensors(std::move(found))};
}

Tensor stop_gradient(const Operand& x) {
  return ops::make("stop_gradient", {x.tensor()}, {}, x.where());
}

TensorsFunction custom_derivative(
    TensorsFunction f,
    std::function<Tensors(const Tensors&, const Tensors&, const Tensors&)> backward) {
  auto rule = std::make_shared<const ops::Backward>(std::move(backward));
  return [f = std::move(f), rule](const Tensors& x) -> Tensors {
    ir::Types types;
    for (const Tensor& t : x) types.push_back(ir::type_of(t));
    const auto body = std::make_shared<const ir::Graph>(traced_alone(types, f));
    return Tensors(
        ir::apply(ops::get("custom_derivative"), x.list(),
                  {{"body", ir::GraphRef(body)}, {"backward", ir::Opaque{"backward", rule}}}));
  };
}

}  // namespace varve
