// Frames: what reading and assigning variables means while a computation is traced or
// differentiated.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ir/node.h"
#include "varve/tensor.h"

namespace varve::detail {

struct VariableState {
  std::string name;
  ir::TensorType type;
  bool trainable = true;
  Tensor value;                     // empty until the first read
  std::function<Tensor()> initial;  // makes it
  uint64_t version = 0;
  // Where set, a read outside traces takes the value from it, unless that is empty (no change). An
  // assignment ends it.
  std::function<Tensor()> follow;
  // What an optimizer makes of a new value before it assigns it; empty: nothing.
  std::function<Tensor(const Tensor&)> constraint;
};

}  // namespace varve::detail

namespace varve::ir {

using VariableRef = std::shared_ptr<detail::VariableState>;

/// What a frame knows of one variable.
struct Binding {
  VariableRef variable;
  Tensor input;    ///< what the first read gave; empty where it was only assigned
  Tensor current;  ///< what a read gives now
  bool assigned = false;
};

/// A tensor that must be finite before a step's assignments are carried out.
struct Guard {
  Tensor tensor;
  std::string label;  ///< "loss", "gradient of conv2d_1.kernel"
};

/// A tensor that somebody looks at when the step that makes it has ended.
struct Observation {
  Tensor tensor;
  std::function<void(const Tensor&)> look;
};

/// While a frame lives on a thread, variables are read and assigned through it.
///  trace:    the first read makes a placeholder, assignments become outputs; reading elements of
///            what depends on a placeholder is an error.
///  gradient: the listed variables are bound to values of their own, and nodes keep their links, so
///            that what was computed can be differentiated; assignments go on to the frame outside
///            when it closes.
class Frame {
 public:
  enum class Kind { trace, gradient };
  explicit Frame(Kind kind);
  ~Frame();
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  Kind kind() const { return kind_; }
  const std::vector<Binding>& bindings() const { return bindings_; }
  const std::vector<Guard>& guards() const { return guards_; }
  const std::vector<Observation>& observations() const { return observations_; }
  /// Binds a variable to a value of its own.
  void bind(const VariableRef& variable, const Tensor& value);
  /// Hands assignments and guards to the frame outside (or to the variables themselves) as values
  /// through which no gradient flows, and forgets them. Gradient frames do so when they succeed.
  void commit();

 private:
  friend Tensor read_variable(const VariableRef&);
  friend void assign_variable(const VariableRef&, const Tensor&);
  friend void guard(const Tensor&, std::string);
  friend void observe(const Tensor&, std::function<void(const Tensor&)>);
  Binding* find(const VariableRef& variable);
  Kind kind_;
  Frame* outer_;
  std::vector<Binding> bindings_;
  std::vector<Guard> guards_;
  std::vector<Observation> observations_;
};

Tensor read_variable(const VariableRef& variable);
void assign_variable(const VariableRef& variable, const Tensor& value);
/// Notes a tensor that must be finite before the assignments of the frame take effect; outside
/// frames it is checked at once. NumericError names the label.
void guard(const Tensor& tensor, std::string label);

/// Has a tensor looked at: at once, or when the trace's step has run.
void observe(const Tensor& tensor, std::function<void(const Tensor&)> look);

/// Whether this thread is inside a trace, whatever lies between.
bool tracing();
/// Whether nodes must keep their inputs after evaluation.
bool links_kept();
/// Remembers a value that was computed while links were kept, to cut it when the last such frame
/// closes.
void cut_later(const ValueRef& value);

}  // namespace varve::ir
