// What the rows of control flow and the functions that make them share: lists of tensors and types,
// bodies in attributes, and derivatives of a replayed body.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "ops/build.h"
#include "transform/differentiate.h"

namespace varve::transform {

using ir::Attributes;
using ir::Graph;
using ir::GraphRef;
using ir::InferArguments;
using ir::Local;
using ir::Slots;
using ir::TensorType;
using ir::Types;
using ops::text_of;
using Span = std::span<const Tensor>;

inline std::vector<Tensor> list(Span x) { return {x.begin(), x.end()}; }
inline void append(std::vector<Tensor>& to, Span more) {
  to.insert(to.end(), more.begin(), more.end());
}
inline Types types_of(Span x) {
  Types out;
  for (const Tensor& t : x) out.push_back(ir::type_of(t));
  return out;
}
inline const Graph& graph_of(const Attributes& a, const char* name) {
  return *a.get<GraphRef>(name);
}
inline Types input_types(const Graph& g) {
  Types out;
  for (int32_t i : g.inputs) out.push_back(g.nodes[static_cast<size_t>(i)].outputs[0]);
  return out;
}
inline Types output_types(const Graph& g) {
  Types out;
  for (ir::ValueId v : g.outputs) out.push_back(g.type(v));
  return out;
}
inline GraphRef traced(const Types& types, const std::function<std::vector<Tensor>(Span)>& f) {
  return std::make_shared<const Graph>(ir::trace_body(types, f));
}

inline void expect_types(const char* op, const std::string& what, std::span<const TensorType> got,
                         const Types& expected) {
  if (got.size() != expected.size()) {
    throw ShapeError(text_of(op, what + ": expected " + std::to_string(expected.size()) + ", got " +
                                     std::to_string(got.size())));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    if (got[i] == expected[i]) continue;
    throw ShapeError(text_of(op, what + " " + std::to_string(i) + ": expected " +
                                     expected[i].to_string() + ", got " + got[i].to_string()));
  }
}
inline void expect_one_bool(const char* op, const char* what, const Types& got) {
  expect_types(op, what, got, {{DType::bool_, {}}});
}

/// The floating ones among the inputs of a replayed graph, which gradients are taken at: forks, so
/// that two inputs with one value stay two.
struct Replayed {
  std::vector<Tensor> at, outputs;
  Replayed(const Graph& g, Span inputs) {
    for (const Tensor& x : inputs) at.push_back(fork(x));
    outputs = ir::replay(g, at);
  }
  /// Cotangents of all inputs, zeros where nothing flows; none for integers and truth values.
  std::vector<Tensor> pulled(Span cotangents) const {
    std::vector<Tensor> g = pullback(outputs, cotangents, at);
    for (size_t i = 0; i < g.size(); ++i) {
      g[i] = flows(ir::type_of(at[i])) ? or_zeros(g[i], at[i]) : Tensor();
    }
    return g;
  }
  /// Tangents of all outputs, in the same way.
  std::vector<Tensor> pushed(Span tangents) const {
    std::vector<Tensor> t = pushforward(outputs, at, tangents);
    for (size_t i = 0; i < t.size(); ++i) {
      t[i] = flows(ir::type_of(outputs[i])) ? or_zeros(t[i], outputs[i]) : Tensor();
    }
    return t;
  }
};

/// Packs the defined ones of a list for a body's inputs, and finds them again there.
class Packed {
 public:
  explicit Packed(Span slots) {
    for (const Tensor& t : slots) {
      present_.push_back(t.defined());
      if (t.defined()) values_.push_back(t);
    }
  }
  const std::vector<Tensor>& values() const { return values_; }
  size_t size() const { return values_.size(); }
  Slots unpack(Span from) const {
    Slots out;
    size_t next = 0;
    for (bool p : present_) out.push_back(p ? from[next++] : Tensor());
    return out;
  }

 private:
  std::vector<bool> present_;
  std::vector<Tensor> values_;
};

inline std::vector<Tensor> defined_ones(Span slots) { return Packed(slots).values(); }

}  // namespace varve::transform
