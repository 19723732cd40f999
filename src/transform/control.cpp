// The rows of control flow: what cond, while_loop and scan are as nodes, and their derivatives.
// Bodies are graphs in attributes; each takes all it needs as inputs.
#include "transform/control.h"

#include "base/error.h"
#include "ops/build.h"
#include "transform/differentiate.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::transform {
namespace {

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

bool flows(const TensorType& t) { return is_floating(t.dtype); }
Tensor zeros(const TensorType& t) { return ops::full(0, t.dtype, t.shape); }
Tensor or_zeros(const Tensor& t, const Tensor& like) {
  return t.defined() ? t : zeros(ir::type_of(like));
}
std::vector<Tensor> list(Span x) { return {x.begin(), x.end()}; }
void append(std::vector<Tensor>& to, Span more) { to.insert(to.end(), more.begin(), more.end()); }
Types types_of(Span x) {
  Types out;
  for (const Tensor& t : x) out.push_back(ir::type_of(t));
  return out;
}
const Graph& graph_of(const Attributes& a, const char* name) { return *a.get<GraphRef>(name); }
Types input_types(const Graph& g) {
  Types out;
  for (int32_t i : g.inputs) out.push_back(g.nodes[static_cast<size_t>(i)].outputs[0]);
  return out;
}
Types output_types(const Graph& g) {
  Types out;
  for (ir::ValueId v : g.outputs) out.push_back(g.type(v));
  return out;
}
GraphRef traced(const Types& types, const std::function<std::vector<Tensor>(Span)>& f) {
  return std::make_shared<const Graph>(ir::trace_body(types, f));
}

void expect_types(const char* op, const std::string& what, std::span<const TensorType> got,
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
void expect_one_bool(const char* op, const char* what, const Types& got) {
  expect_types(op, what, got, {{DType::bool_, {}}});
}

double flops_of(const Graph& g) {
  double sum = 0;
  for (const ir::GraphNode& n : g.nodes) {
    if (n.op->traits.structural) continue;
    Types in;
    for (ir::ValueId v : n.inputs) in.push_back(g.type(v));
    if (n.op->flops) {
      sum += n.op->flops({*n.op, in, n.attributes}, n.outputs);
    } else {
      for (const TensorType& t : n.outputs) sum += static_cast<double>(t.shape.size());
    }
  }
  return sum;
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

std::vector<Tensor> defined_ones(Span slots) { return Packed(slots).values(); }

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

// scan: inputs carries..., xs..., constants...; the body takes the carries, one element of each x
// and the constants, and gives the next carries and what is stacked. Outputs: the last carries, the
// stacked, and the carries before each step, which the derivative reads.

struct ScanParts {
  const Graph& body;
  size_t carries, xs, constants, stacked;
  int64_t length;
  bool reverse;

  explicit ScanParts(const Attributes& a)
      : body(graph_of(a, "body")),
        carries(static_cast<size_t>(a.integer("carries"))),
        xs(static_cast<size_t>(a.integer("scanned"))),
        constants(body.inputs.size() - carries - xs),
        stacked(body.outputs.size() - carries),
        length(a.integer("length")),
        reverse(a.flag("reverse")) {}
  Span carry(Span x) const { return x.first(carries); }
  Span x(Span inputs) const { return inputs.subspan(carries, xs); }
  Span constant(Span inputs) const { return inputs.subspan(carries + xs); }
};

TensorType stacked_type(const TensorType& t, int64_t length) {
  std::vector<int64_t> sizes{length};
  sizes.insert(sizes.end(), t.shape.begin(), t.shape.end());
  return {t.dtype, Shape(std::move(sizes))};
}

Types scan_types(const InferArguments& a) {
  const Graph& body = graph_of(a.attributes, "body");
  const int64_t carries = a.attributes.integer("carries"), xs = a.attributes.integer("scanned"),
                length = a.attributes.integer("length");
  if (carries < 0 || xs < 0 || length < 0 || static_cast<size_t>(carries) > body.outputs.size() ||
      static_cast<size_t>(carries) > body.inputs.size() ||
      static_cast<size_t>(xs) > body.inputs.size() - static_cast<size_t>(carries)) {
    throw ValueError(text_of("scan", "carries, scanned and length do not fit the body"));
  }
  const Types in = input_types(body), out = output_types(body);
  const auto n = static_cast<size_t>(carries);
  Types expected(in.begin(), in.begin() + carries);
  expect_types("scan", "carry that the body gives,", std::span(out).first(n), expected);
  for (size_t i = n; i < in.size(); ++i)
    expected.push_back(i < n + static_cast<size_t>(xs) ? stacked_type(in[i], length) : in[i]);
  expect_types("scan", "input", a.inputs, expected);
  Types made(out.begin(), out.begin() + carries);
  for (size_t i = n; i < out.size(); ++i) made.push_back(stacked_type(out[i], length));
  for (size_t i = 0; i < n; ++i) made.push_back(stacked_type(out[i], length));
  return made;
}

/// Backwards through the steps: the carries are the cotangents of the carries and the sums of those
/// of the constants; what is stacked are those of the xs.
Slots scan_vjp(const Local& at, Span ct) {
  const ScanParts p(at.attributes);
  const Span saved = at.outputs.subspan(p.carries + p.stacked);
  const Packed final_carry(ct.first(p.carries)), stacked(ct.subspan(p.carries, p.stacked)),
      before(ct.subspan(p.carries + p.stacked));
  std::vector<bool> moves(p.carries);  // floating carries have a cotangent, given or not
  ScanInputs in;
  for (size_t i = 0; i < p.carries; ++i) {
    moves[i] = flows(ir::type_of(at.inputs[i]));
    if (moves[i]) in.carry.push_back(or_zeros(ct[i], at.inputs[i]));
  }
  const size_t moving = in.carry.size();
  const auto wanted = [&](size_t input) {
    return at.wanted[input] && flows(ir::type_of(at.inputs[input]));
  };
  for (size_t k = 0; k < p.constants; ++k) {
    const Tensor& c = at.inputs[p.carries + p.xs + k];
    if (wanted(p.carries + p.xs + k)) in.carry.push_back(zeros(ir::type_of(c)));
  }
  in.xs = list(saved);
  append(in.xs, p.x(at.inputs));
  append(in.xs, stacked.values());
  append(in.xs, before.values());
  in.constants = list(p.constant(at.inputs));
  Types types = types_of(in.carry);
  for (const Tensor& t : in.xs) {
    const TensorType& type = ir::type_of(t);
    types.push_back({type.dtype, Shape(std::vector(type.shape.begin() + 1, type.shape.end()))});
  }
  for (const Tensor& t : in.constants) types.push_back(ir::type_of(t));
  const GraphRef body = traced(types, [&](Span v) {
    const Span carried = v.first(in.carry.size());
    Span rest = v.subspan(in.carry.size());
    std::vector<Tensor> x = list(rest.first(p.carries + p.xs));
    rest = rest.subspan(p.carries + p.xs);
    const Slots y = stacked.unpack(rest.first(stacked.size()));
    rest = rest.subspan(stacked.size());
    const Slots held = before.unpack(rest.first(before.size()));
    append(x, rest.subspan(before.size()));
    Slots cotangents;
    for (size_t i = 0, next = 0; i < p.carries; ++i)
      cotangents.push_back(moves[i] ? carried[next++] : Tensor());
    append(cotangents, y);
    const std::vector<Tensor> g = Replayed(p.body, x).pulled(cotangents);
    std::vector<Tensor> out;
    for (size_t i = 0; i < p.carries; ++i) {
      if (moves[i]) out.push_back(held[i].defined() ? g[i] + held[i] : g[i]);
    }
    for (size_t k = 0; k < p.constants; ++k) {
      const size_t input = p.carries + p.xs + k;
      if (wanted(input)) out.push_back(carried[out.size()] + g[input]);
    }
    for (size_t i = p.carries; i < p.carries + p.xs; ++i) {
      if (wanted(i)) out.push_back(g[i]);
    }
    return out;
  });
  const std::vector<Tensor> made = make_scan(body, in, p.length, !p.reverse);
  Slots out(at.inputs.size());
  size_t next = 0, sums = moving, xs = in.carry.size();
  for (size_t i = 0; i < out.size(); ++i) {
    if (i < p.carries) {
      if (moves[i]) out[i] = made[next++];
    } else if (wanted(i)) {
      out[i] = i < p.carries + p.xs ? made[xs++] : made[sums++];
    }
  }
  return out;
}

Slots scan_jvp(const Local& at, Span tangents) {
  const ScanParts p(at.attributes);
  // A carry that is still may be moved by a later step: all floating ones have a tangent.
  Slots all;
  for (size_t i = 0; i < at.inputs.size(); ++i) {
    const bool has = tangents[i].defined() || (i < p.carries && flows(ir::type_of(at.inputs[i])));
    all.push_back(has ? or_zeros(tangents[i], at.inputs[i]) : Tensor());
  }
  const Packed carry(p.carry(all)), xs(p.x(all)), constants(p.constant(all));
  ScanInputs in{list(p.carry(at.inputs)), list(p.x(at.inputs)), list(p.constant(at.inputs))};
  const Types own = input_types(p.body);
  const auto tangent_types = [&](size_t first, size_t count) {
    Types t;
    for (size_t i = first; i < first + count; ++i) {
      if (all[i].defined()) t.push_back(own[i]);
    }
    return t;
  };
  append(in.carry, carry.values());
  append(in.xs, xs.values());
  append(in.constants, constants.values());
  Types types;
  for (const auto& [first, count] : {std::pair(size_t{0}, p.carries), std::pair(p.carries, p.xs),
                                     std::pair(p.carries + p.xs, p.constants)}) {
    types.insert(types.end(), own.begin() + static_cast<int64_t>(first),
                 own.begin() + static_cast<int64_t>(first + count));
    const Types t = tangent_types(first, count);
    types.insert(types.end(), t.begin(), t.end());
  }
  const GraphRef body = traced(types, [&](Span v) {
    std::vector<Tensor> x;
    Slots moved;
    const auto take = [&](size_t count, const Packed& packed) {
      append(x, v.first(count));
      append(moved, packed.unpack(v.subspan(count, packed.size())));
      v = v.subspan(count + packed.size());
    };
    take(p.carries, carry);
    take(p.xs, xs);
    take(p.constants, constants);
    const Replayed r(p.body, x);
    const std::vector<Tensor> t = r.pushed(moved);
    const Span y(r.outputs), ty(t);
    std::vector<Tensor> out = list(y.first(p.carries));
    append(out, defined_ones(ty.first(p.carries)));
    append(out, defined_ones(ty.subspan(p.carries)));
    return out;
  });
  const std::vector<Tensor> made = make_scan(body, in, p.length, p.reverse);
  // Last carries: own, tangents; the stacked tangents; carries before each step: own, tangents.
  Slots out;
  size_t last = p.carries, stacked = p.carries + carry.size();
  for (size_t i = 0; i < p.carries + p.stacked; ++i) {
    const bool has = flows(ir::type_of(at.outputs[i]));
    out.push_back(!has ? Tensor() : i < p.carries ? made[last++] : made[stacked++]);
  }
  size_t held = stacked + p.carries;
  for (size_t i = 0; i < p.carries; ++i)
    out.push_back(flows(ir::type_of(at.inputs[i])) ? made[held++] : Tensor());
  return out;
}

double scan_flops(const InferArguments& a, const Types&) {
  return static_cast<double>(a.attributes.integer("length")) *
         flops_of(graph_of(a.attributes, "body"));
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

std::vector<Tensor> make_scan(const GraphRef& body, const ScanInputs& in, int64_t length,
                              bool reverse, Where where) {
  std::vector<Tensor> all = in.carry;
  append(all, in.xs);
  append(all, in.constants);
  return ir::apply(ops::get("scan"), all,
                   {{"body", body},
                    {"carries", static_cast<int64_t>(in.carry.size())},
                    {"scanned", static_cast<int64_t>(in.xs.size())},
                    {"length", length},
                    {"reverse", reverse}},
                   where);
}

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
       .traits = {.body = true, .faults = true, .empty_cotangents = true}},
      {.name = "scan",
       .doc = "c_{t+1}, y_t = body(c_t, x_t, constants) along the first axis of the xs: the last "
              "carries, the stacked y and the carries before each step.",
       .min_inputs = 0,
       .max_inputs = 1 << 20,
       .infer = transform::scan_types,
       .derivative = ir::Custom{transform::scan_vjp, transform::scan_jvp},
       .traits = {.body = true, .faults = true, .empty_cotangents = true},
       .flops = transform::scan_flops},
      {.name = "while_loop",
       .doc = "The state after the graph `body` was applied while the graph `condition` was true.",
       .min_inputs = 0,
       .max_inputs = 1 << 20,
       .infer = transform::while_types,
       .derivative = ir::Custom{transform::while_vjp, transform::while_jvp},
       .traits = {.body = true, .faults = true, .empty_cotangents = true}},
  };
  return rows;
}

}  // namespace varve::ops
