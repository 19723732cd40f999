// cond, while_loop and scan as users call them: bodies are traced, and what they use of the code
// around them becomes inputs of the node.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/error.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "ops/build.h"
#include "transform/control.h"
#include "transform/control_parts.h"
#include "varve/control.h"

namespace varve {
namespace {

using ir::TensorType;
using ir::Types;
using transform::append;
using transform::Span;
using transform::types_of;

/// A function that was traced, and what the trace saw of variables.
struct Traced {
  std::vector<Tensor> arguments, outputs;
  std::vector<ir::Binding> variables;
  std::vector<ir::Guard> guards;
  uint64_t began = 0;

  Traced(const char* operation, const Types& types,
         const std::function<std::vector<Tensor>(Span)>& f) {
    began = ir::next_serial();
    ir::Frame frame(ir::Frame::Kind::trace);
    for (const TensorType& t : types) arguments.push_back(ir::placeholder(t));
    outputs = f(arguments);
    variables = frame.bindings();
    guards = frame.guards();
    if (!frame.observations().empty()) {
      throw UnsupportedError(std::string(operation) + ": debug::print inside a body",
                             "return the value and print it where the function is called");
    }
  }

  const ir::Binding* find(const ir::VariableRef& v) const {
    for (const ir::Binding& b : variables) {
      if (b.variable == v) return &b;
    }
    return nullptr;
  }
};

/// The values of the code around the traces that these use: pending ones (and placeholders, and
/// what gradients are taken at) from before, in the order in which they are found. What is computed
/// and has no history stays a constant.
std::vector<Tensor> captured(std::span<const Traced* const> traces) {
  const std::lock_guard lock(ir::values_mutex());
  std::vector<Tensor> found;
  std::unordered_set<const ir::Value*> seen;
  for (const Traced* t : traces) {
    for (const Tensor& x : t->arguments) seen.insert(x.cell().get());
    for (const ir::Binding& b : t->variables) {
      if (b.input.defined()) seen.insert(b.input.cell().get());
    }
  }
  for (const Traced* t : traces) {
    std::vector<ir::ValueRef> left;
    for (const Tensor& y : t->outputs) left.push_back(y.cell());
    for (const ir::Binding& b : t->variables) {
      if (b.assigned) left.push_back(b.current.cell());
    }
    for (const ir::Guard& g : t->guards) left.push_back(g.tensor.cell());
    while (!left.empty()) {
      const ir::ValueRef v = std::move(left.back());
      left.pop_back();
      if (!seen.insert(v.get()).second || (!v->node && v->computed())) continue;
      if (!v->node || v->node->serial < t->began) {
        found.emplace_back(v);
      } else {
        left.insert(left.end(), v->node->inputs.begin(), v->node->inputs.end());
      }
    }
  }
  return found;
}

/// The variables of several traces, each once: those that any assigns first.
struct Used {
  std::vector<ir::VariableRef> assigned, read;

  explicit Used(std::span<const Traced* const> traces) {
    const auto has = [](const std::vector<ir::VariableRef>& list, const ir::VariableRef& v) {
      return std::find(list.begin(), list.end(), v) != list.end();
    };
    for (const Traced* t : traces) {
      for (const ir::Binding& b : t->variables) {
        if (b.assigned && !has(assigned, b.variable)) assigned.push_back(b.variable);
      }
    }
    for (const Traced* t : traces) {
      for (const ir::Binding& b : t->variables) {
        if (!has(assigned, b.variable) && !has(read, b.variable)) read.push_back(b.variable);
      }
    }
  }
  static std::vector<Tensor> values(const std::vector<ir::VariableRef>& list) {
    std::vector<Tensor> out;
    for (const ir::VariableRef& v : list) out.push_back(ir::read_variable(v));
    return out;
  }
  /// What a trace read these variables as; new placeholders where it did not.
  static std::vector<Tensor> inputs(const Traced& t, const std::vector<ir::VariableRef>& list) {
    std::vector<Tensor> out;
    for (const ir::VariableRef& v : list) {
      const ir::Binding* b = t.find(v);
      out.push_back(b && b->input.defined() ? b->input : ir::placeholder(v->type));
    }
    return out;
  }
  /// What it leaves in them, given what stood for them.
  static std::vector<Tensor> results(const Traced& t, const std::vector<ir::VariableRef>& list,
                                     const std::vector<Tensor>& inputs) {
    std::vector<Tensor> out;
    for (size_t i = 0; i < list.size(); ++i) {
      const ir::Binding* b = t.find(list[i]);
      out.push_back(b && b->assigned ? b->current : inputs[i]);
    }
    return out;
  }
  void assign(Span values) const {
    for (size_t i = 0; i < assigned.size(); ++i)
      ir::assign_variable(assigned[i], stop_gradient(values[i]));
  }
};

void refuse_guards(const char* operation, const Traced& t) {
  if (t.guards.empty()) return;
  throw UnsupportedError(std::string(operation) + ": an optimizer's step inside a body",
                         "use scan, or take the step outside");
}

Tensor one_bool(const char* operation, const Tensor& x) {
  if (x.dtype() != DType::bool_ || x.shape().rank() != 0) {
    throw ShapeError(std::string(operation) + ": expected a condition of type bool[], got " +
                     ir::type_of(x).to_string());
  }
  return x;
}

/// Tells apart type and shape, and names the place in the user's terms.
void require_same(const char* operation, const char* what, Span got, Span expected) {
  const std::string start = std::string(operation) + ": " + what;
  if (got.size() != expected.size()) {
    throw ShapeError(start + ": expected " + std::to_string(expected.size()) + " tensors, got " +
                     std::to_string(got.size()));
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const TensorType &g = ir::type_of(got[i]), &e = ir::type_of(expected[i]);
    const std::string text =
        start + " " + std::to_string(i) + ": expected " + e.to_string() + ", got " + g.to_string();
    if (g.dtype != e.dtype) throw DTypeError(text, "cast it in the body");
    if (g.shape != e.shape) throw ShapeError(text);
  }
}

ir::GraphRef graph_of(Span outputs, Span inputs) {
  return std::make_shared<const ir::Graph>(ir::linearize(outputs, inputs));
}

}  // namespace

Tensors cond(const Operand& predicate, const std::function<Tensors()>& then_branch,
             const std::function<Tensors()>& else_branch) {
  const Tensor p = one_bool("cond", predicate.tensor());
  const auto trace = [](const std::function<Tensors()>& f) {
    return Traced("cond", {}, [&](Span) { return f().list(); });
  };
  const Traced then = trace(then_branch), otherwise = trace(else_branch);
  refuse_guards("cond", then);
  refuse_guards("cond", otherwise);
  require_same("cond", "result of the else branch", otherwise.outputs, then.outputs);
  const std::array<const Traced*, 2> both{&then, &otherwise};
  const Used variables(both);
  const std::vector<Tensor> outside = captured(both);
  std::vector<Tensor> inputs{p};
  append(inputs, Used::values(variables.assigned));
  append(inputs, Used::values(variables.read));
  append(inputs, outside);
  const auto branch = [&](const Traced& t) {
    std::vector<Tensor> in = Used::inputs(t, variables.assigned), out = t.outputs;
    append(out, Used::results(t, variables.assigned, in));
    append(in, Used::inputs(t, variables.read));
    append(in, outside);
    return graph_of(out, in);
  };
  std::vector<Tensor> made =
      ir::apply(ops::get("cond"), inputs, {{"then", branch(then)}, {"else", branch(otherwise)}},
                predicate.where());
  const size_t proper = then.outputs.size();
  variables.assign(Span(made).subspan(proper));
  made.resize(proper);
  return Tensors(std::move(made));
}

Tensors while_loop(const std::function<Tensor(const Tensors&)>& condition,
                   const TensorsFunction& body, const Tensors& state, const WhileOptions& options) {
  if (options.max_steps && *options.max_steps < 0) {
    throw ValueError("while_loop: max_steps: expected at least 0, got " +
                     std::to_string(*options.max_steps));
  }
  const auto tensors = [](Span x) { return Tensors(std::vector<Tensor>(x.begin(), x.end())); };
  const Types types = types_of(state.list());
  const Traced test("while_loop", types, [&](Span x) -> std::vector<Tensor> {
    return {one_bool("while_loop", condition(tensors(x)))};
  });
  const Traced step("while_loop", types, [&](Span x) { return body(tensors(x)).list(); });
  for (const ir::Binding& b : test.variables) {
    if (b.assigned) {
      throw UnsupportedError(
          "while_loop: the condition assigns variable \"" + b.variable->name + "\"",
          "assign it in the body");
    }
  }
  refuse_guards("while_loop", test);
  refuse_guards("while_loop", step);
  require_same("while_loop", "state that the body gives,", step.outputs, state.list());
  const std::array<const Traced*, 2> both{&test, &step};
  const Used variables(both);
  const std::vector<Tensor> outside = captured(both);
  std::vector<Tensor> inputs = state.list();
  append(inputs, Used::values(variables.assigned));
  const auto states = static_cast<int64_t>(inputs.size());
  append(inputs, Used::values(variables.read));
  append(inputs, outside);
  const auto graph = [&](const Traced& t, bool with_variables) {
    const std::vector<Tensor> carried = Used::inputs(t, variables.assigned);
    std::vector<Tensor> in = t.arguments, out = t.outputs;
    append(in, carried);
    append(in, Used::inputs(t, variables.read));
    append(in, outside);
    if (with_variables) append(out, Used::results(t, variables.assigned, carried));
    return graph_of(out, in);
  };
  std::vector<Tensor> made = ir::apply(ops::get("while_loop"), inputs,
                                       {{"condition", graph(test, false)},
                                        {"body", graph(step, true)},
                                        {"states", states},
                                        {"max_steps", options.max_steps.value_or(-1)}});
  variables.assign(Span(made).subspan(state.size()));
  made.resize(state.size());
  return Tensors(std::move(made));
}

ScanResult scan(const std::function<ScanStep(const Tensors&, const Tensors&)>& body,
                const Tensors& carry, const Tensors& xs, const ScanOptions& options) {
  if (xs.size() == 0 && !options.length) {
    throw ValueError("scan: there are no xs to tell the number of steps", "give {.length = n}");
  }
  Types types = types_of(carry.list());
  std::optional<int64_t> length = options.length;
  for (size_t i = 0; i < xs.size(); ++i) {
    const TensorType& t = ir::type_of(xs[i]);
    const std::string name = "scan: x " + std::to_string(i);
    if (t.shape.rank() == 0) throw ShapeError(name + ": expected a first axis, got rank 0");
    if (length && t.shape[0] != *length) {
      throw ShapeError(name + ": expected length " + std::to_string(*length) + ", got " +
                       t.to_string());
    }
    length = t.shape[0];
    types.push_back({t.dtype, Shape(std::vector(t.shape.begin() + 1, t.shape.end()))});
  }
  if (*length < 0)
    throw ValueError("scan: length: expected at least 0, got " + std::to_string(*length));
  size_t stacked = 0;
  const auto tensors = [](Span x) { return Tensors(std::vector<Tensor>(x.begin(), x.end())); };
  const Traced step("scan", types, [&](Span v) {
    const ScanStep made = body(tensors(v.first(carry.size())), tensors(v.subspan(carry.size())));
    require_same("scan", "carry that the body gives,", made.carry.list(), carry.list());
    stacked = made.outputs.size();
    std::vector<Tensor> out = made.carry.list();
    append(out, made.outputs.list());
    return out;
  });
  const Traced* one = &step;
  const std::span<const Traced* const> all(&one, 1);
  const Used variables(all);
  const std::vector<Tensor> outside = captured(all);
  const std::vector<Tensor> carried = Used::inputs(step, variables.assigned);
  const Span arguments(step.arguments), results(step.outputs);
  std::vector<Tensor> in(arguments.begin(), arguments.begin() + static_cast<int64_t>(carry.size()));
  append(in, carried);
  append(in, arguments.subspan(carry.size()));
  append(in, Used::inputs(step, variables.read));
  append(in, outside);
  std::vector<Tensor> out(results.begin(), results.begin() + static_cast<int64_t>(carry.size()));
  append(out, Used::results(step, variables.assigned, carried));
  append(out, results.subspan(carry.size()));
  for (const ir::Guard& g : step.guards) out.push_back(g.tensor);
  transform::ScanInputs inputs{carry.list(), xs.list(), {}};
  append(inputs.carry, Used::values(variables.assigned));
  append(inputs.constants, Used::values(variables.read));
  append(inputs.constants, outside);
  const std::vector<Tensor> made =
      transform::make_scan(graph_of(out, in), inputs, *length, options.reverse);
  Span rest(made);
  const Span last = rest.first(carry.size());
  rest = rest.subspan(carry.size());
  variables.assign(rest.first(variables.assigned.size()));
  rest = rest.subspan(variables.assigned.size());
  const Span outputs = rest.first(stacked);
  rest = rest.subspan(stacked);
  for (size_t i = 0; i < step.guards.size(); ++i) ir::guard(rest[i], step.guards[i].label);
  return {tensors(last), tensors(outputs)};
}

}  // namespace varve
