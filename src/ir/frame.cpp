#include "ir/frame.h"

#include <cmath>

#include "base/error.h"
#include "ir/graph.h"

namespace varve::ir {
namespace {

thread_local Frame* innermost = nullptr;
thread_local int traces = 0, gradients = 0;
thread_local std::vector<ValueRef> to_cut;

Tensor stored_value(const VariableRef& v) {
  const std::lock_guard lock(values_mutex());  // one thread makes the first value
  if (!v->value.defined()) {
    v->value = v->initial();
    v->value.evaluate();
  }
  if (v->follow) {
    if (Tensor now = v->follow(); now.defined()) {
      v->value = now;
      ++v->version;
    }
  }
  return v->value;
}

void require_finite(const Guard& g) {
  for (double x : g.tensor.to_doubles()) {
    if (!std::isfinite(x))
      throw NumericError(g.label + " is not finite", "lower the learning rate or check the data");
  }
}

}  // namespace

Frame::Frame(Kind kind) : kind_(kind), outer_(innermost) {
  innermost = this;
  ++(kind == Kind::trace ? traces : gradients);
}

Frame::~Frame() {
  innermost = outer_;
  if (--(kind_ == Kind::trace ? traces : gradients) > 0 || kind_ == Kind::trace) return;
  if (gradients == 0) {
    // What was computed meanwhile no longer needs its history.
    const std::lock_guard lock(values_mutex());
    for (ValueRef& value : to_cut) value->node.reset();
    to_cut.clear();
  }
}

Binding* Frame::find(const VariableRef& variable) {
  for (Binding& b : bindings_) {
    if (b.variable == variable) return &b;
  }
  return nullptr;
}

void Frame::bind(const VariableRef& variable, const Tensor& value) {
  check(find(variable) == nullptr, "a variable is bound once");
  bindings_.push_back({variable, value, value, false});
}

void Frame::commit() {
  Frame* here = innermost;
  innermost = outer_;
  try {
    for (const Guard& g : guards_) guard(g.tensor, g.label);
    for (const Observation& o : observations_) observe(o.tensor, o.look);
    if (!outer_) {
      // All before the first takes effect: computing one of them may fail.
      std::vector<Tensor> values;
      for (const Binding& b : bindings_) {
        if (b.assigned) values.push_back(b.current);
      }
      evaluate(values);
    }
    for (const Binding& b : bindings_) {
      // An alias of a computed value has no history of its own; a pending one is cut off by the
      // outer derivative, which never visits what is only assigned.
      if (b.assigned) assign_variable(b.variable, b.current);
    }
  } catch (...) {
    innermost = here;
    throw;
  }
  innermost = here;
  guards_.clear();
  observations_.clear();
  bindings_.clear();
}

Tensor read_variable(const VariableRef& variable) {
  for (Frame* f = innermost; f; f = f->outer_) {
    if (Binding* b = f->find(variable)) return b->current;
    if (f->kind_ == Frame::Kind::trace) {
      Tensor input = placeholder(variable->type);
      f->bindings_.push_back({variable, input, input, false});
      return input;
    }
  }
  return stored_value(variable);
}

void assign_variable(const VariableRef& variable, const Tensor& value) {
  const TensorType& type = type_of(value);
  if (type.shape != variable->type.shape) {
    throw ShapeError("assign to variable \"" + variable->name + "\": expected shape " +
                     variable->type.shape.to_string() + ", got " + type.shape.to_string());
  }
  if (type.dtype != variable->type.dtype) {
    throw DTypeError("assign to variable \"" + variable->name + "\": expected " +
                     name_of(variable->type.dtype) + ", got " + name_of(type.dtype));
  }
  if (Frame* f = innermost) {
    if (Binding* b = f->find(variable)) {
      b->current = value;
      b->assigned = true;
    } else {
      f->bindings_.push_back({variable, Tensor(), value, true});
    }
    return;
  }
  value.evaluate();
  variable->value = value;
  variable->follow = nullptr;
  ++variable->version;
}

void guard(const Tensor& tensor, std::string label) {
  if (Frame* f = innermost) {
    f->guards_.push_back({tensor, std::move(label)});
  } else {
    require_finite({tensor, std::move(label)});
  }
}

void observe(const Tensor& tensor, std::function<void(const Tensor&)> look) {
  if (!tracing()) {
    look(tensor);
  } else {
    innermost->observations_.push_back({tensor, std::move(look)});
  }
}

bool tracing() { return traces > 0; }
bool links_kept() { return gradients > 0; }
void cut_later(const ValueRef& value) { to_cut.push_back(value); }

}  // namespace varve::ir
