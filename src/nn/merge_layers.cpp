#include "varve/nn/merge_layers.h"

#include "nn/weights.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr const char* kName = "The layer's name; empty: its type and number.";

void require_count(const char* layer, const Tensors& x, size_t least, size_t most) {
  if (x.size() >= least && x.size() <= most) return;
  throw ValueError(std::string(layer) + ": expected " +
                   (least == most ? "two tensors" : "two tensors or more") + ", got " +
                   std::to_string(x.size()));
}

Tensor folded(const char* layer, const Tensors& x, Tensor (*f)(const Operand&, const Operand&)) {
  require_count(layer, x, 2, x.size());
  Tensor y = x[0];
  for (size_t i = 1; i < x.size(); ++i) y = f(y, x[i]);
  return y;
}

}  // namespace

Tensor Concatenate::call(const Tensors& x, Scope&) const {
  require_count("concatenate", x, 1, x.size());
  return concat(x, axis);
}
Tensor Concatenate::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Concatenate::fields(Fields& f) {
  f("axis", axis, "The axis along which they are joined.");
  f("name", name, kName);
}

Tensor Add::call(const Tensors& x, Scope&) const { return folded("add", x, varve::add); }
Tensor Add::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Add::fields(Fields& f) { f("name", name, kName); }

Tensor Subtract::call(const Tensors& x, Scope&) const {
  require_count("subtract", x, 2, 2);
  return x[0] - x[1];
}
Tensor Subtract::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Subtract::fields(Fields& f) { f("name", name, kName); }

Tensor Multiply::call(const Tensors& x, Scope&) const {
  return folded("multiply", x, varve::multiply);
}
Tensor Multiply::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Multiply::fields(Fields& f) { f("name", name, kName); }

Tensor Average::call(const Tensors& x, Scope&) const {
  return folded("average", x, varve::add) / static_cast<double>(x.size());
}
Tensor Average::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Average::fields(Fields& f) { f("name", name, kName); }

Tensor Maximum::call(const Tensors& x, Scope&) const {
  return folded("maximum", x, varve::maximum);
}
Tensor Maximum::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Maximum::fields(Fields& f) { f("name", name, kName); }

Tensor Minimum::call(const Tensors& x, Scope&) const {
  return folded("minimum", x, varve::minimum);
}
Tensor Minimum::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Minimum::fields(Fields& f) { f("name", name, kName); }

Tensor Dot::call(const Tensors& x, Scope&) const {
  require_count("dot", x, 2, 2);
  for (const Tensor& t : x) require_rank(t, 2, 2, "two tensors [batch, n]");
  const ReduceOptions last{.axes = {-1}, .keep_dims = true};
  const Tensor dot = sum(x[0] * x[1], last);
  if (!normalize) return dot;
  // As Keras: a vector of zeros has the cosine 0.
  constexpr double kLeast = 1e-12;
  return dot *
         rsqrt(maximum(sum(square(x[0]), last), kLeast) * maximum(sum(square(x[1]), last), kLeast));
}
Tensor Dot::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Dot::fields(Fields& f) {
  f("normalize", normalize, "Whether it is the cosine.");
  f("name", name, kName);
}

}  // namespace varve::nn
