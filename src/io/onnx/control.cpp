// Graphs inside graphs: choices and loops, by the host's own control flow; where a trace records
// and what decides is not known, by Varve's structured operations.
#include "varve/control.h"

#include <algorithm>

#include "base/error.h"
#include "io/onnx/helpers.h"
#include "ir/frame.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

bool truth(const Call& c, const Value& v, const char* what) {
  if (v.kind != Value::Kind::tensor || v.tensor.size() != 1) {
    c.fail(std::string(what) + ": expected one element");
  }
  c.require_known(v, what);
  return static_cast<bool>(v.tensor);
}

// Whether a trace records that does not know the value.
bool traced(const Value& v) { return ir::tracing() && !v.known; }

// What structured operations take: tensors alone; `types` become theirs.
Tensors tensors_of(const Call& c, const Values& values, std::vector<Type>& types) {
  std::vector<Tensor> out;
  types.clear();
  for (const Value& v : values) {
    if (v.kind != Value::Kind::tensor) c.unsupported("only tensors pass through it in a trace");
    out.push_back(v.tensor);
    types.push_back(v.type);
  }
  return out;
}

Values values_of(const Tensors& tensors, const std::vector<Type>& types, size_t from = 0) {
  Values out;
  for (size_t i = 0; i < tensors.size(); ++i) out.emplace_back(tensors[i], types.at(from + i));
  return out;
}

Values if_(Call& c) {
  const Value& condition = c.value(0);
  if (!traced(condition)) {
    const bool yes = truth(c, condition, "the condition");
    return c.run(c.graph(yes ? "then_branch" : "else_branch"), {});
  }
  std::vector<Type> types;
  const auto branch = [&](const char* name) {
    return [&c, &types, name] { return tensors_of(c, c.run_traced(c.graph(name), {}), types); };
  };
  const Tensors out =
      cond(reshape(condition.tensor, {}), branch("then_branch"), branch("else_branch"));
  return values_of(out, types);
}

// What iterations of a loop gave, collected while it runs and held to the limits at once: what a
// file asks for must not pile up until the end.
class Loop {
 public:
  Loop(const Call& c, size_t outputs) : c_(c), parts_(outputs), elements_(outputs) {}

  /// An iteration begins.
  void count() {
    const bool kept = ir::tracing() || !parts_.empty();
    c_.spend(1, kept ? kKept : 1);
  }
  /// One has ended, with these states and, from `first` on, parts of the outputs.
  void end(const Values& results, size_t first) {
    for (size_t k = 0; k < parts_.size(); ++k) {
      const Value& v = results.at(first + k);
      if (v.kind != Value::Kind::tensor) c_.fail("a scan output that is no tensor");
      elements_[k] += v.tensor.size();
      c_.limit(Shape({elements_[k]}));
      parts_[k].push_back(v);
    }
    // Nothing may ask for elements before the last iteration: the graph behind them would grow
    // without end.
    if (++steps_ % kKept != 0 || ir::tracing()) return;
    for (const Value& v : results) {
      if (v.kind == Value::Kind::tensor) v.tensor.evaluate();
    }
  }
  Values& parts(size_t k) { return parts_[k]; }

 private:
  const Call& c_;
  std::vector<Values> parts_;
  std::vector<int64_t> elements_;
  int64_t steps_ = 0;
};

// What iterations gave, one after the other along an axis.
Value stacked(const Call& c, const Values& parts, int axis, const ValueType& type) {
  if (parts.empty()) {
    // Never run: as many axes as the graph says, of size 0 first.
    if (!type.has_shape || type.kind != ValueType::Kind::tensor) {
      c.fail("a scan output of no iterations, whose shape the graph does not say");
    }
    std::vector<int64_t> sizes = {0};
    for (const ValueType::Dim& d : type.dims) sizes.push_back(std::max<int64_t>(d.value, 0));
    return {zeros(Shape(std::move(sizes)), formats::onnx::held_as(type.element)), type.element};
  }
  std::vector<Tensor> tensors;
  bool known = true;
  for (const Value& v : parts) {
    tensors.push_back(v.tensor);
    known = known && v.known;
  }
  Value out(stack(tensors, axis), parts[0].type);
  out.known = known;
  return out;
}

// A loop whose end the data decide: state, and no outputs of its steps, whose number is not known.
Values traced_loop(Call& c, const Graph& body) {
  if (c.replayed()) c.unsupported("the data decide when it ends");
  Values start;
  Value number(varve::tensor({int64_t{0}}, Shape{}));
  start.push_back(number);
  start.emplace_back(c.has(1) ? reshape(c.tensor(1), {}) : scalar(true, DType::bool_));
  for (int i = 2; i < c.inputs(); ++i) start.push_back(c.value(i));
  if (body.outputs.size() != start.size() - 1) {
    c.unsupported("a trace does not know how many steps there are to put together");
  }
  std::vector<Type> types;
  const Tensors state = tensors_of(c, start, types);
  const std::vector<Type> kept = types;
  WhileOptions options;
  if (c.has(0) && c.value(0).known) options.max_steps = c.integer(0);
  const Tensors out = while_loop(
      [&](const Tensors& s) {
        return c.has(0) ? logical_and(s[1], less(s[0], reshape(c.tensor(0), {}))) : s[1];
      },
      [&](const Tensors& s) {
        const Values results = c.run_traced(body, values_of(s, kept));
        std::vector<Tensor> next = {add(s[0], 1), reshape(results.at(0).tensor, {})};
        for (size_t i = 1; i < results.size(); ++i) next.push_back(results[i].tensor);
        return Tensors(next);
      },
      state, options);
  Values results = values_of(out, kept);
  return {results.begin() + 2, results.end()};
}

Values loop(Call& c) {
  const Graph& body = c.graph("body");
  if ((c.has(0) && traced(c.value(0))) || (c.has(1) && traced(c.value(1)))) {
    return traced_loop(c, body);
  }
  const int64_t trips = c.has(0) ? c.integer(0) : INT64_MAX;
  bool go_on = !c.has(1) || truth(c, c.value(1), "the condition");
  Values carried;
  for (int i = 2; i < c.inputs(); ++i) carried.push_back(c.has(i) ? c.value(i) : Value());
  const size_t state = carried.size();
  if (body.outputs.size() < state + 1) c.fail("attribute body: too few outputs");
  const size_t outputs = body.outputs.size() - 1 - state;
  // Without a condition all of them run.
  if (!c.has(1) && trips > c.iterations_left()) {
    c.fail("needs " + std::to_string(trips) + " iterations, limit " +
           std::to_string(c.iterations_left()));
  }
  Loop steps(c, outputs);
  Value condition(scalar(go_on, DType::bool_));
  condition.known = true;
  for (int64_t i = 0; i < trips && go_on; ++i) {
    steps.count();
    Value number(varve::tensor({i}, Shape{}));
    number.known = true;
    Values inputs = {number, condition};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    Values results = c.run(body, std::move(inputs));
    condition = results[0];
    if (traced(condition)) return traced_loop(c, body);
    go_on = truth(c, condition, "the condition");
    steps.end(results, 1 + state);
    for (size_t k = 0; k < state; ++k) carried[k] = results[k + 1];
  }
  Values out = carried;
  for (size_t k = 0; k < outputs; ++k) {
    out.push_back(stacked(c, steps.parts(k), 0, body.outputs[k + 1 + state].type));
  }
  return out;
}

struct ScanPlan {
  int64_t scanned;  // inputs that are taken apart
  std::vector<int64_t> in_axes, out_axes, in_directions, out_directions;
};

// The same as one operation of a trace, however many steps there are.
Values traced_scan(const Call& c, const Graph& body, const ScanPlan& plan, const Values& states,
                   const std::vector<Value>& inputs) {
  std::vector<Type> types;
  const Tensors carry = tensors_of(c, states, types);
  std::vector<Type> kinds = types, out_types;
  std::vector<Tensor> xs;
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (inputs[k].kind != Value::Kind::tensor) c.fail("a scan input that is no tensor");
    const Tensor& x = inputs[k].tensor;
    const Tensor first = move_axis(x, c.axis(plan.in_axes[k], x.rank(), "scan_input_axes"), 0);
    xs.push_back(plan.in_directions[k] ? flip(first, {0}) : first);
    kinds.push_back(inputs[k].type);
  }
  const ScanResult r = varve::scan(
      [&](const Tensors& state, const Tensors& x) -> ScanStep {
        Values arguments = values_of(state, kinds);
        const Values more = values_of(x, kinds, state.size());
        arguments.insert(arguments.end(), more.begin(), more.end());
        const Tensors all = tensors_of(c, c.run_traced(body, std::move(arguments)), out_types);
        const auto split = all.begin() + static_cast<ptrdiff_t>(states.size());
        return {std::vector<Tensor>(all.begin(), split), std::vector<Tensor>(split, all.end())};
      },
      carry, xs);
  Values out = values_of(r.carry, out_types);
  for (size_t k = 0; k < r.outputs.size(); ++k) {
    const Tensor& y = r.outputs[k];
    const int axis = c.axis(plan.out_axes[k], y.rank(), "scan_output_axes");
    const Tensor turned = plan.out_directions[k] ? flip(y, {0}) : y;
    out.emplace_back(move_axis(turned, 0, axis), out_types.at(states.size() + k));
  }
  return out;
}

// States go from step to step; the others are taken apart, and put together again.
Values scan_over(const Call& c, const Graph& body, const ScanPlan& plan, Values states,
                 const std::vector<Value>& inputs) {
  const auto open = [](const Value& v) { return traced(v); };
  const bool structured = std::any_of(states.begin(), states.end(), open) ||
                          std::any_of(inputs.begin(), inputs.end(), open);
  if (body.outputs.size() < states.size()) c.fail("attribute body: too few outputs");
  if (structured) return traced_scan(c, body, plan, states, inputs);
  int64_t steps = -1;
  std::vector<int> axes;
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (inputs[k].kind != Value::Kind::tensor) c.fail("a scan input that is no tensor");
    const Shape shape = inputs[k].shape();
    axes.push_back(c.axis(plan.in_axes[k], shape.rank(), "scan_input_axes"));
    const int64_t n = shape[axes.back()];
    if (steps >= 0 && n != steps)
      c.fail("scan inputs of " + std::to_string(steps) + " and " + std::to_string(n) + " steps");
    steps = n;
  }
  const size_t outputs = body.outputs.size() - states.size();
  Loop loop(c, outputs);
  for (int64_t i = 0; i < steps; ++i) {
    loop.count();
    Values arguments = states;
    for (size_t k = 0; k < inputs.size(); ++k) {
      const int64_t at = plan.in_directions[k] ? steps - 1 - i : i;
      std::vector<Slice> slices(static_cast<size_t>(inputs[k].tensor.rank()));
      slices[static_cast<size_t>(axes[k])] = {.start = at, .stop = at + 1};
      Value part(squeeze(slice(inputs[k].tensor, slices), {axes[k]}), inputs[k].type);
      part.known = inputs[k].known;
      arguments.push_back(std::move(part));
    }
    Values results = c.run(body, std::move(arguments));
    loop.end(results, states.size());
    for (size_t k = 0; k < states.size(); ++k) states[k] = results[k];
  }
  Values out = states;
  for (size_t k = 0; k < outputs; ++k) {
    Values& parts = loop.parts(k);
    if (plan.out_directions[k]) parts = Values(parts.rbegin(), parts.rend());
    const int rank = parts.empty() ? 1 : parts[0].shape().rank() + 1;
    const int axis = parts.empty() ? 0 : c.axis(plan.out_axes[k], rank, "scan_output_axes");
    out.push_back(stacked(c, parts, axis, body.outputs[k + states.size()].type));
  }
  return out;
}

Values scan(Call& c) {
  const Graph& body = c.graph("body");
  ScanPlan plan{.scanned = c.integer("num_scan_inputs"),
                .in_axes = {},
                .out_axes = {},
                .in_directions = {},
                .out_directions = {}};
  if (plan.scanned < 1 || plan.scanned > c.inputs()) {
    c.fail("num_scan_inputs: expected 1.." + std::to_string(c.inputs()) + ", got " +
           std::to_string(plan.scanned));
  }
  const auto n = static_cast<size_t>(plan.scanned), states = static_cast<size_t>(c.inputs()) - n;
  const size_t outputs = body.outputs.size() - std::min(states, body.outputs.size());
  const auto list = [&](const char* name, size_t count) {
    std::vector<int64_t> v = c.integers(name, std::vector<int64_t>(count, 0));
    if (v.size() != count) {
      c.fail(std::string(name) + ": expected " + std::to_string(count) + ", got " +
             std::to_string(v.size()));
    }
    return v;
  };
  plan.in_axes = list("scan_input_axes", n);
  plan.in_directions = list("scan_input_directions", n);
  plan.out_axes = list("scan_output_axes", outputs);
  plan.out_directions = list("scan_output_directions", outputs);
  Values carried;
  std::vector<Value> inputs;
  for (int i = 0; i < c.inputs(); ++i) {
    (static_cast<size_t>(i) < states ? carried : inputs).push_back(c.value(i));
  }
  return scan_over(c, body, plan, std::move(carried), inputs);
}

// Opset 8: a batch in front of everything, each sample with steps of its own (sequence_lens).
Values scan_batched(Call& c) {
  const Graph& body = c.graph("body");
  const int64_t asked = c.integer("num_scan_inputs");
  if (asked < 1 || asked > c.inputs() - 1)
    c.fail("num_scan_inputs: expected 1.." + std::to_string(c.inputs() - 1));
  const auto n = static_cast<size_t>(asked);
  const int first = c.inputs() - static_cast<int>(n);
  const auto states = static_cast<size_t>(first - 1);
  const std::vector<int64_t> directions = c.integers("directions", std::vector<int64_t>(n, 0));
  const size_t outputs = body.outputs.size() - std::min(states, body.outputs.size());
  const ScanPlan plan{.scanned = static_cast<int64_t>(n),
                      .in_axes = std::vector<int64_t>(n, 0),
                      .out_axes = std::vector<int64_t>(outputs, 0),
                      .in_directions = directions,
                      .out_directions = std::vector<int64_t>(outputs, 0)};
  if (directions.size() != n) c.fail("directions: expected " + std::to_string(n));
  if (c.has(0)) c.unsupported("sequence_lens are not read");
  const int64_t batch = c.shape(1)[0];
  std::vector<std::vector<Tensor>> gathered(body.outputs.size());
  c.spend(batch, kKept);
  for (int64_t b = 0; b < batch; ++b) {
    const auto sample = [&](int i) {
      Value v(squeeze(slice(c.tensor(i), {{.start = b, .stop = b + 1}}), {0}), c.type(i));
      v.known = c.value(i).known;
      return v;
    };
    Values carried;
    std::vector<Value> inputs;
    for (int i = 1; i < c.inputs(); ++i) (i < first ? carried : inputs).push_back(sample(i));
    const Values results = scan_over(c, body, plan, std::move(carried), inputs);
    for (size_t k = 0; k < results.size(); ++k) gathered[k].push_back(results[k].tensor);
  }
  Values out;
  for (const std::vector<Tensor>& parts : gathered) out.push_back(stack(parts, 0));
  return out;
}

constexpr Row kRows[] = {
    {"If", 1, if_, input_bit(0)},
    {"Loop", 1, loop, input_bit(0) | input_bit(1)},
    {"Scan", 8, scan_batched},
    {"Scan", 9, scan},
};

}  // namespace

std::span<const Row> control_rows() { return kRows; }

}  // namespace varve::io::onnx
