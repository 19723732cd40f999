#include "transform/differentiate.h"

#include <unordered_map>

#include "base/error.h"
#include "ir/node.h"
#include "ops/build.h"
#include "varve/ops/pointwise.h"

namespace varve::transform {
namespace {

using ir::Local;
using ir::Node;
using ir::Slots;

/// The nodes between `at` and `outputs` that depend on `at`, each after its inputs.
class Path {
 public:
  Path(std::span<const Tensor> outputs, std::span<const Tensor> at) {
    const std::lock_guard lock(ir::values_mutex());
    for (const Tensor& x : at) ends_.emplace(x.cell().get(), 0);
    for (const Tensor& y : outputs) visit(y.cell());
  }

  const std::vector<ir::NodeRef>& nodes() const { return nodes_; }
  bool depends(const ir::Value& v) const {
    return ends_.contains(&v) ||
           (v.node && active_.contains(v.node.get()) && active_.at(v.node.get()));
  }

 private:
  void visit(const ir::ValueRef& root) {
    std::vector<const ir::NodeRef*> stack;  // they lie in values that the outputs hold
    auto push = [&](const ir::ValueRef& v) {
      if (v->node && !ends_.contains(v.get()) && !active_.contains(v->node.get()))
        stack.push_back(&v->node);
    };
    push(root);
    while (!stack.empty()) {
      const ir::NodeRef& node = *stack.back();
      if (active_.contains(node.get())) {
        stack.pop_back();
        continue;
      }
      const size_t before = stack.size();
      for (const ir::ValueRef& v : node->inputs) push(v);
      if (stack.size() > before) continue;
      stack.pop_back();
      bool active = false;
      for (const ir::ValueRef& v : node->inputs) active |= depends(*v);
      // Nothing differentiable leaves an op of truth values or integers.
      if (std::holds_alternative<ir::NotDifferentiable>(node->op->derivative)) active = false;
      active_[node.get()] = active;
      if (active) nodes_.push_back(node);
    }
  }

  std::unordered_map<const ir::Value*, int> ends_;
  std::unordered_map<const Node*, bool> active_;
  std::vector<ir::NodeRef> nodes_;
};

std::vector<Tensor> handles(const std::vector<ir::ValueRef>& values) {
  std::vector<Tensor> out;
  for (const ir::ValueRef& v : values) out.emplace_back(v);
  return out;
}

/// The outputs of a node as tensors: the cells first made for it, or new ones where these are gone.
std::vector<Tensor> results_of(const ir::NodeRef& node) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < node->results.size(); ++i) {
    ir::ValueRef cell = node->results[i].lock();
    if (!cell) {
      cell = std::make_shared<ir::Value>();
      cell->type = node->outputs[i];
      cell->node = node;
      cell->output = static_cast<int>(i);
    }
    out.emplace_back(std::move(cell));
  }
  return out;
}

/// Differentiates the op's decomposition at the node's inputs.
struct Decomposed {
  std::vector<Tensor> inputs, outputs;
  Decomposed(const Node& node, std::span<const Tensor> x) {
    for (const Tensor& t : x) inputs.push_back(fork(t));
    outputs = node.op->decompose(inputs, node.attributes);
  }
};

Slots partials_of(const ir::Pointwise& rule, const Local& at) { return rule.partials(at); }

class Reverse {
 public:
  Reverse(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
          std::span<const Tensor> at)
      : path_(outputs, at) {
    for (const Tensor& x : at) ends_[x.cell().get()] = Tensor();
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (cotangents[i].defined()) add(outputs[i].cell(), cotangents[i]);
    }
    for (size_t n = path_.nodes().size(); n-- > 0;) through(path_.nodes()[n]);
  }

  Tensor of(const Tensor& x) const { return ends_.at(x.cell().get()); }

 private:
  void add(const ir::ValueRef& v, const Tensor& ct) {
    if (!path_.depends(*v) || !flows(v->type)) return;
    Tensor* slot = nullptr;
    if (auto end = ends_.find(v.get()); end != ends_.end()) {
      slot = &end->second;
    } else {
      auto& slots = flowing_[v->node.get()];
      slots.resize(v->node->outputs.size());
      slot = &slots[static_cast<size_t>(v->output)];
    }
    *slot = slot->defined() ? *slot + ct : ct;
  }

  void through(const ir::NodeRef& self) {
    const Node& node = *self;
    auto found = flowing_.find(&node);
    if (found == flowing_.end()) return;
    Slots cts = std::move(found->second);
    flowing_.erase(found);
    const std::vector<Tensor> x = handles(node.inputs), y = results_of(self);
    std::vector<bool> wanted;
    for (const ir::ValueRef& v : node.inputs) wanted.push_back(path_.depends(*v) && flows(v->type));
    const Local at{x, y, node.attributes, wanted};
    ir::SiteScope site(node.site);
    const Slots grads = transposed(node, at, cts);
    check(grads.size() == x.size(), "a derivative rule gives one slot an input");
    for (size_t i = 0; i < x.size(); ++i) {
      if (grads[i].defined() && wanted[i]) add(node.inputs[i], grads[i]);
    }
  }

  Slots transposed(const Node& node, const Local& at, Slots& cts) {
    const ir::OpDef& op = *node.op;
    const size_t proper = node.outputs.size() - static_cast<size_t>(op.traits.residuals);
    bool through_residual = false;
    for (size_t i = 0; i < cts.size(); ++i) {
      if (i >= proper) {
        through_residual |= cts[i].defined();
      } else if (!cts[i].defined() && flows(node.outputs[i]) && !op.traits.empty_cotangents) {
        cts[i] = zeros(node.outputs[i]);
      }
    }
    if (std::holds_alternative<ir::FromDecomposition>(op.derivative) || through_residual) {
      check(op.decompose != nullptr, "what is differentiated by its decomposition has one");
      const Decomposed d(node, at.inputs);
      return pullback(d.outputs, cts, d.inputs);
    }
    if (auto* rule = std::get_if<ir::Pointwise>(&op.derivative)) {
      Slots partials = partials_of(*rule, at);
      for (size_t i = 0; i < partials.size(); ++i) {
        if (partials[i].defined() && at.wanted[i]) partials[i] = cts[0] * partials[i];
      }
      return partials;
    }
    if (auto* rule = std::get_if<ir::Linear>(&op.derivative)) return rule->transpose(at, cts);
    if (auto* rule = std::get_if<ir::Multilinear>(&op.derivative)) return rule->transpose(at, cts);
    return std::get<ir::Custom>(op.derivative).vjp(at, cts);
  }

  Path path_;
  std::unordered_map<const ir::Value*, Tensor> ends_;
  std::unordered_map<const Node*, Slots> flowing_;
};

class Forward {
 public:
  Forward(std::span<const Tensor> outputs, std::span<const Tensor> at,
          std::span<const Tensor> tangents)
      : path_(outputs, at) {
    for (size_t i = 0; i < at.size(); ++i) ends_[at[i].cell().get()] = tangents[i];
    for (const ir::NodeRef& node : path_.nodes()) through(*node);
  }

  Tensor of(const ir::Value& v) const {
    if (auto end = ends_.find(&v); end != ends_.end()) return end->second;
    auto found = v.node ? moving_.find(v.node.get()) : moving_.end();
    return found == moving_.end() ? Tensor() : found->second[static_cast<size_t>(v.output)];
  }

 private:
  void through(const Node& node) {
    Slots tangents;
    bool any = false;
    std::vector<bool> wanted;
    for (const ir::ValueRef& v : node.inputs) {
      tangents.push_back(flows(v->type) ? of(*v) : Tensor());
      wanted.push_back(tangents.back().defined());
      any |= wanted.back();
    }
    if (!any) return;
    const std::vector<Tensor> x = handles(node.inputs);
    std::vector<Tensor> y;
    for (const auto& weak : node.results) y.emplace_back(weak.lock());
    for (size_t i = 0; i < y.size(); ++i) {
      if (!y[i].defined()) y = again(node, x);
    }
    const Local at{x, y, node.attributes, wanted};
    ir::SiteScope site(node.site);
    moving_[&node] = moved(node, at, tangents);
  }

  /// Equal values for outputs whose cells nobody held.
  static std::vector<Tensor> again(const Node& node, const std::vector<Tensor>& x) {
    return ir::apply_typed(*node.op, x, node.attributes, node.outputs, node.site);
  }

  static Slots moved(const Node& node, const Local& at, Slots& tangents) {
    const ir::OpDef& op = *node.op;
    if (auto* rule = std::get_if<ir::Pointwise>(&op.derivative)) {
      const Slots partials = partials_of(*rule, at);
      Tensor sum;
      for (size_t i = 0; i < partials.size(); ++i) {
        if (!partials[i].defined() || !tangents[i].defined()) continue;
        const Tensor term = tangents[i] * partials[i];
        sum = sum.defined() ? sum + term : term;
      }
      return {sum};
    }
    if (std::holds_alternative<ir::Linear>(op.derivative)) {
      for (size_t i = 0; i < tangents.size(); ++i) {
        const ir::TensorType& t = node.inputs[i]->type;
        if (!tangents[i].defined()) tangents[i] = flows(t) ? zeros(t) : at.x(i);
      }
      return floating_only(ir::apply(op, tangents, node.attributes), node);
    }
    if (auto* rule = std::get_if<ir::Multilinear>(&op.derivative))
      return multilinear(node, *rule, at, tangents);
    if (auto* rule = std::get_if<ir::Custom>(&op.derivative); rule && rule->jvp)
      return rule->jvp(at, tangents);
    check(op.decompose != nullptr, "what is differentiated by its decomposition has one");
    const Decomposed d(node, at.inputs);
    return pushforward(d.outputs, d.inputs, tangents);
  }

  static Slots multilinear(const Node& node, const ir::Multilinear& rule, const Local& at,
                           const Slots& tangents) {
    Slots sum(node.outputs.size());
    for (size_t i = 0; i < static_cast<size_t>(rule.factors); ++i) {
      if (!tangents[i].defined()) continue;
      std::vector<Tensor> factors(at.inputs.begin(), at.inputs.end());
      factors[i] = tangents[i];
      const Slots term = floating_only(ir::apply(*node.op, factors, node.attributes), node);
      for (size_t o = 0; o < sum.size(); ++o) {
        if (term[o].defined()) sum[o] = sum[o].defined() ? sum[o] + term[o] : term[o];
      }
    }
    return sum;
  }

  static Slots floating_only(Slots outputs, const Node& node) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!flows(node.outputs[i])) outputs[i] = Tensor();
    }
    return outputs;
  }

  Path path_;
  std::unordered_map<const ir::Value*, Tensor> ends_;
  std::unordered_map<const Node*, Slots> moving_;
};

}  // namespace

Tensor zeros(const ir::TensorType& t) { return ops::full(0, t.dtype, t.shape); }
Tensor or_zeros(const Tensor& t, const Tensor& like) {
  return t.defined() ? t : zeros(ir::type_of(like));
}

void require_scalar(const char* operation, const Tensor& value, const char* otherwise) {
  if (value.rank() == 0) return;
  throw ShapeError(std::string(operation) + ": the function must return a scalar, got " +
                       ir::type_of(value).to_string(),
                   std::string("take its sum or mean, or use ") + otherwise);
}

Tensor fork(const Tensor& x) { return ops::make("identity", {x}); }

std::vector<Tensor> pullback(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                             std::span<const Tensor> at) {
  const Reverse r(outputs, cotangents, at);
  std::vector<Tensor> out;
  for (const Tensor& x : at) out.push_back(r.of(x));
  return out;
}

std::vector<Tensor> pushforward(std::span<const Tensor> outputs, std::span<const Tensor> at,
                                std::span<const Tensor> tangents) {
  const Forward f(outputs, at, tangents);
  std::vector<Tensor> out;
  for (const Tensor& y : outputs) out.push_back(f.of(*y.cell()));
  return out;
}

}  // namespace varve::transform
