// Raw nodes in few letters, and how two graphs are compared by value.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/philox.h"
#include "ops/build.h"
#include "ops/table.h"
#include "runtime/evaluate.h"

namespace varve::transform {

using X = std::span<const Tensor>;
using ops::full;
using ops::make;

inline const Shape s{2, 3};
inline Tensor c(double v) { return full(v, f32, s); }
inline Tensor ci(double v) { return full(v, i32, s); }
inline Tensor cb(bool v) { return full(v, DType::bool_, s); }
inline Tensor un(const char* op, const Tensor& x) { return make(op, {x}); }
inline Tensor bi(const char* op, const Tensor& a, const Tensor& b) { return make(op, {a, b}); }
inline Tensor to(const Tensor& x, DType d) { return make("cast", {x}, {{"dtype", d}}); }
inline Tensor wide(const Tensor& x, ir::Ints shape) {
  return make("broadcast_to", {x}, {{"shape", shape}});
}
inline Tensor shaped(const Tensor& x, ir::Ints shape) {
  return make("reshape", {x}, {{"shape", shape}});
}
inline Tensor turned(const Tensor& x, ir::Ints axes) {
  return make("transpose", {x}, {{"axes", axes}});
}
inline Tensor cut(const Tensor& x, ir::Ints start, ir::Ints size, ir::Ints step) {
  return make("slice", {x}, {{"start", start}, {"size", size}, {"step", step}});
}
inline Tensor over(const char* op, const Tensor& x, ir::Ints axes, bool keep = false) {
  return make(op, {x}, {{"axes", axes}, {"keep_dims", keep}});
}
inline Tensor product(const Tensor& a, const Tensor& b, bool ta = false, bool tb = false) {
  return make("matmul", {a, b}, {{"transpose_a", ta}, {"transpose_b", tb}});
}

inline const ir::Types f = {{f32, s}}, ff = {{f32, s}, {f32, s}}, i = {{i32, s}},
                       b = {{DType::bool_, s}}, bff = {{DType::bool_, s}, {f32, s}, {f32, s}},
                       v = {{f32, {3}}};

/// A graph from its text form, verified.
inline ir::Graph parsed(const char* text) {
  ir::Graph g = ir::parse_graph(text, ops::find);
  ir::verify(g);
  return g;
}

inline ir::Graph traced(const ir::Types& inputs, Tensor (*f)(X)) {
  return ir::trace_body(inputs, [f](X x) -> std::vector<Tensor> { return {f(x)}; });
}

inline std::vector<Tensor> numbers_for(const ir::Graph& g, uint64_t seed) {
  std::vector<Tensor> out;
  for (int32_t n : g.inputs) {
    const ir::TensorType& t = g.nodes[static_cast<size_t>(n)].outputs[0];
    std::vector<double> v(static_cast<size_t>(t.shape.size()));
    for (size_t k = 0; k < v.size(); ++k)
      v[k] = std::round(64 * philox::unit_double(seed, out.size(), k) - 32) / 8;
    Tensor x = tensor(v, t.shape);
    out.push_back(t.dtype == f64 ? x : make("cast", {x}, {{"dtype", t.dtype}}));
  }
  return out;
}

/// The first element in which two graphs differ; empty where there is none.
inline std::string difference(const ir::Graph& a, const ir::Graph& b, uint64_t seed) {
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  const auto x = numbers_for(a, seed);
  const auto p = ir::replay(a, x), q = ir::replay(b, x);
  for (size_t o = 0; o < p.size(); ++o) {
    if (ir::type_of(p[o]) != ir::type_of(q[o])) return "another type of output";
    const auto u = p[o].to_doubles(), w = q[o].to_doubles();
    const double digits = p[o].dtype() == f64 ? 1e-9 : 1e-4;
    for (size_t k = 0; k < u.size(); ++k) {
      if (u[k] == w[k] || (std::isnan(u[k]) && std::isnan(w[k]))) continue;
      if (std::abs(u[k] - w[k]) <= digits * (1 + std::abs(u[k]))) continue;
      return "output " + std::to_string(o) + ", element " + std::to_string(k) + ": " +
             std::to_string(w[k]) + ", expected " + std::to_string(u[k]);
    }
  }
  return {};
}

}  // namespace varve::transform
