// Functions of lists of tensors, compiled.
#pragma once
#include <functional>

#include "varve/jit.h"

namespace varve::bench {

/// `result` is Tensor or ValueAndGradsOf.
template <class R>
struct Compiled {
  std::function<R(const Tensors&)> run;
  CompiledInfo info;
};

namespace detail {
template <size_t>
using TensorAt = const Tensor&;

template <class R, size_t... I>
Compiled<R> compiled(std::function<R(const Tensors&)> f, const JitOptions& o,
                     std::index_sequence<I...>) {
  auto run = jit([f](TensorAt<I>... x) { return f(Tensors{x...}); }, o);
  return {[run](const Tensors& x) { return run(x[I]...); }, run.info()};
}
}  // namespace detail

/// Compiles f, a function of `count` tensors: 1 to 6.
template <class R>
Compiled<R> compiled(const std::function<R(const Tensors&)>& f, size_t count,
                     const JitOptions& options = {}) {
  switch (count) {
    case 1:
      return detail::compiled(f, options, std::make_index_sequence<1>());
    case 2:
      return detail::compiled(f, options, std::make_index_sequence<2>());
    case 3:
      return detail::compiled(f, options, std::make_index_sequence<3>());
    case 4:
      return detail::compiled(f, options, std::make_index_sequence<4>());
    case 5:
      return detail::compiled(f, options, std::make_index_sequence<5>());
    case 6:
      return detail::compiled(f, options, std::make_index_sequence<6>());
    default:
      throw ValueError("a compiled function of " + std::to_string(count) + " tensors");
  }
}

/// The tensors of a list with names.
template <class List>
Tensors values_of(const List& named) {
  std::vector<Tensor> out;
  for (const auto& n : named) out.push_back(n.value);
  return Tensors(std::move(out));
}

}  // namespace varve::bench
