#include "varve/formula.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include "ir/dispatch.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "transform/dead_code.h"
#include "transform/flops.h"
#include "transform/simplify.h"
#include "transform/symbolic.h"

namespace varve {
namespace {

using transform::symbolic::add;
using transform::symbolic::call;
using transform::symbolic::Expression;
using transform::symbolic::multiply;
using transform::symbolic::negative;
using transform::symbolic::number;
using transform::symbolic::power;
using transform::symbolic::symbol;

bool is_identifier(const std::string& s) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto part = [&](char c) { return letter(c) || c == '_' || (c >= '0' && c <= '9'); };
  bool all = !s.empty() && (letter(s[0]) || s[0] == '_');
  for (char c : s) all &= part(c);
  return all;
}

void check_names(const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& n : names) {
    if (!is_identifier(n))
      throw ValueError("formula: name \"" + n + "\": expected letters, digits and _");
    if (n == "pi" || n == "inf")
      throw ValueError("formula: name \"" + n + "\" stands for the number");
    if (n == "nan") throw ValueError("formula: name \"nan\" stands for what is no number");
    if (!seen.insert(n).second) throw ValueError("formula: name \"" + n + "\" is given twice");
  }
}

/// A number as a small fraction of a well-known one, where it is that to the last digits.
Expression known_number(double v) {
  const Expression pi = symbol("pi");
  const std::pair<double, Expression> kKnown[] = {
      {std::numbers::pi, pi},
      {std::numbers::inv_sqrtpi, power(pi, number(-0.5))},
      {std::numbers::inv_pi, power(pi, number(-1))},
      {std::sqrt(2 / std::numbers::pi), power(multiply({number(0.5), pi}), number(-0.5))},
      {std::numbers::ln2, call("log", {number(2)})},
      {std::numbers::log2e, power(call("log", {number(2)}), number(-1))},
      {std::numbers::ln10, call("log", {number(10)})},
      {std::numbers::log10e, power(call("log", {number(10)}), number(-1))},
      {std::numbers::sqrt2, power(number(2), number(0.5))},
      {std::numbers::e, call("exp", {number(1)})}};
  constexpr int kLargestDenominator = 4;
  constexpr double kLargestNumerator = 16;
  const auto fraction_of = [&](double ratio) {
    for (int q = 1; q <= kLargestDenominator; ++q) {
      const double p = std::nearbyint(ratio * q);
      if (p != 0 && std::abs(p) <= kLargestNumerator &&
          std::abs(ratio * q - p) <= 4 * 0x1p-52 * std::abs(p))
        return p / q;
    }
    return 0.;
  };
  if (v == std::nearbyint(v)) return number(v);
  for (const auto& [known, expression] : kKnown) {
    if (const double f = fraction_of(v / known); f != 0) return multiply({number(f), expression});
  }
  return number(v);
}

/// Values of a graph as expressions, node by node.
class Reader {
 public:
  Reader(const ir::Graph& graph, const std::vector<Expression>& inputs) : graph_(graph) {
    values_.resize(graph.nodes.size());
    for (size_t i = 0; i < graph.inputs.size(); ++i)
      values_[static_cast<size_t>(graph.inputs[i])] = {inputs[i]};
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      if (!ir::is_input(graph.nodes[n])) values_[n] = read(graph.nodes[n]);
    }
  }
  Expression of(ir::ValueId v) const {
    return values_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  }

 private:
  using Maker = Expression (*)(const std::vector<Expression>&);
  using Args = std::vector<Expression>;
  /// What a text leaves out of a constant (its later elements) or of an operation (the graphs among
  /// its attributes, and the shapes that it works on).
  struct LeftOut {
    const ir::OpDef* op;
    ir::Attributes attributes;
    std::vector<Shape> shapes;
  };

  /// Equal for equal ones alone.
  std::string apart(const ir::GraphNode& node) {
    LeftOut here{node.op, node.attributes, {}};
    for (ir::ValueId v : node.inputs) here.shapes.push_back(graph_.type(v).shape);
    const auto found = std::find_if(left_out_.begin(), left_out_.end(), [&](const LeftOut& o) {
      return o.op == here.op && o.shapes == here.shapes && ir::same(o.attributes, here.attributes);
    });
    const auto at = found - left_out_.begin();
    if (found == left_out_.end()) left_out_.push_back(std::move(here));
    return "#" + std::to_string(at);
  }

  Expression constant(const ir::GraphNode& node) {
    const auto& l = node.attributes.get<ir::Literal>("value");
    const std::vector<double> v = ir::computed(l.dtype, l.shape, l.array).to_doubles();
    bool one_value = !v.empty(), finite = true;
    for (double e : v) {
      one_value &= e == v[0] || (std::isnan(e) && std::isnan(v[0]));
      finite &= std::isfinite(e);
    }
    if (!one_value)
      return symbol(ir::to_text(ir::Attribute(l), {.elide = 4}), {apart(node), finite});
    if (finite) return known_number(v[0]);
    const Expression size = symbol(std::isnan(v[0]) ? "nan" : "inf", {.key = "", .finite = false});
    return v[0] < 0 ? negative(size) : size;
  }

  /// Arithmetic, in the normal form.
  static const std::map<std::string, Maker>& arithmetic() {
    static const std::map<std::string, Maker> makers{
        {"add", [](const Args& x) { return add(x); }},
        {"subtract",
         [](const Args& x) {
           return add({x[0], negative(x[1])});
         }},
        {"multiply", [](const Args& x) { return multiply(x); }},
        {"divide",
         [](const Args& x) {
           return multiply({x[0], power(x[1], number(-1))});
         }},
        {"negative", [](const Args& x) { return negative(x[0]); }},
        {"square", [](const Args& x) { return power(x[0], number(2)); }},
        {"reciprocal", [](const Args& x) { return power(x[0], number(-1)); }},
        {"sqrt", [](const Args& x) { return power(x[0], number(0.5)); }},
        {"rsqrt", [](const Args& x) { return power(x[0], number(-0.5)); }},
        {"power", [](const Args& x) { return power(x[0], x[1]); }},
        {"log2",
         [](const Args& x) {
           return multiply({call("log", x), power(call("log", {number(2)}), number(-1))});
         }},
        {"absolute", [](const Args& x) { return call("abs", x); }},
        {"select", [](const Args& x) { return call("where", x); }},
        // Shapes and types are not written.
        {"identity", [](const Args& x) { return x[0]; }},
        {"stop_gradient", [](const Args& x) { return x[0]; }},
        {"broadcast_to", [](const Args& x) { return x[0]; }},
    };
    return makers;
  }

  std::vector<Expression> read(const ir::GraphNode& node) {
    const std::string name = node.op->name;
    if (ir::is_constant(node)) return {constant(node)};
    Args x;
    for (ir::ValueId v : node.inputs) x.push_back(of(v));
    if (const auto maker = arithmetic().find(name); maker != arithmetic().end())
      return {maker->second(x)};
    if (name == "cast") {
      return {converted(x[0], graph_.type(node.inputs[0]).dtype, node.outputs[0].dtype)};
    }
    if (name == "reshape" && node.outputs[0].shape.rank() == 0) return x;
    return called(node, name, x);
  }

  /// Conversions that change numbers by more than rounding: floating ones to integers, and what
  /// does not fit the type that it goes to.
  static Expression converted(const Expression& x, DType from, DType to) {
    if (from == to) return x;
    if (from == DType::bool_) return call("where", {x, number(1), number(0)});
    if (to == DType::bool_) return call("not_equal", {x, number(0)});
    if (is_floating(to)) return x;
    if (is_floating(from) && (to == i32 || to == i64)) return call("trunc", {x});
    return promote(from, to) == to ? x : call(name_of(to), {x});
  }

  /// What is no arithmetic: a call with its attributes, those that say nothing left out.
  std::vector<Expression> called(const ir::GraphNode& node, std::string name, Args x) {
    for (size_t i = 0; i < 2 && name == "matmul"; ++i) {
      if (node.attributes.flag(i == 0 ? "transpose_a" : "transpose_b"))
        x[i] = call("transpose", {x[i]});
    }
    for (const auto& [attribute, value] : node.attributes) {
      if (name == "matmul" || std::holds_alternative<ir::GraphRef>(value)) continue;
      const bool flag = std::holds_alternative<bool>(value);
      if (flag && !std::get<bool>(value)) continue;
      const auto* list = std::get_if<ir::Ints>(&value);
      const auto rank =
          static_cast<size_t>(node.inputs.empty() ? 0 : graph_.type(node.inputs[0]).shape.rank());
      if (attribute == "axes" && list && list->size() == rank && name != "transpose") continue;
      x.push_back(symbol(attribute + " = " + ir::to_text(value, {.elide = 4})));
    }
    if (!node.op->traits.pointwise) x.push_back(symbol("", {.key = apart(node)}));
    const Expression whole = call(name, std::move(x));
    if (node.outputs.size() == 1) return {whole};
    std::vector<Expression> outputs;
    for (size_t o = 0; o < node.outputs.size(); ++o)
      outputs.push_back(call("output " + std::to_string(o) + " of ", {whole}));
    return outputs;
  }

  const ir::Graph& graph_;
  std::vector<std::vector<Expression>> values_;
  std::vector<LeftOut> left_out_;
};

/// A function on placeholders. The values of the variables that it reads are further inputs of the
/// graph; what it assigns is left out.
struct Traced {
  ir::Graph graph;
  std::vector<std::string> variables;
};

Traced traced(const ir::Types& types, const TensorsFunction& f) {
  const ir::Frame frame(ir::Frame::Kind::trace);
  std::vector<Tensor> x;
  for (const ir::TensorType& t : types) x.push_back(ir::placeholder(t));
  const Tensors y = f(Tensors(x));
  Traced out;
  for (const ir::Binding& b : frame.bindings()) {
    if (!b.input.defined()) continue;
    x.push_back(b.input);
    out.variables.push_back(b.variable->name);
  }
  out.graph = ir::linearize(y.list(), x);
  return out;
}

Traced traced(const TensorsFunction& f, const Tensors& at) {
  ir::Types types;
  for (const Tensor& t : at) types.push_back(ir::type_of(t));
  return traced(types, f);
}

/// Symbols of the arguments, then of the variables: by their names, in quotes where these could be
/// read as something else, and numbered where they are taken.
std::vector<Expression> symbols(const std::vector<std::string>& names,
                                const std::vector<std::string>& variables) {
  std::vector<Expression> out;
  std::set<std::string> taken{"pi", "inf", "nan"};
  for (const std::string& n : names) {
    taken.insert(n);
    out.push_back(symbol(n));
  }
  for (const std::string& v : variables) {
    std::string plain = v;
    std::replace(plain.begin(), plain.end(), '.', '_');  // "dense_1.kernel"
    const std::string base = v.empty() ? "variable" : is_identifier(plain) ? v : "\"" + v + "\"";
    std::string name = base;
    for (int i = 2; !taken.insert(name).second; ++i) name = base + "_" + std::to_string(i);
    out.push_back(symbol(name));
  }
  return out;
}

std::string written(const Traced& f, const std::vector<std::string>& names) {
  const ir::Graph simple = transform::simplify(f.graph, {.fold_constants = false});
  const Reader reader(simple, symbols(names, f.variables));
  std::string out;
  for (ir::ValueId v : simple.outputs) {
    out += out.empty() ? "" : "\n";
    out += transform::symbolic::to_text(transform::symbolic::shortest(reader.of(v)));
  }
  return out;
}

}  // namespace

std::string detail::formula(const Flat& f, const std::vector<std::string>& names) {
  check_names(names);
  const ir::Types types(names.size(), {DType::f64, {}});
  return written(traced(types, [&](const Tensors& x) -> Tensors { return f(x.list()); }), names);
}

std::string formula(const TensorsFunction& f, const Tensors& at,
                    const std::vector<std::string>& names) {
  check_names(names);
  if (names.size() != at.size()) {
    throw ValueError("formula: expected " + std::to_string(at.size()) + " names, got " +
                     std::to_string(names.size()));
  }
  return written(traced(f, at), names);
}

OperationCounts count_operations(const TensorsFunction& f, const Tensors& at) {
  const ir::Graph graph = transform::eliminate_dead_code(traced(f, at).graph);
  OperationCounts counts;
  for (const ir::GraphNode& node : graph.nodes) {
    if (node.op->traits.structural || node.op->view || node.outputs.empty()) continue;
    ++counts.nodes;
    counts.operations += transform::flops_of(graph, node);
  }
  return counts;
}

}  // namespace varve
