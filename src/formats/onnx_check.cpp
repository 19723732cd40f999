// What must hold between the parts of a model: names, order, opsets, functions.
#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "formats/onnx.h"

namespace varve::formats::onnx {
namespace {

// Functions are written out where they are called: so many nodes at most, and so deep.
constexpr int64_t kMaxInlined = 10'000'000;
constexpr int kMaxFunctionDepth = 100;

using Names = std::unordered_set<std::string>;

class GraphCheck {
 public:
  GraphCheck(const Model& model, const std::vector<Node>& nodes) : model_(model), nodes_(nodes) {}

  void define(const std::string& name, const std::string& what) {
    if (name.empty()) return;
    if (!defined_.insert(name).second) fail(what + ": \"" + escaped(name) + "\" is given twice");
  }
  void define_again(const std::string& name) { defined_.insert(name); }

  void nodes(const std::vector<const Names*>& scopes) {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& n = nodes_[i];
      for (size_t k = 0; k < n.inputs.size(); ++k) {
        if (n.inputs[k].empty() || known(n.inputs[k], scopes)) continue;
        fail_order(label_of(n, static_cast<int64_t>(i)) + " input " + std::to_string(k) + ": \"" +
                   escaped(n.inputs[k]) + "\" is not produced before it");
      }
      std::vector<const Names*> inner = scopes;
      inner.push_back(&defined_);
      for (const Attribute& a : n.attributes) {
        for (const auto& g : a.graphs) graph(model_, *g, inner);
      }
      for (size_t k = 0; k < n.outputs.size(); ++k) {
        define(n.outputs[k], label_of(n, static_cast<int64_t>(i)) + " output " + std::to_string(k));
      }
    }
  }

  void output(const std::string& name, const std::vector<const Names*>& scopes) const {
    if (known(name, scopes)) return;
    fail("output \"" + escaped(name) + "\" is not produced");
  }

  static void graph(const Model& model, const Graph& g, const std::vector<const Names*>& scopes) {
    GraphCheck check(model, g.nodes);
    for (const ValueInfo& v : g.inputs) check.define(v.name, "input");
    // An initializer may give an input its default.
    Names given;
    const auto initializer = [&](const std::string& name) {
      if (!given.insert(name).second) {
        check.fail("initializer \"" + escaped(name) + "\" is given twice");
      }
      check.define_again(name);
    };
    for (const TensorData& t : g.initializers) initializer(t.name);
    for (const auto& [name, sparse] : g.sparse_initializers) initializer(name);
    check.nodes(scopes);
    for (const ValueInfo& v : g.outputs) check.output(v.name, scopes);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(model_.file + ": " + what);
  }

  bool known(const std::string& name, const std::vector<const Names*>& scopes) const {
    if (defined_.contains(name)) return true;
    return std::any_of(scopes.begin(), scopes.end(),
                       [&](const Names* s) { return s->contains(name); });
  }

  // A node that reads what comes later: a cycle, or nodes in the wrong order.
  [[noreturn]] void fail_order(const std::string& otherwise) const {
    std::unordered_map<std::string, size_t> producer;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (const std::string& o : nodes_[i].outputs) {
        if (!o.empty()) producer[o] = i;
      }
    }
    // Depth first with a stack of its own: graphs may be long.
    enum class State : uint8_t { fresh, open, done };
    std::vector<State> state(nodes_.size(), State::fresh);
    std::vector<std::pair<size_t, size_t>> stack;  // node, next input
    for (size_t start = 0; start < nodes_.size(); ++start) {
      if (state[start] != State::fresh) continue;
      stack = {{start, 0}};
      state[start] = State::open;
      while (!stack.empty()) {
        auto& [node, next] = stack.back();
        if (next == nodes_[node].inputs.size()) {
          state[node] = State::done;
          stack.pop_back();
          continue;
        }
        const auto at = producer.find(nodes_[node].inputs[next++]);
        if (at == producer.end() || state[at->second] == State::done) continue;
        if (state[at->second] == State::open) fail_cycle(stack, at->second);
        state[at->second] = State::open;
        stack.push_back({at->second, 0});
      }
    }
    fail(otherwise);
  }

  [[noreturn]] void fail_cycle(const std::vector<std::pair<size_t, size_t>>& stack,
                               size_t again) const {
    // The stack goes from readers to producers.
    std::string text;
    size_t at = stack.size();
    const auto name = [&](size_t i) {
      const Node& n = nodes_[i];
      return escaped(n.name.empty() ? n.op + " (node " + std::to_string(i) + ")" : n.name);
    };
    text = name(again);
    while (at-- > 0) {
      text += " -> " + name(stack[at].first);
      if (stack[at].first == again) break;
    }
    fail("graph has a cycle: " + text);
  }

  const Model& model_;
  const std::vector<Node>& nodes_;
  Names defined_;
};

using FunctionKey = std::tuple<std::string, std::string, std::string>;  // domain, name, overload

class FunctionCheck {
 public:
  explicit FunctionCheck(const Model& model) : model_(model) {
    for (const Function& f : model.functions) {
      if (functions_.emplace(FunctionKey(f.domain, f.name, f.overload), &f).second) continue;
      throw FormatError(model.file + ": function \"" + escaped(f.name) + "\" is defined twice");
    }
  }

  void check() {
    for (const Function& f : model_.functions) {
      std::vector<const Names*> scopes;
      GraphCheck names(model_, f.nodes);
      for (const std::string& i : f.inputs)
        names.define(i, "function \"" + escaped(f.name) + "\" input");
      names.nodes(scopes);
      for (const std::string& o : f.outputs) names.output(o, scopes);
    }
    if (functions_.empty()) return;
    int height = 0;
    size_of_nodes(model_.graph.nodes, height);
  }

 private:
  /// What a function comes to when it is written out.
  struct Written {
    int64_t size = 0;  ///< nodes, and one for the function itself: one without nodes is work, too
    int height = 0;    ///< functions inside functions
  };

  int64_t size_of_nodes(const std::vector<Node>& nodes, int& height) {
    int64_t size = 0;
    for (const Node& n : nodes) {
      const auto at = functions_.find({n.domain, n.op, n.overload});
      if (at == functions_.end()) {
        ++size;
      } else {
        const Written inner = written(*at->second);
        size += inner.size;
        height = std::max(height, inner.height);
      }
      for (const Attribute& a : n.attributes) {
        for (const auto& g : a.graphs) size += size_of_nodes(g->nodes, height);
      }
      if (size > kMaxInlined) {
        throw FormatError(model_.file + ": functions written out are more than " +
                          std::to_string(kMaxInlined) + " nodes");
      }
    }
    return size;
  }

  Written written(const Function& f) {
    if (const auto known = written_.find(&f); known != written_.end()) return known->second;
    if (!open_.insert(&f).second) {
      throw FormatError(model_.file + ": function \"" + escaped(f.name) + "\" calls itself");
    }
    const auto too_deep = [&] {
      throw FormatError(model_.file + ": functions inside functions deeper than " +
                        std::to_string(kMaxFunctionDepth));
    };
    if (open_.size() > static_cast<size_t>(kMaxFunctionDepth)) too_deep();
    Written w;
    w.size = 1 + size_of_nodes(f.nodes, w.height);
    if (++w.height > kMaxFunctionDepth) too_deep();
    open_.erase(&f);
    return written_[&f] = w;
  }

  const Model& model_;
  std::map<FunctionKey, const Function*> functions_;
  std::map<const Function*, Written> written_;
  std::set<const Function*> open_;
};

void check_opsets(const Model& model) {
  const std::string expected =
      "opset: expected " + std::to_string(kMinOpset) + ".." + std::to_string(kMaxOpset) + ", got ";
  if (model.opsets.empty()) throw FormatError(model.file + ": " + expected + "none");
  for (const auto& [domain, version] : model.opsets) {
    if (!domain.empty()) continue;  // those of other domains are held against each node
    if (version < kMinOpset || version > kMaxOpset) {
      throw FormatError(model.file + ": " + expected + std::to_string(version));
    }
  }
}

}  // namespace

std::string label_of(const Node& node, int64_t index) {
  if (!node.name.empty()) return "node \"" + escaped(node.name) + "\"";
  const std::string number = index < 0 ? "" : std::to_string(index) + " ";
  return "node " + number + "(" + escaped(node.op) + ")";
}

void check_model(const Model& model) {
  check_opsets(model);
  GraphCheck::graph(model, model.graph, {});
  FunctionCheck(model).check();
}

}  // namespace varve::formats::onnx
