#include "varve/derivatives.h"

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "ops/build.h"
#include "ops/function.h"
#include "transform/differentiate.h"
#include "transform/jacobian.h"
#include "varve/ops/pointwise.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using transform::or_zeros;

void require_floating(const char* operation, const Tensor& x, size_t position) {
  if (!is_floating(x.dtype())) {
    throw DTypeError(std::string(operation) + ": argument " + std::to_string(position) + " is " +
                         ir::type_of(x).to_string() + "; derivatives are by floating tensors",
                     "capture it in the function instead of passing it");
  }
}

void require_loss(const char* operation, const Tensor& value) {
  transform::require_scalar(operation, value, "vjp with cotangents of your own");
  if (is_floating(value.dtype())) return;
  throw DTypeError(std::string(operation) + ": the function must return a floating scalar, got " +
                   ir::type_of(value).to_string());
}

/// What derivatives are taken at.
std::vector<Tensor> forks(const char* operation, std::span<const Tensor> at) {
  std::vector<Tensor> x;
  for (size_t i = 0; i < at.size(); ++i) {
    require_floating(operation, at[i], i);
    x.push_back(Tensor(transform::fork(at[i]).cell(), at[i].mask_cell()));
  }
  return x;
}

/// The values of variables, each once.
std::vector<Tensor> values_of(const char* operation, const Variables& variables) {
  std::vector<Tensor> x;
  for (size_t i = 0; i < variables.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (variables[k] == variables[i]) {
        throw ValueError(std::string(operation) + ": variable \"" + variables[i].name() +
                         "\" is given twice");
      }
    }
    x.push_back(variables[i].value());
  }
  return x;
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

/// f as a function of the variables' values. What it assigns is handed on once.
detail::Flat of_values(const std::function<Tensor()>& f, const Variables& variables) {
  return [&f, &variables](std::span<const Tensor> x) {
    ir::Frame frame(ir::Frame::Kind::gradient);
    for (size_t i = 0; i < x.size(); ++i) frame.bind(variables[i].state(), x[i]);
    const Tensor y = f();
    frame.commit();
    return y;
  };
}

/// first(), or second() where something on the way has no rule for the first mode.
template <class F, class G>
auto either(F first, G second) {
  try {
    return first();
  } catch (const UnsupportedError&) {
    const std::exception_ptr why = std::current_exception();
    try {
      return second();
    } catch (const UnsupportedError&) {
      std::rethrow_exception(why);
    }
  }
}

/// The gradient of a scalar; empty where nothing flows.
std::vector<Tensor> flowing_from(const Tensor& value, std::span<const Tensor> x) {
  const Tensor one = scalar(1, value.dtype());
  return transform::pullback(std::span(&value, 1), std::span(&one, 1), x);
}

std::vector<Tensor> pulled_from_scalar(const Tensor& value, std::span<const Tensor> x) {
  auto gradients = flowing_from(value, x);
  for (size_t i = 0; i < x.size(); ++i) gradients[i] = or_zeros(gradients[i], x[i]);
  return gradients;
}

/// By reverse mode, or by forward mode, an element at a time, where there is no reverse rule.
std::vector<Tensor> gradient_of_scalar(const Tensor& value, std::span<const Tensor> x) {
  return either([&] { return pulled_from_scalar(value, x); },
                [&] {
                  auto row = transform::jacobian_by_columns(std::span(&value, 1), x)[0];
                  for (size_t i = 0; i < x.size(); ++i) row[i] = cast(row[i], x[i].dtype());
                  return row;
                });
}

GradientAndProducts products(const detail::Flat& f, const Tensors& at, const Tensors& vectors) {
  constexpr const char* kName = "hessian_vector_product";
  require_like(kName, "vector", vectors, at);
  ir::Frame frame(ir::Frame::Kind::gradient);
  const std::vector<Tensor> x = forks(kName, at.list());
  const Tensor value = f(x);
  require_loss(kName, value);
  const std::vector<Tensor> gradient = gradient_of_scalar(value, x);
  // The Hessian is symmetric: both modes give the product.
  std::vector<Tensor> moved =
      either([&] { return transform::pushforward(gradient, x, vectors.list()); },
             [&] { return transform::pullback(gradient, vectors.list(), x); });
  for (size_t i = 0; i < x.size(); ++i) moved[i] = or_zeros(moved[i], x[i]);
  frame.commit();
  return {value, Tensors(gradient), Tensors(std::move(moved))};
}

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
  const std::vector<Tensor> x = forks("grad", at);
  const Tensor value = f(x);
  require_loss("grad", value);
  std::ranges::move(pulled_from_scalar(value, x), grads.begin());
  frame.commit();
  return value;
}

Tensor value_and_grad(const std::function<Tensor()>& f, const Variables& variables, Grads& grads) {
  const std::vector<Tensor> values = values_of("grad", variables);
  ir::Frame frame(ir::Frame::Kind::gradient);
  const std::vector<Tensor> x = forks("grad", values);
  for (size_t i = 0; i < x.size(); ++i) frame.bind(variables[i].state(), x[i]);
  const Tensor value = f();
  require_loss("grad", value);
  auto found = flowing_from(value, x);
  for (size_t i = 0; i < x.size(); ++i) {
    if (!found[i].defined()) {
      warn("grad: the loss does not depend on variable \"" + variables[i].name() +
           "\"; its gradient is zero");
      found[i] = transform::zeros(ir::type_of(x[i]));
    }
  }
  grads = Grads(variables, std::move(found));
  frame.commit();
  return value;
}

void jacobian(const Flat& f, std::span<const Tensor> at, const JacobianOptions& options,
              std::span<Tensor> blocks) {
  ir::Frame frame(ir::Frame::Kind::gradient);
  const std::vector<Tensor> x = forks("jacobian", at);
  const Tensor y = f(x);
  if (!is_floating(y.dtype())) {
    throw DTypeError("jacobian: the function must return a floating tensor, got " +
                     ir::type_of(y).to_string());
  }
  int64_t elements = 0;
  for (const Tensor& t : x) elements += t.size();
  using Kind = DerivativeMode::Kind;
  const Kind mode = options.mode.kind;
  const bool forward = mode == Kind::forward || (mode == Kind::automatic && elements < y.size());
  const std::span<const Tensor> outputs(&y, 1);
  const auto by_columns = [&] { return transform::jacobian_by_columns(outputs, x); };
  const auto by_rows = [&] { return transform::jacobian_by_rows(outputs, x); };
  const transform::JacobianBlocks found = mode != Kind::automatic
                                              ? (forward ? by_columns() : by_rows())
                                          : forward ? either(by_columns, by_rows)
                                                    : either(by_rows, by_columns);
  for (size_t a = 0; a < x.size(); ++a) blocks[a] = found[0][a];
  frame.commit();
}

void hessian(const Flat& f, std::span<const Tensor> at, std::span<Tensor> blocks) {
  ir::Frame frame(ir::Frame::Kind::gradient);
  const std::vector<Tensor> x = forks("hessian", at);
  const Tensor value = f(x);
  require_loss("hessian", value);
  const std::vector<Tensor> gradient = gradient_of_scalar(value, x);
  const auto rows = either([&] { return transform::jacobian_by_columns(gradient, x); },
                           [&] { return transform::jacobian_by_rows(gradient, x); });
  for (size_t a = 0; a < x.size(); ++a) {
    for (size_t b = 0; b < x.size(); ++b) blocks[a * x.size() + b] = rows[a][b];
  }
  frame.commit();
}

Grads jacobian(const std::function<Tensor()>& f, const Variables& variables,
               const JacobianOptions& options) {
  std::vector<Tensor> blocks(variables.size());
  jacobian(of_values(f, variables), values_of("jacobian", variables), options, blocks);
  return {variables, std::move(blocks)};
}

std::vector<Grads> hessian(const std::function<Tensor()>& f, const Variables& variables) {
  const size_t n = variables.size();
  std::vector<Tensor> blocks(n * n);
  hessian(of_values(f, variables), values_of("hessian", variables), blocks);
  std::vector<Grads> rows;
  for (size_t a = 0; a < n; ++a) {
    const auto first = blocks.begin() + static_cast<std::ptrdiff_t>(a * n);
    rows.emplace_back(variables,
                      std::vector<Tensor>(first, first + static_cast<std::ptrdiff_t>(n)));
  }
  return rows;
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

Tensors directional_derivative(const TensorsFunction& f, const Tensors& at,
                               const Tensors& direction) {
  return jvp(f, at, direction).tangents;
}

GradientAndProducts hessian_vector_product(const TensorsFunction& f, const Tensors& at,
                                           const Tensors& vectors) {
  return products(
      [&f](std::span<const Tensor> x) {
        return f(Tensors(std::vector<Tensor>(x.begin(), x.end()))).only();
      },
      at, vectors);
}

GradientAndProducts hessian_vector_product(const std::function<Tensor()>& f,
                                           const Variables& variables, const Tensors& vectors) {
  return products(of_values(f, variables), Tensors(values_of("hessian_vector_product", variables)),
                  vectors);
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
