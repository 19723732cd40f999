#include "io/onnx/program.h"

#include <algorithm>

#include "base/error.h"
#include "io/onnx/run.h"
#include "ir/size_limit.h"

namespace varve::io::onnx {
namespace {

using formats::onnx::Function;
using formats::onnx::Opsets;

// Every name that a node reads, those of its inner graphs included.
void add_reads(const Node& n, std::set<std::string>& names) {
  for (const std::string& i : n.inputs) names.insert(i);
  for (const Attribute& a : n.attributes) {
    for (const auto& g : a.graphs) {
      for (const Node& inner : g->nodes) add_reads(inner, names);
      for (const auto& o : g->outputs) names.insert(o.name);
    }
  }
}

// `com.acme::Foo (node "n7", opset 3)`.
std::string shown_op(const Node& n, int64_t index, const Opsets& opsets) {
  const auto at = opsets.find(n.domain);
  return escaped(n.domain.empty() ? n.op : n.domain + "::" + n.op) + " (" +
         formats::onnx::label_of(n, index) + ", opset " +
         (at == opsets.end() ? "not imported" : std::to_string(at->second)) + ")";
}

}  // namespace

Program::Program(formats::onnx::Model model) : model_(std::move(model)) {
  for (const Function& f : model_.functions) functions_[{f.domain, f.name, f.overload}] = &f;
  std::vector<std::string> unsupported, outputs;
  for (const auto& o : model_.graph.outputs) outputs.push_back(o.name);
  prepare(model_.graph.nodes, &model_.graph, outputs, model_.opsets, unsupported);
  if (!unsupported.empty()) {
    std::string text;
    for (const std::string& u : unsupported) text += (text.empty() ? "" : ", ") + u;
    throw UnsupportedError(model_.file + ": unsupported op" +
                           (unsupported.size() > 1 ? "s " : " ") + text);
  }
  find_weights();
}

void Program::prepare(const std::vector<Node>& nodes, const Graph* graph,
                      const std::vector<std::string>& outputs, const Opsets& opsets,
                      std::vector<std::string>& unsupported) {
  Steps& steps = prepared_[&nodes];
  if (graph) {
    for (const TensorData& t : graph->initializers) {
      if (!t.absent) steps.constants[t.name] = value_of(t);
    }
    for (const auto& [name, sparse] : graph->sparse_initializers) {
      steps.constants[name] = value_of(sparse);
    }
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& n = nodes[i];
    const auto index = static_cast<int64_t>(i);
    Steps::Step step{.node = &n, .index = index, .row = nullptr, .version = 0, .last_used = {}};
    if (const auto at = opsets.find(n.domain); at != opsets.end()) step.version = at->second;
    if (const auto at = functions_.find({n.domain, n.op, n.overload}); at != functions_.end()) {
      const Function* f = at->second;
      step.function = f;
      if (seen_.insert(f).second) {
        // Functions without imports of their own take the model's.
        prepare(f->nodes, nullptr, f->outputs, f->opsets.empty() ? model_.opsets : f->opsets,
                unsupported);
      }
    } else {
      step.row = step.version ? find_row(n.domain, n.op, step.version) : nullptr;
      if (!step.row) {
        std::string text = shown_op(n, index, opsets);
        // Said once for each op of a long model would be too little, for each node is the promise.
        unsupported.push_back(std::move(text));
      }
    }
    for (const Attribute& a : n.attributes) {
      for (const auto& g : a.graphs) {
        std::vector<std::string> names;
        for (const auto& o : g->outputs) names.push_back(o.name);
        prepare(g->nodes, g.get(), names, opsets, unsupported);
      }
    }
    prepared_[&nodes].steps.push_back(std::move(step));
  }
  // Gradient replays what is before it.
  if (std::any_of(nodes.begin(), nodes.end(), [](const Node& n) { return n.op == "Gradient"; })) {
    return;
  }
  std::set<std::string> needed(outputs.begin(), outputs.end());
  std::vector<Steps::Step>& list = prepared_[&nodes].steps;
  for (auto step = list.rbegin(); step != list.rend(); ++step) {
    std::set<std::string> reads;
    add_reads(*step->node, reads);
    for (const std::string& name : step->node->outputs) reads.insert(name);
    for (const std::string& name : reads) {
      if (needed.insert(name).second) step->last_used.push_back(name);
    }
  }
}

namespace {

// Marks names whose elements some node reads on the host, back to where they come from.
void mark_host(const Program& program, const std::vector<Node>& nodes,
               std::set<std::string>& host) {
  const std::vector<Steps::Step>& steps = program.steps(&nodes).steps;
  for (auto s = steps.rbegin(); s != steps.rend(); ++s) {
    const Node& n = *s->node;
    const bool made = n.op != "Shape" && n.op != "Size" &&
                      std::any_of(n.outputs.begin(), n.outputs.end(),
                                  [&](const std::string& o) { return host.contains(o); });
    uint32_t bits = made ? ~0u : s->row ? s->row->host : 0;
    if (s->function && !made) {
      std::set<std::string> inside;
      mark_host(program, s->function->nodes, inside);
      for (size_t i = 0; i < s->function->inputs.size() && i < 32; ++i) {
        if (inside.contains(s->function->inputs[i])) bits |= input_bit(static_cast<int>(i));
      }
    }
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      // Nodes of more inputs than bits take lists, all alike.
      if (bits >> std::min<size_t>(i, 31) & 1) host.insert(n.inputs[i]);
    }
    for (const Attribute& a : n.attributes) {
      for (const auto& g : a.graphs) {
        if (made) {
          for (const auto& o : g->outputs) host.insert(o.name);
        }
        mark_host(program, g->nodes, host);
      }
    }
  }
}

// Marks running statistics and the like, which belong to the model but which no gradient changes:
// back to where they come from, through what does not compute.
void mark_statistics(const Program& program, const std::vector<Node>& nodes,
                     std::set<std::string>& names) {
  const auto pass = [&](const std::string& from, const std::string& to) {
    if (!from.empty() && names.contains(from)) names.insert(to);
  };
  const std::vector<Steps::Step>& steps = program.steps(&nodes).steps;
  for (auto s = steps.rbegin(); s != steps.rend(); ++s) {
    const Node& n = *s->node;
    const size_t inputs = n.inputs.size(), outputs = n.outputs.size();
    if (s->function) {
      const Function& f = *s->function;
      std::set<std::string> inside;
      for (size_t i = 0; i < std::min(outputs, f.outputs.size()); ++i) {
        if (names.contains(n.outputs[i])) inside.insert(f.outputs[i]);
      }
      mark_statistics(program, f.nodes, inside);
      for (size_t i = 0; i < std::min(inputs, f.inputs.size()); ++i) {
        if (inside.contains(f.inputs[i])) names.insert(n.inputs[i]);
      }
      continue;
    }
    for (const char* op : {"Identity", "Cast", "CastLike", "Reshape", "Squeeze", "Unsqueeze"}) {
      if (n.op == op && inputs > 0 && outputs > 0) pass(n.outputs[0], n.inputs[0]);
    }
    size_t first = inputs;
    if (n.op == "BatchNormalization") first = 3;
    if (n.op == "QuantizeLinear" || n.op == "DequantizeLinear") first = 1;
    for (size_t i = first; i < inputs; ++i) names.insert(n.inputs[i]);
    for (const Attribute& a : n.attributes) {
      for (const auto& g : a.graphs) {
        if (n.op == "If") {
          for (size_t i = 0; i < std::min(outputs, g->outputs.size()); ++i) {
            pass(n.outputs[i], g->outputs[i].name);
          }
        }
        mark_statistics(program, g->nodes, names);
        // Bodies have an input for each of the node's; before opset 9 a Scan has one more in front.
        const size_t before = inputs - std::min(inputs, g->inputs.size());
        for (size_t i = 0; n.op != "If" && i < g->inputs.size() && i + before < inputs; ++i) {
          pass(g->inputs[i].name, n.inputs[i + before]);
        }
      }
    }
  }
}

}  // namespace

void Program::find_weights() {
  std::set<std::string> host, statistics;
  mark_host(*this, model_.graph.nodes, host);
  mark_statistics(*this, model_.graph.nodes, statistics);
  for (const TensorData& t : model_.graph.initializers) {
    const bool floating = t.type == Type::float32 || t.type == Type::float64 ||
                          t.type == Type::float16 || t.type == Type::bfloat16;
    if (!floating || host.contains(t.name) || t.shape.size() == 0) continue;
    weights_.push_back({&t, !statistics.contains(t.name)});
  }
}

bool Program::has_default(const std::string& input) const {
  const auto& constants = steps(&model_.graph.nodes).constants;
  if (constants.contains(input)) return true;
  return std::any_of(model_.graph.initializers.begin(), model_.graph.initializers.end(),
                     [&](const TensorData& t) { return t.name == input; });
}

std::vector<const formats::onnx::ValueInfo*> Program::inputs() const {
  std::vector<const formats::onnx::ValueInfo*> out;
  for (const auto& v : model_.graph.inputs) {
    if (!has_default(v.name)) out.push_back(&v);
  }
  return out;
}

namespace {

void check_input(const std::string& file, const formats::onnx::ValueInfo& info, const Value& v,
                 bool any_batch) {
  const ValueType& type = info.type;
  if (type.kind != ValueType::Kind::tensor || v.none()) return;
  const auto fail = [&](const std::string& got) {
    throw FormatError(file + ": input \"" + escaped(info.name) + "\": expected " +
                      type.to_string() + ", got " + got);
  };
  if (v.kind == Value::Kind::sequence) fail("a sequence");
  const std::string reason = v.shape().size() == 0 ? too_large(v.shape(), kMaxElements) : "";
  if (!reason.empty())
    throw FormatError(file + ": input \"" + escaped(info.name) + "\": " + reason);
  const std::string got =
      std::string("tensor(") + formats::onnx::name_of(v.type) + ")" + v.shape().to_string();
  if (v.type != type.element) fail(got);
  if (!type.has_shape) return;
  const Shape shape = v.shape();
  if (static_cast<int>(type.dims.size()) != shape.rank()) fail(got);
  for (int i = any_batch ? 1 : 0; i < shape.rank(); ++i) {
    const int64_t d = type.dims[static_cast<size_t>(i)].value;
    if (d >= 0 && d != shape[i]) fail(got);
  }
}

// Of a name that is wrong, before the input that it was meant for is missed.
void check_names(const Program& program, const std::map<std::string, Value>& inputs) {
  for (const auto& [name, value] : inputs) {
    const auto& known = program.model().graph.inputs;
    if (std::any_of(known.begin(), known.end(),
                    [&, &n = name](const auto& info) { return info.name == n; })) {
      continue;
    }
    std::vector<std::string> names;
    for (const auto* info : program.inputs()) names.push_back(info->name);
    throw IndexError(program.model().file + ": no input \"" + escaped(name) + "\"",
                     did_you_mean(name, names));
  }
}

}  // namespace

Values Program::run(const std::map<std::string, Value>& inputs, const Options& options) const {
  check_names(*this, inputs);
  Run run(*this, options);
  Run::Frame frame;
  for (const auto& info : model_.graph.inputs) {
    const auto at = inputs.find(info.name);
    if (at != inputs.end()) {
      check_input(model_.file, info, at->second, options.batch > 0);
      Value& v = frame.values[info.name] = at->second;
      const auto& dims = info.type.dims;
      if (v.kind == Value::Kind::tensor || v.kind == Value::Kind::strings) {
        // One axis is a series at least as often as a batch.
        const Shape shape = v.shape();
        const bool open = dims.empty() || dims[0].value < 0 || options.batch > 0;
        run.allow(shape, open && shape.rank() > 1);
      }
      v.batched = options.batch > 0 && v.kind == Value::Kind::tensor && v.tensor.rank() > 0 &&
                  v.tensor.shape()[0] == options.batch;
    } else if (!has_default(info.name)) {
      // An optional that was left out is empty.
      if (info.type.kind == ValueType::Kind::optional) {
        frame.values[info.name] = Value();
      } else {
        throw FormatError(model_.file + ": input \"" + escaped(info.name) +
                          "\": " + info.type.to_string() + " is missing");
      }
    }
  }
  const ir::SizeLimit limit(run.allowed());
  for (const Weight& w : weights_) {
    const auto at = options.weights.find(w.data->name);
    if (at == options.weights.end()) continue;
    const auto [value, fresh] = frame.values.try_emplace(w.data->name, at->second);
    if (fresh) value->second.weight = w.data;
  }
  std::vector<std::string> outputs;
  for (const auto& o : model_.graph.outputs) outputs.push_back(o.name);
  return run.nodes(model_.graph.nodes, outputs, frame);
}

}  // namespace varve::io::onnx
