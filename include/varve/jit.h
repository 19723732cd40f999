// room: runtime
// jit: trace a function once, keep a plan, replay it.
#pragma once
#include <array>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "varve/derivatives.h"
#include "varve/precision.h"
#include "varve/tensor.h"

namespace varve {

namespace detail {

// Results of a compiled function: any nesting of these. `visit_tensors(tree, f)` calls f(Tensor&)
// for each leaf, in order.
template <class F, class... T>
void visit_tensors(std::tuple<T...>& t, F&& f);
template <class F, class A, class B>
void visit_tensors(std::pair<A, B>& p, F&& f);
template <class F>
void visit_tensors(Tensor& t, F&& f) {
  f(t);
}
template <class F>
void visit_tensors(Tensors& t, F&& f) {
  std::vector<Tensor> list = t.list();
  for (Tensor& x : list) f(x);
  t = Tensors(std::move(list));
}
template <class F>
void visit_tensors(Grads& g, F&& f) {
  std::vector<Tensor> list = g.gradients();
  for (Tensor& x : list) f(x);
  g = Grads(g.variables(), std::move(list));
}
template <class F, size_t N>
void visit_tensors(std::array<Tensor, N>& list, F&& f) {
  for (Tensor& x : list) f(x);
}
template <class F, size_t N>
void visit_tensors(ValueAndGrads<N>& v, F&& f) {
  f(v.value);
  visit_tensors(v.grads, f);
}
template <class F>
void visit_tensors(ValueAndGradsOf& v, F&& f) {
  f(v.value);
  visit_tensors(v.grads, f);
}
template <class F, class... T>
void visit_tensors(std::tuple<T...>& t, F&& f) {
  std::apply([&](auto&... x) { (visit_tensors(x, f), ...); }, t);
}
template <class F, class A, class B>
void visit_tensors(std::pair<A, B>& p, F&& f) {
  visit_tensors(p.first, f);
  visit_tensors(p.second, f);
}
template <class T>
concept TensorTree = requires(T& t) {
  visit_tensors(t, [](Tensor&) {});
};

/// The traced function without its types: gives its tensors, and what puts them together again.
struct Traced {
  std::vector<Tensor> tensors;
  std::shared_ptr<const void> structure;
};
using TracedFunction = std::function<Traced(std::span<const Tensor>)>;

class Compiled;
std::shared_ptr<Compiled> make_compiled(Precision precision);
/// Whether a compiled function that is called now takes part in a trace or a derivative outside it.
bool inlined();
using TakeResults = std::function<void(const void* structure, std::span<const Tensor> results)>;
/// Runs the plan for these arguments, made by tracing `f` where there is none yet, and hands over
/// the results.
void run_compiled(Compiled& compiled, std::span<const Tensor> arguments, const TracedFunction& f,
                  const TakeResults& take);
/// What its plans take: memory for their runs, and what they keep from run to run.
int64_t plan_bytes(const Compiled& compiled);

}  // namespace detail

/// What is known of a compiled function.
class CompiledInfo {
 public:
  explicit CompiledInfo(std::shared_ptr<detail::Compiled> compiled)
      : compiled_(std::move(compiled)) {}
  /// How often the function was traced: once for each new combination of argument types.
  int traces() const;
  /// How long the plan that ran last took to make, from the call of the function to its kernels.
  double planning_seconds() const;
  /// The plan that ran last: kernels in order, what was fused, bytes, arena offsets.
  std::string plan() const;
  /// Time of each kernel of the plan that ran last, over the replays since `profile(true)`.
  std::string profile() const;
  void profile(bool on);

 private:
  std::shared_ptr<detail::Compiled> compiled_;
};

struct JitOptions {
  Precision precision = "f32";
};

/// A compiled function: see jit.
template <class F>
class Jit {
 public:
  explicit Jit(F f, JitOptions options = {})
      : f_(std::move(f)), compiled_(detail::make_compiled(options.precision)) {}

  template <class... A>
  requires(std::convertible_to<const A&, Tensor>&&...) auto operator()(
      const A&... arguments) const {
    using R = std::invoke_result_t<const F&, const A&...>;
    if constexpr (std::is_void_v<R>) {
      if (detail::inlined()) return f_(arguments...);
      call<std::tuple<>>(
          [&](std::span<const Tensor> x) {
            spread<sizeof...(A)>(x);
            return std::tuple<>();
          },
          arguments...);
    } else {
      static_assert(detail::TensorTree<R>,
                    "jit(f): f returns Tensor, Tensors, or a tuple/pair/array of them");
      if (detail::inlined()) return f_(arguments...);
      return call<R>([&](std::span<const Tensor> x) { return spread<sizeof...(A)>(x); },
                     arguments...);
    }
  }

  CompiledInfo info() const { return CompiledInfo(compiled_); }  ///< traces, plan and profile

 private:
  template <size_t N>
  auto spread(std::span<const Tensor> x) const {
    return [&]<size_t... I>(std::index_sequence<I...>) { return f_(x[I]...); }
    (std::make_index_sequence<N>{});
  }
  template <class R, class G, class... A>
  R call(const G& traced, const A&... arguments) const {
    const std::array<Tensor, sizeof...(A)> x{Tensor(arguments)...};
    std::optional<R> out;
    detail::run_compiled(
        *compiled_, x,
        [&](std::span<const Tensor> placeholders) {
          auto tree = std::make_shared<R>(traced(placeholders));
          detail::Traced t;
          detail::visit_tensors(
              *tree, [&](Tensor& leaf) { t.tensors.push_back(std::exchange(leaf, Tensor())); });
          t.structure = tree;
          return t;
        },
        [&out](const void* structure, std::span<const Tensor> results) {
          out.emplace(*static_cast<const R*>(structure));
          size_t i = 0;
          detail::visit_tensors(*out, [&](Tensor& leaf) { leaf = results[i++]; });
        });
    return *std::move(out);
  }

  F f_;
  std::shared_ptr<detail::Compiled> compiled_;
};

/// Compiles f: the first call with new argument types traces it, and keeps a plan of prepared
/// kernels over planned memory; later calls replay the plan. Arguments are tensors; anything else f
/// captures is a constant of the trace, variables excepted: these are read and assigned by the
/// plan. Masks (nn::mask_of) come and go with their tensors. Reading a tensor's elements inside f
/// is an error. The 16 plans last used are kept. If a guarded value (loss, gradient) is not finite,
/// NumericError names the operation that made it, and every variable stays as it was.
template <class F>
Jit<F> jit(F f, JitOptions options = {}) {
  return Jit<F>(std::move(f), options);
}

}  // namespace varve
