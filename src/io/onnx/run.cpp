#include "io/onnx/run.h"

#include <algorithm>
#include <set>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/frame.h"
#include "nn/layer_state.h"

namespace varve::io::onnx {
namespace {

constexpr size_t kLongestMessage = 2000;

// The op's own errors with the node's name in front.
Values guarded(const Call& call, Operator f, Call& c) {
  try {
    return f(c);
  } catch (const Error& e) {
    // Attributes of the file's may be quoted in it.
    const std::string label = call.label(), message = escaped(e.message(), kLongestMessage);
    // A node of an inner graph has been named already.
    const bool named = message.starts_with(label) || message.starts_with("node ");
    if (named && message == e.message()) throw;
    varve::detail::throw_like(e, named ? message : label + ": " + message, e.hint(), "");
  }
}

// Small results of few samples share one limit.
constexpr int64_t kSamples = 16, kGrowth = 64;

}  // namespace

void Run::allow(const Shape& input, bool batched) {
  for (const int64_t d : input) {
    // What stands for any batch has no elements.
    if (batches_in(d) > 0) allowed_ = INT64_MAX;
  }
  const auto times = [](int64_t a, int64_t b) { return a > INT64_MAX / b ? INT64_MAX : a * b; };
  allowed_ = std::max(allowed_, times(input.size(), kGrowth));
  const int64_t sample = options_.elements / kSamples;
  if (batched && sample > 0) allowed_ = std::max(allowed_, times(input[0], sample));
}

bool Run::spend(int64_t count, int64_t each) {
  if (count > iterations_ / each) return false;
  iterations_ -= count * each;
  return true;
}

const Value* Run::find(const std::string& name, const Frame& frame) const {
  for (const Frame* f = &frame; f; f = f->outer) {
    if (const auto at = f->values.find(name); at != f->values.end()) return &at->second;
  }
  return nullptr;
}

const Attribute* Run::resolve(const Attribute& attribute) const {
  if (attribute.reference.empty()) return &attribute;
  if (!current_ || !current_->bound) return nullptr;
  const auto at = current_->bound->find(attribute.reference);
  return at == current_->bound->end() ? nullptr : at->second;
}

Values Run::nodes(const std::vector<Node>& list, const std::vector<std::string>& outputs,
                  Frame& frame) {
  const Frame* before = std::exchange(current_, &frame);
  frame.nodes = &list;
  const Steps& steps = program_.steps(&list);
  // An input of the name of an initializer was given by the caller.
  for (const auto& [name, value] : steps.constants) frame.values.try_emplace(name, value);
  for (const Steps::Step& s : steps.steps) {
    Values results = step(s, frame);
    for (size_t i = 0; i < s.node->outputs.size() && i < results.size(); ++i) {
      const std::string& name = s.node->outputs[i];
      if (!name.empty()) frame.values[name] = std::move(results[i]);
    }
    for (const std::string& name : s.last_used) frame.values.erase(name);
  }
  Values out;
  for (const std::string& name : outputs) {
    const Value* v = find(name, frame);
    if (!v) {
      throw FormatError(program_.model().file + ": output \"" + escaped(name) +
                        "\" was left out by the node that gives it");
    }
    out.push_back(*v);
    read_batch_ = read_batch_ || v->batched;
  }
  current_ = before;
  return out;
}

Values Run::step(const Steps::Step& s, Frame& frame) {
  Values inputs;
  bool known = true, batched = false;
  for (const std::string& name : s.node->inputs) {
    if (name.empty()) {
      inputs.emplace_back();
      continue;
    }
    const Value* v = find(name, frame);
    if (!v) {
      throw FormatError(program_.model().file + ": " + formats::onnx::label_of(*s.node, s.index) +
                        ": \"" + escaped(name) + "\" was left out by the node that gives it");
    }
    known = known && (v->known || v->none());
    batched = batched || v->batched;
    inputs.push_back(*v);
  }
  read_batch_ = read_batch_ || batched;
  if (s.function) return function(s, std::move(inputs), frame);
  const bool first = s.row->keeps_type && !inputs.empty();
  const Type type = first ? inputs[0].type : Type::undefined;
  Call call(*this, *s.node, s.index, s.version, std::move(inputs));
  // Bodies see names of their own, which say themselves what is known and batched.
  const bool before = std::exchange(read_batch_, batched);
  Values out = guarded(call, s.row->function, call);
  batched = read_batch_;
  read_batch_ = read_batch_ || before;
  if (first && !out.empty() && out[0].kind == Value::Kind::tensor &&
      out[0].tensor.dtype() == formats::onnx::held_as(type)) {
    out[0].type = type;
  }
  known = known && !s.row->random;
  for (const Attribute& a : s.node->attributes) known = known && a.graphs.empty();
  for (Value& v : out) {
    if (v.kind == Value::Kind::tensor) call.limit(v.tensor.shape());
    v.known = v.known || known;
    v.batched = v.batched || batched;
    if (v.known && v.kind == Value::Kind::tensor && ir::tracing()) v.tensor.evaluate();
  }
  return out;
}

Values Run::body(const Graph& graph, Values inputs, bool structured) {
  const bool before = std::exchange(structured_, structured_ || structured);
  Frame frame;
  frame.outer = current_;
  frame.bound = current_ ? current_->bound : nullptr;
  if (inputs.size() > graph.inputs.size()) {
    throw FormatError(program_.model().file + ": graph \"" + escaped(graph.name) + "\": takes " +
                      std::to_string(graph.inputs.size()) + " inputs, got " +
                      std::to_string(inputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    frame.values[graph.inputs[i].name] = std::move(inputs[i]);
  }
  std::vector<std::string> outputs;
  for (const auto& o : graph.outputs) outputs.push_back(o.name);
  Values out = nodes(graph.nodes, outputs, frame);
  structured_ = before;
  return out;
}

Value Run::recompute(const std::string& name,
                     const std::vector<std::pair<std::string, Value>>& given, int64_t index) {
  const Steps& steps = program_.steps(current_->nodes);
  Frame frame;
  frame.outer = current_;
  frame.bound = current_->bound;
  std::set<std::string> needed = {name};
  for (const auto& [n, value] : given) frame.values[n] = value;
  std::vector<const Steps::Step*> list;
  for (auto s = steps.steps.rbegin(); s != steps.steps.rend(); ++s) {
    if (s->index >= index) continue;
    bool gives = false;
    for (const std::string& o : s->node->outputs) {
      gives = gives || (needed.contains(o) && !frame.values.contains(o));
    }
    if (!gives) continue;
    list.push_back(&*s);
    needed.insert(s->node->inputs.begin(), s->node->inputs.end());
  }
  const Frame* before = std::exchange(current_, &frame);
  for (auto s = list.rbegin(); s != list.rend(); ++s) {
    Values results = step(**s, frame);
    for (size_t i = 0; i < (*s)->node->outputs.size() && i < results.size(); ++i) {
      frame.values.try_emplace((*s)->node->outputs[i], std::move(results[i]));
    }
  }
  const Value* out = find(name, frame);
  if (!out) throw FormatError(program_.model().file + ": \"" + escaped(name) + "\" is not there");
  current_ = before;
  return *out;
}

Values Run::function(const Steps::Step& s, Values inputs, const Frame& outer) {
  const formats::onnx::Function& f = *s.function;
  Frame frame;
  for (size_t i = 0; i < f.inputs.size(); ++i) {
    frame.values[f.inputs[i]] = i < inputs.size() ? std::move(inputs[i]) : Value();
  }
  std::unordered_map<std::string, const Attribute*> bound;
  for (const Attribute& a : f.defaults) bound[a.name] = &a;
  const Frame* before = std::exchange(current_, &outer);
  for (const Attribute& a : s.node->attributes) {
    if (const Attribute* value = resolve(a)) bound[a.name] = value;
  }
  current_ = before;
  frame.bound = &bound;
  return nodes(f.nodes, f.outputs, frame);
}

}  // namespace varve::io::onnx
