// Nodes and cells: the live form of a computation, as user code builds it.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ir/attributes.h"
#include "ir/op.h"
#include "ir/storage.h"
#include "varve/tensor.h"

namespace varve::ir {

/// Where a node was made: the user's line and the layer that was being called.
struct Site {
  Where where;
  std::shared_ptr<const std::string> layer;
  /// `train.cpp:41 (layer "dense_1")`, or empty.
  std::string to_string() const;
};

/// The serial number of a node that is made now.
uint64_t next_serial();

/// An operation applied to values. Immutable once made.
struct Node {
  const OpDef* op = nullptr;
  std::vector<std::shared_ptr<detail::Cell>> inputs;
  Attributes attributes;
  Types outputs;
  Site site;
  uint64_t serial = next_serial();  ///< greater than that of every node made before
  std::vector<std::weak_ptr<detail::Cell>> results;  // one an output; the cells first made for it

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();  // iterative: a chain of a million nodes must not overflow the stack
};
using NodeRef = std::shared_ptr<const Node>;

/// What a node computes, wherever its inputs come from: of a graph's node or a live one, and valid
/// as long as that is.
struct Operation {
  const OpDef* op;
  const Attributes& attributes;
  const Types& outputs;
  const Site& site;

  template <class AnyNode>
  Operation(const AnyNode& n)
      : op(n.op), attributes(n.attributes), outputs(n.outputs), site(n.site) {}
};

}  // namespace varve::ir

namespace varve::detail {

/// A value: pending (node, output), computed (array), a placeholder of a trace (neither), or, while
/// links are kept for differentiation, pending and computed at once. Only it changes, and under
/// ir::values_mutex() alone; a computed value's elements may be read without it.
class Cell {
 public:
  ir::TensorType type;
  ir::NodeRef node;
  int output = 0;
  ir::Array array;  ///< see compute, pack
  /// Not null: an input of a model to be, of that name, or computed from one (nn::Input). It has a
  /// type, but never elements.
  std::shared_ptr<const std::string> symbolic;

  Cell() = default;
  Cell(const Cell& other);

  bool computed() const { return stage_.load(std::memory_order_acquire) != Stage::pending; }
  bool placeholder() const { return !node && !computed(); }
  /// Whether the elements lie in row-major order without gaps, and stay where they are.
  bool packed() const { return stage_.load(std::memory_order_acquire) == Stage::packed; }
  /// Gives the elements; what reads them meanwhile sees all of it or nothing.
  void compute(ir::Array elements);
  /// Replaces the elements of a computed value by equal ones in row-major order.
  void pack();

 private:
  enum class Stage : uint8_t { pending, computed, packed };
  std::atomic<Stage> stage_{Stage::pending};
};

}  // namespace varve::detail

namespace varve::ir {
using Value = detail::Cell;
using ValueRef = std::shared_ptr<detail::Cell>;

/// Applies an op: checks with its shape rule, makes a node, returns a tensor an output.
/// Errors are rethrown with the place added. Outside traces, long pending chains are evaluated.
std::vector<Tensor> apply(const OpDef& op, std::span<const Tensor> inputs,
                          Attributes attributes = {}, Where where = {});
/// The same for an op with one output.
Tensor apply_one(const OpDef& op, std::initializer_list<Tensor> inputs, Attributes attributes = {},
                 Where where = {});
/// A node with output types that are known already (replaying a graph).
std::vector<Tensor> apply_typed(const OpDef& op, std::span<const Tensor> inputs,
                                Attributes attributes, Types outputs, Site site);

/// A value with no node and no elements: an input of a trace.
Tensor placeholder(const TensorType& type);
/// A value over given elements.
Tensor computed(DType dtype, const Shape& shape, Array array);
/// A distinct value with the same node, output and elements: what gradients are taken at.
Tensor alias(const Tensor& x);
const TensorType& type_of(const Tensor& x);

/// Held while a value's producer or elements are changed, or several values are looked at together;
/// never while a kernel runs.
std::recursive_mutex& values_mutex();
/// Makes the values of the roots; defined in runtime. Two threads may evaluate the same values:
/// both compute, and the first one's results stay.
void evaluate(std::span<const Tensor> roots);
/// Elements of a computed or pending value in row-major order without gaps.
const Array& contiguous_array(const Tensor& x);

/// Names the layer whose call makes the nodes of this thread, while it lives.
class LayerScope {
 public:
  explicit LayerScope(std::string name);
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  std::shared_ptr<const std::string> before_;
};
/// Gives all nodes this site while it lives, whatever line makes them: nodes of derivative rules
/// and decompositions that of the node they come from. `nullptr`: each node its own, where a rule
/// calls functions of the user's.
class SiteScope {
 public:
  explicit SiteScope(const Site& site);
  explicit SiteScope(std::nullptr_t);
  ~SiteScope();
  SiteScope(const SiteScope&) = delete;
  SiteScope& operator=(const SiteScope&) = delete;

 private:
  const Site* before_;
};
/// Gives the nodes of a function that is made of others its caller's place, unless one holds
/// already (an outer such function, a derivative rule).
class CallerScope {
 public:
  explicit CallerScope(Where where);
  ~CallerScope();
  CallerScope(const CallerScope&) = delete;
  CallerScope& operator=(const CallerScope&) = delete;

 private:
  Site site_;
  bool set_;
};

}  // namespace varve::ir
