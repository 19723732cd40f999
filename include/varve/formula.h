// room: transform
// A computation to look at: as a readable formula, and by the operations that it takes.
#pragma once
#include <array>
#include <concepts>
#include <string>
#include <vector>

#include "varve/derivatives.h"

namespace varve {

namespace detail {
std::string formula(const Flat& f, const std::vector<std::string>& names);
}

/// The formula of a function of real numbers, simplified; with grad the symbolic derivative:
///   formula(grad(varve::sin), "x")                               // cos(x)
///   formula(grad([](Tensor x) { return x * x; }), "x")           // 2*x
///   formula([](Tensor x, Tensor y) { return x / y + x / y; }, "x", "y")    // 2*x/y
/// f is traced on numbers (f64, rank 0), one a name; a variable that it reads stands by its own
/// name. Like terms and powers of one base are collected, sums and products stand in a fixed order,
/// and identities of logarithms, powers and angles apply where both sides are defined, though they
/// may differ in the last digits; a guard like where(x == 0, 0, 1/x) is written as what it guards,
/// 1/x. A formula is for reading: compiled functions keep to the digits of what was written.
/// Infinities and NaN stand as inf and nan, and nothing is collected across them.
/// Throws ValueError for a name that is no identifier, is given twice or is "pi", "inf" or "nan",
/// and where the text would pass 100,000 characters; what f throws passes through.
template <class F>
std::string formula(const F& f, const std::convertible_to<std::string> auto&... names) {
  static_assert(sizeof...(names) > 0, "formula(f, \"x\", \"y\"): a name for each argument of f");
  return detail::formula(detail::flat<sizeof...(names)>(f), {std::string(names)...});
}
inline std::string formula(Tensor (*f)(const Operand&), const std::string& name) {
  return formula([f](const Tensor& x) { return f(x); }, name);
}
/// The same of a function of tensors like `at`, whose values do not matter: what is no arithmetic
/// stands as a call, and broadcasting is not written: "sum(square(matmul(x, w) - y))". Nor are the
/// shapes that a call works on, bodies of control flow and the later elements of constants; what
/// differs in these is kept apart all the same: "logsumexp(x) - logsumexp(x)" is no 0.
std::string formula(const TensorsFunction& f, const Tensors& at,
                    const std::vector<std::string>& names);

/// What a computation takes, as it was written (nothing simplified or shared).
struct OperationCounts {
  int64_t nodes = 0;      ///< that compute: no inputs, constants, and views of their input
  double operations = 0;  ///< floating-point ones: one an element of a result, 2 K an element of a
                          ///< product of matrices of inner size K, and so on; of cond those of
                          ///< the larger branch, of while_loop max_steps times those of a step
                          ///< (one step where it has no bound)
};
/// Counts the operations of f on tensors like `at`, without running it; variables that it reads are
/// given, as `at` is. The derivatives of f:
/// R^N -> R take N times as many in forward mode, and a small multiple whatever N in reverse mode:
///   count_operations([](const Tensors& x) -> Tensors { return grad(f)(x[0]); }, x)
OperationCounts count_operations(const TensorsFunction& f, const Tensors& at);

}  // namespace varve
