// room: transform
// Derivatives of functions of tensors: reverse mode (value_and_grad, grad, vjp) and forward mode
// (jvp). All compose with each other and with jit.
#pragma once
#include <array>
#include <concepts>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "varve/tensor.h"

namespace varve {

/// The gradients of some variables.
class Grads {
 public:
  Grads() = default;
  Grads(Variables variables, std::vector<Tensor> gradients);

  /// The gradient of a variable. Throws IndexError, naming it, where it was not asked for.
  Tensor operator[](const Variable& variable) const;
  /// Euclidean norm of all gradients together, f32.
  Tensor global_norm() const;
  const Variables& variables() const { return variables_; }  ///< in the order they were asked for
  const std::vector<Tensor>& gradients() const { return gradients_; }  ///< in the same order
  size_t size() const { return variables_.size(); }

 private:
  Variables variables_;
  std::vector<Tensor> gradients_;
};

/// What value_and_grad(f) gives: f's value and its derivative by each of N arguments.
template <size_t N>
struct ValueAndGrads {
  Tensor value;
  std::array<Tensor, N> grads;
};
/// What value_and_grad(f, variables) gives.
struct ValueAndGradsOf {
  Tensor value;
  Grads grads;
};
/// What jvp gives, one tangent an output.
struct ValueAndTangents {
  Tensors value, tangents;
};
/// What vjp gives, one cotangent an argument.
struct ValueAndCotangents {
  Tensors value, cotangents;
};
/// A function of several tensors that gives several: the form for jvp, vjp and gradcheck.
using TensorsFunction = std::function<Tensors(const Tensors&)>;

namespace detail {
using Flat = std::function<Tensor(std::span<const Tensor>)>;
Tensor value_and_grad(const Flat& f, std::span<const Tensor> at, std::span<Tensor> grads);
Tensor value_and_grad(const std::function<Tensor()>& f, const Variables& variables, Grads& grads);
}  // namespace detail

/// The function that gives f's value and its derivative by every argument: `value_and_grad(f)(w,
/// b)`. f takes tensors and returns one scalar tensor. Arguments must be floating (DTypeError); a
/// result that is no scalar is a ShapeError.
template <class F>
auto value_and_grad(F f) {
  return [f](const std::convertible_to<Tensor> auto&... at) {
    constexpr size_t n = sizeof...(at);
    static_assert(
        std::is_invocable_r_v<Tensor, const F&, decltype(static_cast<const Tensor&>(at))...>,
        "value_and_grad(f)(x...): f must take these tensors and return one Tensor (the loss)");
    std::array<Tensor, n> x{at...};
    ValueAndGrads<n> out;
    out.value = detail::value_and_grad(
        [&f](std::span<const Tensor> v) {
          return [&]<size_t... I>(std::index_sequence<I...>)->Tensor { return f(v[I]...); }
          (std::make_index_sequence<n>{});
        },
        x, out.grads);
    return out;
  };
}

/// The function that gives f's value and its derivative by the variables; f's own arguments are
/// data. A variable that the result does not depend on gets zeros and a warning that names it; one
/// that is given twice is a ValueError.
template <class F>
auto value_and_grad(F f, const Variables& variables) {
  return [f, variables](const auto&... data) {
    static_assert(std::is_invocable_r_v<Tensor, const F&, decltype(data)...>,
                  "value_and_grad: f must return one Tensor (the loss)");
    ValueAndGradsOf out;
    out.value = detail::value_and_grad([&] { return Tensor(f(data...)); }, variables, out.grads);
    return out;
  };
}

/// The derivative alone: one tensor for a function of one argument, an array for several.
template <class F>
auto grad(F f) {
  return [g = value_and_grad(std::move(f))](const std::convertible_to<Tensor> auto&... at) {
    auto r = g(at...);
    if constexpr (sizeof...(at) == 1) {
      return r.grads[0];
    } else {
      return r.grads;
    }
  };
}

/// Overloaded library functions as arguments: `grad(varve::sin)`.
inline auto grad(Tensor (*f)(const Operand&)) {
  return grad([f](const Tensor& x) { return f(x); });
}

/// Forward mode: f's value at `at` and its directional derivative, Jacobian times `tangents`.
/// Throws ShapeError or DTypeError where a tangent differs in type from its argument.
ValueAndTangents jvp(const TensorsFunction& f, const Tensors& at, const Tensors& tangents);

/// Reverse mode: f's value at `at` and the transposed Jacobian times `cotangents`, one an argument.
ValueAndCotangents vjp(const TensorsFunction& f, const Tensors& at, const Tensors& cotangents);

/// x, through which no derivative flows.
Tensor stop_gradient(const Operand& x);

/// A function with a derivative of one's own: calling it computes f(x); its vjp is
/// `backward(x, f(x), cotangents)`, one tensor of its argument's type each (ShapeError). f is a
/// function of its arguments alone: UnsupportedError where it reads or assigns variables or prints.
TensorsFunction custom_derivative(
    TensorsFunction f,
    std::function<Tensors(const Tensors& x, const Tensors& y, const Tensors& cotangents)> backward);

}  // namespace varve
