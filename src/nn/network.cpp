// Calling and building layers from outside; recording calls; sequences.
#include "nn/network.h"

#include <algorithm>
#include <atomic>

#include "base/any_batch.h"
#include "base/error.h"
#include "nn/batch.h"
#include "varve/nn/network.h"

namespace varve::nn {

using detail::Call;
using detail::LayerState;
using detail::Part;

NetworkSpec* network_of(const LayerState& layer) {
  return dynamic_cast<NetworkSpec*>(layer.spec.get());
}

const ir::OpDef& layer_call_op() {
  static const ir::OpDef op{
      .name = "layer",
      .doc = "A recorded call of a layer. It lives in models only and is never evaluated.",
      .min_inputs = 1,
      .max_inputs = 1 << 20,
      .infer = [](const ir::InferArguments&) -> ir::Types {
        throw InternalError("layer: the types of a recorded call are given, not inferred");
      }};
  return op;
}

namespace {

/// What made a symbolic value, by name.
std::string producer(const Tensor& x) {
  const ir::NodeRef& node = x.cell()->node;
  if (!node) return x.cell()->symbolic ? *x.cell()->symbolic : "";
  if (node->op != &layer_call_op()) return node->op->name;
  return node->attributes.get<ir::Opaque>("layer").name;
}

Tensors record(const Layer& layer, const Tensors& x, const CallOptions& options, Where where) {
  LayerState& state = *layer.state();
  const MaskedTypes types = masked_types_of(x);
  const MaskedTypes outputs =
      detail::probe_any_batch(state, types, options.training, {0, producer(x[0])});
  if (state.samples.empty()) state.samples = types.types;
  const int64_t training = options.training ? *options.training : -1;
  std::shared_ptr<const void> object = layer.state();
  // Masks of the results are values of their own, behind them; those of the inputs come with the
  // values when the model is called.
  const auto made = ir::apply_typed(layer_call_op(), x.list(),
                                    {{"layer", ir::Opaque{layer.name(), std::move(object)}},
                                     {"masked", masked_places(outputs)},
                                     {"training", training}},
                                    values_and_masks(outputs),
                                    {where, std::make_shared<const std::string>(layer.name())});
  return Tensors(with_masks(made, outputs));
}

}  // namespace

void build(LayerState& layer, const ir::Types& samples) {
  detail::probe_any_batch(layer, {samples});
  layer.samples = samples;
  detail::name_variables(layer);
}

Tensors call(const Layer& layer, const Tensors& x, const CallOptions& options, Where where) {
  LayerState& state = *layer.state();
  bool symbolic = false, batched = x.size() > 0;
  for (const Tensor& t : x) {
    if (!t.defined()) {
      throw ValueError(
          "layer \"" + layer.name() + "\": called on an empty Tensor (made by Tensor())", "",
          where.to_string());
    }
    symbolic |= t.cell()->symbolic != nullptr;
    batched &= t.rank() > 0;
  }
  if (symbolic) return record(layer, x, options, where);
  if (!state.built && batched && network_of(state)) {
    ir::Types samples;
    for (const Tensor& t : x) {
      std::vector<int64_t> dims = t.shape().dims();
      dims[0] = kAnyBatch;
      samples.push_back({t.dtype(), Shape(std::move(dims))});
    }
    build(state, samples);
  }
  Call call(state, options);
  Tensors y = detail::call_part(call, state, "", x);
  call.finish();
  return y;
}

Tensors SequentialSpec::call(const Tensors& x, Scope& scope) const {
  Tensors at = x;
  detail::Origin origin;
  for (const Part& p : scope.layer().parts) {
    ++origin.position;
    at = detail::call_part(scope.call(), *p.layer.state(), detail::join(scope.path(), p.name), at,
                           origin);
    origin.producer = p.name;
  }
  return at;
}

namespace {

void take(LayerState& sequence, const Layer& layer) {
  const std::string name = detail::name_for(sequence, *layer.state());
  layer.state()->assigned = name;
  sequence.parts.push_back({name, layer});
  sequence.built = false;
}

void build_if_told(LayerState& sequence) {
  if (sequence.parts.empty()) return;
  const std::optional<ir::TensorType> sample = input_type(sequence.parts.front().layer);
  if (sample) build(sequence, {*sample});
}

}  // namespace

Layer sequential(std::vector<Layer> layers, Where where) {
  Layer sequence(std::make_unique<SequentialSpec>(), where);
  for (const Layer& l : layers) take(*sequence.state(), l);
  build_if_told(*sequence.state());
  return sequence;
}

namespace {
std::atomic<uint64_t> structures{0};
}

uint64_t structure_version() { return structures; }

void append(Layer& sequence, const Layer& layer) {
  LayerState& state = *sequence.state();
  if (!dynamic_cast<SequentialSpec*>(state.spec.get())) {
    throw ValueError("add: layer \"" + sequence.name() + "\" is of type " + sequence.type() +
                     ", not a sequence of layers");
  }
  if (layer == sequence) throw ValueError("add: a sequence cannot hold itself");
  take(state, layer);
  ++structures;
  build_if_told(state);
}

}  // namespace varve::nn
