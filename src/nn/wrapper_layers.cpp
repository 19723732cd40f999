// Layers around another layer: in both directions, and on every step.
#include <algorithm>

#include "base/error.h"
#include "nn/config.h"
#include "nn/names.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "varve/ops/pointwise.h"
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
  const Tensor seen = sequence ? mask : Tensor();
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
  std::vector<int64_t> dims(x.shape().begin() + 1, x.shape().end());
  dims[0] = batch * steps;
  const Tensor y = s("layer", kept_part(s, "layer", layer.get()), reshape(x, Shape(dims)));
  std::vector<int64_t> back = y.shape().dims();
  back[0] = steps;
  back.insert(back.begin(), batch);
  return reshape(y, Shape(std::move(back)));
}
Tensor TimeDistributed::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void TimeDistributed::fields(Fields& f) {
  f("layer", layer, "The layer of every step.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
