// room: transform
// Derivatives of functions of tensors: reverse mode (value_and_grad, grad, vjp), forward mode
// (jvp), and what is made of them (jacobian, hessian, hessian_vector_product). All compose with
// each other and with jit. By differences: gradcheck.h; as text: formula.h; of plain numbers:
// dual.h.
#pragma once
#include <array>
#include <concepts>
#include <functional>
#include <span>
#include <string_view>
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

/// By which rules a Jacobian is taken: "forward" (an element of the arguments at a time), "reverse"
/// (an element of the result at a time), or "auto": whichever takes fewer, or the other one where
/// something in the function has no rule for it (a custom_derivative has no forward rule, a
/// while_loop without a bound no reverse rule).
struct DerivativeMode {
  enum class Kind : uint8_t { automatic, forward, reverse };
  Kind kind = Kind::automatic;

  constexpr DerivativeMode() = default;
  consteval DerivativeMode(const char* name) : kind(kind_of(name)) {}
  bool operator==(const DerivativeMode&) const = default;

 private:
  // A name that is none of these ends the evaluation: the compiler points at it.
  static consteval Kind kind_of(std::string_view name) {
    if (name == "forward") return Kind::forward;
    if (name == "reverse") return Kind::reverse;
    if (name != "auto") throw "a mode is \"auto\", \"forward\" or \"reverse\"";
    return Kind::automatic;
  }
};
/// How a Jacobian is taken.
struct JacobianOptions {
  DerivativeMode mode = {};  ///< which rules: see DerivativeMode
};
/// What hessian_vector_product gives: f, its gradient, and its Hessian times the vectors.
struct GradientAndProducts {
  Tensor value;
  Tensors gradient, products;
};

namespace detail {
using Flat = std::function<Tensor(std::span<const Tensor>)>;
Tensor value_and_grad(const Flat& f, std::span<const Tensor> at, std::span<Tensor> grads);
Tensor value_and_grad(const std::function<Tensor()>& f, const Variables& variables, Grads& grads);
void jacobian(const Flat& f, std::span<const Tensor> at, const JacobianOptions& options,
              std::span<Tensor> blocks);
void hessian(const Flat& f, std::span<const Tensor> at, std::span<Tensor> blocks);
Grads jacobian(const std::function<Tensor()>& f, const Variables& variables,
               const JacobianOptions& options);
std::vector<Grads> hessian(const std::function<Tensor()>& f, const Variables& variables);

/// A function of n tensors as one of a list of them.
template <size_t n, class F>
Flat flat(const F& f) {
  return [&f](std::span<const Tensor> v) {
    return [&]<size_t... I>(std::index_sequence<I...>)->Tensor { return f(v[I]...); }
    (std::make_index_sequence<n>{});
  };
}
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
    out.value = detail::value_and_grad(detail::flat<n>(f), x, out.grads);
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

/// f's derivative at `at` along a direction (not normalized): the tangents of jvp.
Tensors directional_derivative(const TensorsFunction& f, const Tensors& at,
                               const Tensors& direction);

/// The function that gives f's derivative, element by element, by every argument: [i..., j...] is
/// d f(x)[i...] / d x[j...]. One tensor for a function of one argument, an array for several. f
/// takes floating tensors and returns one, of any shape (DTypeError).
/// Cost: with n elements in all arguments and m in the result, n passes of forward mode or m of
/// reverse mode, each a small multiple of f; "auto" takes forward mode where n < m. Under jit they
/// share what they have in common.
/// Example: jacobian(varve::sin)(x)    // diag(cos(x)) for x of one axis
template <class F>
auto jacobian(F f, JacobianOptions options = {}) {
  return [f, options](const std::convertible_to<Tensor> auto&... at) {
    constexpr size_t n = sizeof...(at);
    std::array<Tensor, n> x{at...}, blocks;
    detail::jacobian(detail::flat<n>(f), x, options, blocks);
    if constexpr (n == 1) {
      return blocks[0];
    } else {
      return blocks;
    }
  };
}
inline auto jacobian(Tensor (*f)(const Operand&), JacobianOptions options = {}) {
  return jacobian([f](const Tensor& x) { return f(x); }, options);
}
/// The same by variables; f's own arguments are data. grads[w] has the shape [result..., w...].
template <class F>
auto jacobian(F f, const Variables& variables, JacobianOptions options = {}) {
  return [f, variables, options](const auto&... data) -> Grads {
    return detail::jacobian([&] { return Tensor(f(data...)); }, variables, options);
  };
}

/// The function that gives the second derivatives of f, which returns a scalar: [j..., k...] is
/// d2 f / (d x[j...] d x[k...]). For several arguments an array of arrays: [a][b] by argument a,
/// then b.
/// Cost: forward over reverse mode, n passes for n elements in all arguments, each a small multiple
/// of f; where only H v is wanted, hessian_vector_product takes one. Where there is no forward rule
/// (custom_derivative, custom_op), reverse over reverse mode, at the same cost; where there is no
/// reverse rule (while_loop without a bound), forward over forward mode, n^2 passes.
template <class F>
auto hessian(F f) {
  return [f](const std::convertible_to<Tensor> auto&... at) {
    constexpr size_t n = sizeof...(at);
    std::array<Tensor, n> x{at...};
    std::array<std::array<Tensor, n>, n> rows;
    detail::hessian(detail::flat<n>(f), x, std::span(rows[0].data(), n * n));
    if constexpr (n == 1) {
      return rows[0][0];
    } else {
      return rows;
    }
  };
}
/// The same by variables: result[a][variables[b]] is the block by variable a, then b.
template <class F>
auto hessian(F f, const Variables& variables) {
  return [f, variables](const auto&... data) -> std::vector<Grads> {
    return detail::hessian([&] { return Tensor(f(data...)); }, variables);
  };
}

/// The Hessian of f, which returns one scalar, times vectors like its arguments, without the
/// Hessian: forward over reverse mode (Pearlmutter 1994), a small multiple of f's cost whatever the
/// number of elements; by the other modes where there are no such rules, as hessian.
GradientAndProducts hessian_vector_product(const TensorsFunction& f, const Tensors& at,
                                           const Tensors& vectors);
/// The same by variables: `hessian_vector_product([&] { return loss(x, y); }, {w, b}, {v, u})`.
GradientAndProducts hessian_vector_product(const std::function<Tensor()>& f,
                                           const Variables& variables, const Tensors& vectors);

/// x, through which no derivative flows.
Tensor stop_gradient(const Operand& x);

/// A function with a derivative of one's own: calling it computes f(x); its vjp is
/// `backward(x, f(x), cotangents)`, one tensor of its argument's type each (ShapeError). f is a
/// function of its arguments alone: UnsupportedError where it reads or assigns variables or prints.
TensorsFunction custom_derivative(
    TensorsFunction f,
    std::function<Tensors(const Tensors& x, const Tensors& y, const Tensors& cotangents)> backward);

}  // namespace varve
