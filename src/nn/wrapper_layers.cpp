// Layers around another layer: in both directions, and on every step.
#include <algorithm>

#include "base/error.h"
#include "nn/config.h"
#include "nn/names.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

Tensor merged(const Tensor& a, const Tensor& b, const std::string& mode) {
  if (mode == "concat") return concat({a, b}, -1);
  if (mode == "sum") return a + b;
  if (mode == "mul") return a * b;
  return (a + b) * 0.5;
}

void check_mode(const std::string& mode) {
  const std::vector<std::string> modes = {"concat", "sum", "mul", "ave", "none"};
  if (std::find(modes.begin(), modes.end(), mode) == modes.end()) {
    throw ValueError("merge_mode: unknown mode \"" + escaped(mode) + "\"",
                     did_you_mean(mode, modes));
  }
}

}  // namespace

const Layer& Wrapped::get() const {
  if (!layer_) throw ValueError("layer: expected a layer, got none");
  return *layer_;
}
std::string Wrapped::config() const { return layer_ ? layer_->config() : "null"; }
Wrapped Wrapped::from_config(std::string_view json) {
  if (config::parse(json, "layer").is_null()) return {};
  return Layer::from_config(json);
}

Tensors Bidirectional::call(const Tensors& x, Scope& s) const {
  check_mode(merge_mode);
  const Layer forward = kept_part(s, "forward", layer.get());
  const Layer backward = kept_part(
      s, "backward", [&] { return backward_layer ? backward_layer.get() : layer.get().clone(); });
  if (x.size() == 0) throw ValueError("expected a tensor, got none");
  require_rank(x[0], 3, kAnyRank, "[batch, time, ...]");
  const Tensor mask = mask_of(x[0]);
  std::vector<Tensor> ahead{x[0]};
  std::vector<Tensor> back{with_mask(flip(x[0], {1}), mask.defined() ? flip(mask, {1}) : Tensor())};
  const size_t states = x.size() - 1;
  if (states % 2 != 0)
    throw ValueError("expected as many states for one direction as for the other, got " +
                     std::to_string(states));
  for (size_t i = 0; i < states; ++i) (i < states / 2 ? ahead : back).push_back(x[1 + i]);
  const Outputs a = s("forward", forward, Tensors(ahead)),
                b = s("backward", backward, Tensors(back));
  if (a.size() != b.size() || a[0].rank() != b[0].rank())
    throw ValueError("the two layers give results of different kinds");
  // A sequence has the axes of x, the last state one less.
  const bool sequence = a[0].rank() == x[0].rank();
  Tensor y = a[0], z = sequence ? flip(b[0], {1}) : b[0];
  const Tensor seen = sequence ? mask_of(a[0]) : Tensor();
  if (seen.defined()) {
    y = where(mask_beside(seen, y.rank()), y, 0);
    z = where(mask_beside(seen, z.rank()), z, 0);
  }
  std::vector<Tensor> out;
  if (merge_mode == "none") {
    out = {with_mask(y, seen), with_mask(z, seen)};
  } else {
    out = {with_mask(merged(y, z, merge_mode), seen)};
  }
  for (const Outputs* o : {&a, &b}) {
    for (size_t i = 1; i < o->size(); ++i) out.push_back((*o)[i]);
  }
  return Tensors(std::move(out));
}
Outputs Bidirectional::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Bidirectional::fields(Fields& f) {
  f("layer", layer, "The recurrent layer of the forward direction.");
  f("merge_mode", merge_mode, "How outputs are joined: concat, sum, mul, ave or none.");
  f("backward_layer", backward_layer, "That of the backward direction; none: another like it.");
  f("name", name, kLayerName);
}

Tensor TimeDistributed::call(const Tensor& x, Scope& s) const {
  require_rank(x, 2, kAnyRank, "[batch, time, ...]");
  const int64_t batch = x.shape()[0], steps = x.shape()[1];
  const auto as_batch = [&](const Tensor& t) {
    std::vector<int64_t> dims(t.shape().begin() + 1, t.shape().end());
    dims[0] = batch * steps;
    return reshape(t, Shape(std::move(dims)));
  };
  const auto by_steps = [&](const Tensor& t) {
    std::vector<int64_t> dims = t.shape().dims();
    dims[0] = steps;
    dims.insert(dims.begin(), batch);
    return reshape(t, Shape(std::move(dims)));
  };
  // A mask of what is within a step is the layer's, one of the steps themselves is not.
  const Tensor mask = mask_of(x);
  const bool inner = mask.defined() && mask.rank() > 2;
  const Tensor given = with_mask(as_batch(x), inner ? as_batch(mask) : Tensor());
  const Tensor y = s("layer", kept_part(s, "layer", layer.get()), given);
  if (const Tensor left = mask_of(y); left.defined()) return with_mask(by_steps(y), by_steps(left));
  if (!inner) return with_mask(by_steps(y), mask);
  // A step is there where anything in it is.
  std::vector<int> within;
  for (int a = 2; a < mask.rank(); ++a) within.push_back(a);
  return with_mask(by_steps(y), any(mask, {.axes = within}));
}
Tensor TimeDistributed::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void TimeDistributed::fields(Fields& f) {
  f("layer", layer, "The layer of every step.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
