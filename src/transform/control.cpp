// The rows of control flow: what cond and while_loop are as nodes, and their derivatives (scan
// stands in scan.cpp). Bodies are graphs in attributes; each takes all it needs as inputs.
#include "transform/control.h"

#include <algorithm>

#include "transform/control_parts.h"
#include "transform/flops.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::transform {
namespace {

// cond: inputs predicate, operands...; graphs then and else of the operands; outputs those of
// either.

Types cond_types(const InferArguments& a) {
  const Graph &then = graph_of(a.attributes, "then"), &otherwise = graph_of(a.attributes, "else");
  expect_one_bool("cond", "predicate", {a[0]});
  expect_types("cond", "operand", a.inputs.subspan(1), input_types(then));
  expect_types("cond", "operand", a.inputs.subspan(1), input_types(otherwise));
  expect_types("cond", "result of the else branch", output_types(otherwise), output_types(then));
  return output_types(then);
}

/// The cond of both branches with something done to them; `f` takes the replayed branch and the
/// further inputs.
template <class F>
std::vector<Tensor> cond_of(const Local& at, Span further, F f) {
  const Span operands = at.inputs.subspan(1);
  std::vector<Tensor> inputs = list(operands);
  append(inputs, further);
  const auto branch = [&](const char* name) {
    return traced(types_of(inputs), [&](Span x) -> std::vector<Tensor> {
      const Replayed r(graph_of(at.attributes, name), x.first(operands.size()));
      return f(r, x.subspan(operands.size()));
    });
  };
  Attributes attributes{{"then", branch("then")}, {"else", branch("else")}};
  inputs.insert(inputs.begin(), at.inputs[0]);
  return ir::apply(ops::get("cond"), inputs, std::move(attributes));
}

Slots cond_vjp(const Local& at, Span ct) {
  const Packed cotangents(ct);
  const size_t operands = at.inputs.size() - 1;
  const std::vector<Tensor> made =
      cond_of(at, cotangents.values(), [&](const Replayed& r, Span further) {
        std::vector<Tensor> g = r.pulled(cotangents.unpack(further));
        for (size_t i = 0; i < operands; ++i) {
          if (!at.wanted[i + 1]) g[i] = Tensor();
        }
        return defined_ones(g);
      });
  Slots out(at.inputs.size());
  size_t next = 0;
  for (size_t i = 1; i < out.size(); ++i) {
    if (at.wanted[i] && flows(ir::type_of(at.inputs[i]))) out[i] = made[next++];
  }
  return out;
}

Slots cond_jvp(const Local& at, Span tangents) {
  const Packed moved(tangents.subspan(1));
  const std::vector<Tensor> made =
      cond_of(at, moved.values(), [&](const Replayed& r, Span further) {
        return defined_ones(r.pushed(moved.unpack(further)));
      });
  Slots out;
  size_t next = 0;
  for (const Tensor& y : at.outputs) out.push_back(flows(ir::type_of(y)) ? made[next++] : Tensor());
  return out;
}

// while_loop: inputs state..., constants...; graphs condition and body of all of them; `states`
// says how many are state, max_steps -1 is no bound. Outputs: the state.

Types while_types(const InferArguments& a) {
  const Graph &condition = graph_of(a.attributes, "condition"),
              &body = graph_of(a.attributes, "body");
  const int64_t states = a.attributes.integer("states"), steps = a.attributes.integer("max_steps");
  if (states < 0 || static_cast<size_t>(states) > a.inputs.size() || steps < -1)
    throw ValueError(text_of("while_loop", "states and max_steps do not fit the inputs"));
  expect_types("while_loop", "input", a.inputs, input_types(body));
  expect_types("while_loop", "input", a.inputs, input_types(condition));
  expect_one_bool("while_loop", "result of the condition", output_types(condition));
  const Types state(a.inputs.begin(), a.inputs.begin() + states);
  expect_types("while_loop", "state that the body gives,", output_types(body), state);
  return state;
}

/// The branch that takes more: which one runs is a matter of values.
double cond_flops(const InferArguments& a, const Types&) {
  return std::max(flops_of(graph_of(a.attributes, "then")),
                  flops_of(graph_of(a.attributes, "else")));
}

/// As many steps as there may be; one where nothing bounds them.
double while_flops(const InferArguments& a, const Types&) {
  const int64_t steps = a.attributes.integer("max_steps");
  return (steps < 0 ? 1 : static_cast<double>(steps)) *
         (flops_of(graph_of(a.attributes, "condition")) + flops_of(graph_of(a.attributes, "body")));
}

/// The bounded loop as a scan whose later steps keep the state.
std::vector<Tensor> as_scan(Span inputs, const Attributes& a) {
  const auto states = static_cast<size_t>(a.integer("states"));
  const GraphRef step = traced(types_of(inputs), [&](Span x) {
    const Tensor active = ir::replay(graph_of(a, "condition"), x)[0];
    std::vector<Tensor> operands = list(x);
    operands.insert(operands.begin(), active);
    const GraphRef kept = traced(types_of(x), [&](Span v) { return list(v.first(states)); });
    return ir::apply(ops::get("cond"), operands,
                     {{"then", a.get<GraphRef>("body")}, {"else", kept}});
  });
  std::vector<Tensor> made =
      make_scan(step, {list(inputs.first(states)), {}, list(inputs.subspan(states))},
                a.integer("max_steps"), false);
  made.resize(states);
  return made;
}

Slots while_vjp(const Local& at, Span ct) {
  if (at.attributes.integer("max_steps") < 0) {
    throw UnsupportedError("while_loop: reverse mode needs a bound on the number of steps",
                           "give while_loop {.max_steps = n}, or use scan or forward mode (jvp)");
  }
  std::vector<Tensor> x;
  for (const Tensor& t : at.inputs) x.push_back(fork(t));
  return pullback(as_scan(x, at.attributes), ct, x);
}

Slots while_jvp(const Local& at, Span tangents) {
  const auto states = static_cast<size_t>(at.attributes.integer("states"));
  Slots all;
  for (size_t i = 0; i < at.inputs.size(); ++i) {
    const bool has = tangents[i].defined() || (i < states && flows(ir::type_of(at.inputs[i])));
    all.push_back(has ? or_zeros(tangents[i], at.inputs[i]) : Tensor());
  }
  const Packed state(Span(all).first(states)), constants(Span(all).subspan(states));
  std::vector<Tensor> in = list(at.inputs.first(states));
  append(in, state.values());
  append(in, at.inputs.subspan(states));
  append(in, constants.values());
  const auto split = [&](Span v, Slots& moved) {
    std::vector<Tensor> x = list(v.first(states));
    moved = state.unpack(v.subspan(states, state.size()));
    v = v.subspan(states + state.size());
    append(x, v.first(at.inputs.size() - states));
    append(moved, constants.unpack(v.subspan(at.inputs.size() - states)));
    return x;
  };
  const GraphRef condition = traced(types_of(in), [&](Span v) {
    Slots moved;
    return ir::replay(graph_of(at.attributes, "condition"), split(v, moved));
  });
  const GraphRef body = traced(types_of(in), [&](Span v) {
    Slots moved;
    const Replayed r(graph_of(at.attributes, "body"), split(v, moved));
    std::vector<Tensor> out = r.outputs;
    append(out, defined_ones(r.pushed(moved)));
    return out;
  });
  const std::vector<Tensor> made =
      ir::apply(ops::get("while_loop"), in,
                {{"condition", condition},
                 {"body", body},
                 {"states", static_cast<int64_t>(states + state.size())},
                 {"max_steps", at.attributes.integer("max_steps")}});
  return state.unpack(Span(made).subspan(states));
}

}  // namespace
}  // namespace varve::transform

namespace varve::ops {

std::span<const ir::OpDef> control_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "cond",
       .doc = "The graph `then` of the operands where the first input is true, else `else`.",
       .min_inputs = 1,
       .max_inputs = 1 << 20,
       .infer = transform::cond_types,
       .derivative = ir::Custom{transform::cond_vjp, transform::cond_jvp},
       .traits = {.body = true, .faults = true, .empty_cotangents = true},
       .flops = transform::cond_flops},
      transform::scan_row(),
      {.name = "while_loop",
       .doc = "The state after the graph `body` was applied while the graph `condition` was true.",
       .min_inputs = 0,
       .max_inputs = 1 << 20,
       .infer = transform::while_types,
       .derivative = ir::Custom{transform::while_vjp, transform::while_jvp},
       .traits = {.body = true, .faults = true, .empty_cotangents = true},
       .flops = transform::while_flops},
  };
  return rows;
}

}  // namespace varve::ops
