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
  const bool masked = x.size() > 1 && x[1].dtype() == DType::bool_;
  const Tensor mask = masked ? x[1] : Tensor();
  std::vector<Tensor> ahead{x[0]}, back{flip(x[0], {1})};
  if (masked) {
    ahead.push_back(mask);
    back.push_back(flip(mask, {1}));
  }
  const size_t first = ahead.size(), states = x.size() - first;
  if (states % 2 != 0)
    throw ValueError("expected as many states for one direction as for the other, got " +
                     std::to_string(states));
  for (size_t i = 0; i < states; ++i) (i < states / 2 ? ahead : back).push_back(x[first + i]);
  const Outputs a = s("forward", forward, Tensors(ahead)),
                b = s("backward", backward, Tensors(back));
  if (a.size() != b.size() || a[0].rank() != b[0].rank())
    throw ValueError("the two layers give results of different kinds");
  // A sequence has the axes of x, the last state one less.
  const bool sequence = a[0].rank() == x[0].rank();
  Tensor y = a[0], z = sequence ? flip(b[0], {1}) : b[0];
  if (sequence && masked) {
    std::vector<int64_t> dims = mask.shape().dims();
    dims.resize(static_cast<size_t>(y.rank()), 1);
    const Tensor seen = reshape(mask, Shape(std::move(dims)));
    y = where(seen, y, 0);
    z = where(seen, z, 0);
  }
  std::vector<Tensor> out;
  if (merge_mode == "none") {
    out = {y, z};
  } else {
    out = {merged(y, z, merge_mode)};
  }
  // A mask that is handed on is one for both.
  size_t rest = 1;
  if (a.size() > 1 && a[1].dtype() == DType::bool_) {
    out.push_back(a[1]);
    rest = 2;
  }
  for (const Outputs* o : {&a, &b}) {
    for (size_t i = rest; i < o->size(); ++i) out.push_back((*o)[i]);
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
