// Functional models: what was recorded between inputs and outputs, replayed at any batch size.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/any_batch.h"
#include "base/count.h"
#include "base/error.h"
#include "ir/infer.h"
#include "nn/batch.h"
#include "nn/network.h"
#include "ops/table.h"
#include "varve/nn/network.h"
#include "varve/ops/pointwise.h"

namespace varve::nn {

using detail::LayerState;
using detail::Part;

namespace {

/// A value that says how large the stand-in batch was, or its inverse (means).
bool holds_batch(const Tensor& t) {
  if (t.size() != 1 || !is_floating(t.dtype())) {
    if (t.size() > 64) return false;
    for (double v : t.to_doubles()) {
      if (std::abs(v) >= kAnyBatch && std::fmod(std::abs(v), kAnyBatch) == 0) return true;
    }
    return false;
  }
  const double v = std::abs(t.to_double()), batch = kAnyBatch;
  if (v == 0 || !std::isfinite(v)) return false;
  // As many bits as the type has: f32 rounds the batch.
  const double tolerance = t.dtype() == f64 ? 1e-15 : 1e-7;
  const double ratio = v >= 1 ? v / batch : 1 / (v * batch);
  const double whole = std::round(ratio);
  return whole >= 1 && whole <= 64 && std::abs(ratio / whole - 1) < tolerance;
}

bool depends_on_batch(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](int64_t d) { return batches_in(d) > 0; });
}

/// Every sample's sizes must stay: only the first may hold the batch.
void check_shape(const ir::GraphNode& node) {
  for (const ir::TensorType& t : node.outputs) {
    for (int i = 1; i < t.shape.rank(); ++i) {
      if (batches_in(t.shape[i]) > 0) {
        throw ShapeError(std::string(node.op->name) + ": axis " + std::to_string(i) + " of " +
                             t.shape.to_string() + " changes with the batch",
                         "only the first axis may; do it inside a layer's call if it is meant so",
                         node.site.to_string());
      }
    }
  }
}

/// Names of the nn::Inputs that outputs come from and that are not among the inputs.
std::set<std::string> missing_inputs(const Tensors& inputs, const Tensors& outputs) {
  std::set<std::string> names;
  std::set<const detail::Cell*> seen;
  for (const Tensor& t : inputs) seen.insert(t.cell().get());
  std::vector<const detail::Cell*> stack;
  for (const Tensor& t : outputs) stack.push_back(t.cell().get());
  while (!stack.empty()) {
    const detail::Cell* v = stack.back();
    stack.pop_back();
    if (!seen.insert(v).second) continue;
    if (v->symbolic && v->placeholder()) names.insert(*v->symbolic);
    if (v->computed() || !v->node) continue;
    for (const auto& input : v->node->inputs) stack.push_back(input.get());
  }
  return names;
}

void require_symbolic(const Tensors& tensors, const char* what, Where where) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].defined() && tensors[i].cell()->symbolic) continue;
    throw ValueError(std::string("Model: ") + what + " " + std::to_string(i) +
                         " does not come from an nn::Input",
                     "Tensor x = nn::Input{.shape = {784}}; Model model(x, nn::Dense{10}(x));",
                     where.to_string());
  }
}

FunctionalStep constant_step(const ir::GraphNode& node, const std::string& at) {
  const auto& literal = node.attributes.get<ir::Literal>("value");
  FunctionalStep s{FunctionalStep::Kind::constant, {}, node.outputs};
  s.value = ir::computed(literal.dtype, literal.shape, literal.array);
  if (depends_on_batch(literal.shape) || holds_batch(s.value)) {
    throw ValueError("Model: an operand holds the batch size as a number",
                     "the size of the batch is open; use mean, a layer, or Lambda", at);
  }
  return s;
}

}  // namespace

Layer functional(const Tensors& inputs, const Tensors& outputs, Where where) {
  require_symbolic(inputs, "input", where);
  require_symbolic(outputs, "output", where);
  if (outputs.size() == 0) throw ValueError("Model: expected an output", "", where.to_string());
  if (const auto names = missing_inputs(inputs, outputs); !names.empty()) {
    throw ValueError("Model: an output needs nn::Input \"" + *names.begin() +
                         "\", which is not among the inputs",
                     "Model({every input}, outputs)", where.to_string());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].mask_cell()) continue;
    throw ValueError("Model: input " + std::to_string(i) +
                         " has a mask, which the batches of a model do not bring",
                     "begin before the layer that makes the mask", where.to_string());
  }
  const ir::Graph graph = ir::linearize(outputs.list(), inputs.list());
  auto spec = std::make_unique<FunctionalSpec>();
  FunctionalSpec& f = *spec;
  f.inputs = graph.inputs;
  f.outputs = graph.outputs;
  Layer model(std::move(spec), where);
  LayerState& state = *model.state();
  // A constant and what stretches it have no line of their own: what takes them has.
  std::vector<std::string> used_at(graph.nodes.size());
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const ir::GraphNode& node = graph.nodes[n];
    const std::string at = node.site.where.line ? node.site.to_string() : used_at[n];
    for (ir::ValueId v : node.inputs) used_at[static_cast<size_t>(v.node)] = at;
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::GraphNode& node = graph.nodes[n];
    if (ir::is_input(node)) {
      f.steps.push_back({FunctionalStep::Kind::input, {}, node.outputs});
    } else if (ir::is_constant(node)) {
      f.steps.push_back(constant_step(node, used_at[n]));
    } else if (node.op == &layer_call_op()) {
      FunctionalStep s{FunctionalStep::Kind::layer, node.inputs, node.outputs};
      const auto& object = node.attributes.get<ir::Opaque>("layer").object;
      const Layer part(
          std::const_pointer_cast<LayerState>(std::static_pointer_cast<const LayerState>(object)));
      s.part = detail::adopt(state, part);
      if (const int64_t mode = node.attributes.integer("training"); mode >= 0)
        s.training = mode == 1;
      s.masked = node.attributes.ints("masked");
      s.where = node.site.where;
      check_shape(node);
      f.steps.push_back(std::move(s));
    } else {
      if (node.op->traits.random) {
        throw ValueError(
            "Model: random numbers drawn between layers would stay the same in every call",
            "draw them in a layer, with the key of its Scope", node.site.to_string());
      }
      check_shape(node);
      FunctionalStep s{FunctionalStep::Kind::op, node.inputs, node.outputs};
      s.op = node.op;
      s.attributes = node.attributes;
      s.where = node.site.where;
      f.steps.push_back(std::move(s));
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const detail::Cell& cell = *inputs[i].cell();
    std::string name = cell.placeholder() ? *cell.symbolic : "input_" + std::to_string(i + 1);
    f.steps[static_cast<size_t>(f.inputs[i])].name = std::move(name);
    state.samples.push_back(cell.type);
  }
  check_batches(f);
  state.built = true;
  detail::name_variables(state);
  return model;
}

void check_batches(const FunctionalSpec& spec) {
  for (const FunctionalStep& s : spec.steps) {
    if (s.kind != FunctionalStep::Kind::op) continue;
    for (int64_t batch : {2, 3}) {
      ir::Types inputs;
      for (ir::ValueId v : s.inputs)
        inputs.push_back(at_batch(spec.step(v).outputs[static_cast<size_t>(v.output)], batch));
      ir::Types expected;
      for (const ir::TensorType& t : s.outputs) expected.push_back(at_batch(t, batch));
      const ir::Attributes attributes = at_batch(s.attributes, batch);
      ir::Types got;
      std::string why;
      try {
        got = ir::infer(*s.op, inputs, attributes);
      } catch (const Error& e) {
        why = e.message();
      }
      if (got == expected) continue;
      if (why.empty()) {
        why = "it gives " + (got.empty() ? "nothing" : got[0].to_string()) + " where " +
              expected[0].to_string() + " was expected";
      }
      throw ShapeError(std::string(s.op->name) + ": its sizes change with the batch: at batch " +
                           std::to_string(batch) + ", " + why,
                       "the sizes of a sample must not depend on how many there are",
                       s.where.to_string());
    }
  }
}

std::string FunctionalSpec::producer(const LayerState& layer, ir::ValueId v) const {
  const FunctionalStep& s = step(v);
  switch (s.kind) {
    case FunctionalStep::Kind::input:
      return s.name;
    case FunctionalStep::Kind::constant:
      return "constant";
    case FunctionalStep::Kind::layer:
      return layer.parts[s.part].name;
    default:
      return s.op->name;
  }
}

namespace {

/// The batch size that the inputs agree on; checks their shapes.
int64_t batch_of(const FunctionalSpec& f, const LayerState& layer, const Tensors& x) {
  if (x.size() != f.inputs.size()) {
    throw ValueError("model \"" + layer.name() + "\": expected " +
                     count_of(f.inputs.size(), "input") + ", got " + std::to_string(x.size()));
  }
  int64_t batch = -1;
  std::string first;
  for (size_t i = 0; i < x.size(); ++i) {
    const FunctionalStep& s = f.steps[static_cast<size_t>(f.inputs[i])];
    const Shape &expected = s.outputs[0].shape, &got = x[i].shape();
    bool fits = got.rank() == expected.rank();
    int64_t here = -1;
    for (int a = 0; fits && a < got.rank(); ++a) {
      const int64_t batches = batches_in(expected[a]);
      fits = batches ? got[a] % batches == 0 : got[a] == expected[a];
      if (batches) here = got[a] / batches;
    }
    if (!fits) {
      throw ShapeError("input \"" + s.name + "\": expected " + expected.to_string() + ", got " +
                       got.to_string());
    }
    if (here < 0) continue;
    if (batch >= 0 && here != batch) {
      throw ShapeError("input \"" + s.name + "\": a batch of " + std::to_string(here) + ", but \"" +
                       first + "\" has " + std::to_string(batch));
    }
    if (batch < 0) first = s.name;
    batch = here;
  }
  return batch < 0 ? 1 : batch;
}

}  // namespace

Tensors FunctionalSpec::call(const Tensors& x, Scope& scope) const {
  LayerState& layer = scope.layer();
  const int64_t batch = batch_of(*this, layer, x);
  std::vector<std::vector<Tensor>> made(steps.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<size_t>(inputs[i]);
    const DType dtype = steps[at].outputs[0].dtype;
    made[at] = {x[i].dtype() == dtype ? x[i] : with_mask(cast(x[i], dtype), mask_of(x[i]))};
  }
  for (size_t n = 0; n < steps.size(); ++n) {
    const FunctionalStep& s = steps[n];
    std::vector<Tensor> arguments;
    for (ir::ValueId v : s.inputs)
      arguments.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
    if (s.kind == FunctionalStep::Kind::constant) {
      made[n] = {s.value};
    } else if (s.kind == FunctionalStep::Kind::op) {
      made[n] = ir::apply(*s.op, arguments, at_batch(s.attributes, batch), s.where);
    } else if (s.kind == FunctionalStep::Kind::layer) {
      const Part& p = layer.parts[s.part];
      const bool training = scope.call().training;
      scope.call().training = s.training.value_or(training);
      const Tensors y =
          detail::call_part(scope.call(), *p.layer.state(), detail::join(scope.path(), p.name),
                            Tensors(arguments), {0, producer(layer, s.inputs[0])});
      made[n] = y.list();
      for (int64_t i : s.masked) {
        made[n].push_back(mask_of(y[static_cast<size_t>(i)]));
        if (made[n].back().defined()) continue;
        throw ValueError("layer \"" + p.name +
                             "\": its result had a mask where the model was recorded, and has none",
                         "", s.where.to_string());
      }
      scope.call().training = training;
    }
  }
  std::vector<Tensor> results;
  for (ir::ValueId v : outputs)
    results.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
  return Tensors(std::move(results));
}

}  // namespace varve::nn
