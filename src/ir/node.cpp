#include "ir/node.h"

#include <atomic>
#include <utility>

#include "base/any_batch.h"
#include "base/error.h"
#include "base/math.h"
#include "ir/dispatch.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "ir/infer.h"
#include "ir/size_limit.h"

namespace varve::detail {

Cell::Cell(const Cell& other)
    : type(other.type),
      node(other.node),
      output(other.output),
      array(other.array),
      symbolic(other.symbolic),
      stage_(other.stage_.load()) {}

void Cell::compute(ir::Array elements) {
  array = std::move(elements);
  const bool packed = ir::is_contiguous(type.shape, array.strides);
  stage_.store(packed ? Stage::packed : Stage::computed, std::memory_order_release);
}

void Cell::pack() {
  if (!packed()) compute(ir::contiguous_copy(type, array));
}

}  // namespace varve::detail

namespace varve::ir {
namespace {

thread_local std::shared_ptr<const std::string> current_layer;
thread_local const Site* current_site = nullptr;

// Long chains of pending nodes cost memory and nothing is gained by waiting; see the design, "no
// tape".
constexpr int kPendingNodes = 256;
constexpr int64_t kPendingBytes = int64_t{64} << 20;
thread_local int pending_nodes = 0;
thread_local int64_t pending_bytes = 0;

// Of one tensor; see SizeLimit.
thread_local int64_t most_elements = INT64_MAX;

void check_size(const OpDef& op, const Types& outputs) {
  if (most_elements == INT64_MAX) return;
  for (const TensorType& t : outputs) {
    const int64_t count = t.shape.size();
    if (count <= most_elements) continue;
    throw ShapeError(std::string(op.name) + ": needs " + std::to_string(count) +
                     " elements, limit " + std::to_string(most_elements));
  }
}

[[noreturn]] void rethrow_at(const Error& e, const std::string& at) {
  const std::string where = e.at().empty() ? at : e.at();
  if (dynamic_cast<const ShapeError*>(&e)) throw ShapeError(e.message(), e.hint(), where);
  if (dynamic_cast<const DTypeError*>(&e)) throw DTypeError(e.message(), e.hint(), where);
  if (dynamic_cast<const IndexError*>(&e)) throw IndexError(e.message(), e.hint(), where);
  if (dynamic_cast<const ValueError*>(&e)) throw ValueError(e.message(), e.hint(), where);
  if (dynamic_cast<const UnsupportedError*>(&e))
    throw UnsupportedError(e.message(), e.hint(), where);
  throw;
}

void evaluate_if_long(const std::vector<Tensor>& made, const Types& outputs) {
  if (tracing()) return;
  ++pending_nodes;
  for (const TensorType& t : outputs) {
    int64_t bytes = 0;
    const bool counted = checked_multiply(t.shape.size(), size_of(t.dtype), bytes) &&
                         checked_add(pending_bytes, bytes, pending_bytes);
    if (!counted) pending_bytes = kPendingBytes;
  }
  if (pending_nodes < kPendingNodes && pending_bytes < kPendingBytes) return;
  pending_nodes = 0;
  pending_bytes = 0;
  evaluate(made);
}

/// Constants that were broadcast to the shape of a symbolic value are symbolic, too.
bool holds_any_batch(const Types& types) {
  for (const TensorType& t : types) {
    for (int64_t d : t.shape) {
      if (batches_in(d)) return true;
    }
  }
  return false;
}
std::shared_ptr<const std::string> any_batch() {
  static const auto name = std::make_shared<const std::string>("batch");
  return name;
}

}  // namespace

std::string Site::to_string() const {
  std::string text = where.to_string();
  if (layer && !layer->empty()) {
    text += (text.empty() ? "(layer \"" : " (layer \"") + *layer + "\")";
  }
  return text;
}

Node::~Node() {
  // Inputs that only this node holds go to a list instead of the stack.
  thread_local std::vector<std::shared_ptr<detail::Cell>>* dying = nullptr;
  if (dying) {
    for (auto& input : inputs) dying->push_back(std::move(input));
    return;
  }
  std::vector<std::shared_ptr<detail::Cell>> list = std::move(inputs);
  dying = &list;
  while (!list.empty()) {
    std::shared_ptr<detail::Cell> last = std::move(list.back());
    list.pop_back();
    last.reset();
  }
  dying = nullptr;
}

uint64_t next_serial() {
  static std::atomic<uint64_t> count{0};
  return count.fetch_add(1, std::memory_order_relaxed);
}

SizeLimit::SizeLimit(int64_t elements) : before_(std::exchange(most_elements, elements)) {}
SizeLimit::~SizeLimit() { most_elements = before_; }

std::vector<Tensor> apply_typed(const OpDef& op, std::span<const Tensor> inputs,
                                Attributes attributes, Types outputs, Site site) {
  check_size(op, outputs);
  auto node = std::make_shared<Node>();
  node->op = &op;
  node->inputs.reserve(inputs.size());
  for (const Tensor& x : inputs) node->inputs.push_back(x.cell());
  node->attributes = std::move(attributes);
  node->outputs = std::move(outputs);
  node->site = std::move(site);
  std::shared_ptr<const std::string> symbolic;
  for (const auto& input : node->inputs) {
    if (!symbolic) symbolic = input->symbolic;
  }
  if (!symbolic && holds_any_batch(node->outputs)) symbolic = any_batch();
  std::vector<Tensor> made;
  made.reserve(node->outputs.size());
  for (size_t i = 0; i < node->outputs.size(); ++i) {
    auto cell = std::make_shared<detail::Cell>();
    cell->type = node->outputs[i];
    cell->node = node;
    cell->output = static_cast<int>(i);
    cell->symbolic = symbolic;
    node->results.push_back(cell);
    made.emplace_back(std::move(cell));
  }
  if (!symbolic) evaluate_if_long(made, node->outputs);
  return made;
}

std::vector<Tensor> apply(const OpDef& op, std::span<const Tensor> inputs, Attributes attributes,
                          Where where) {
  Site site = current_site ? *current_site : Site{where, current_layer};
  const int count = static_cast<int>(inputs.size());
  check(count >= op.min_inputs && count <= op.max_inputs, op.name);
  Types types;
  types.reserve(inputs.size());
  for (const Tensor& x : inputs) {
    if (!x.defined()) {
      throw ValueError(std::string(op.name) + ": an operand is an empty Tensor (made by Tensor())",
                       "give it a value first", site.to_string());
    }
    types.push_back(x.cell()->type);
  }
  Types outputs;
  try {
    outputs = infer(op, types, attributes);
  } catch (const Error& e) {
    rethrow_at(e, site.to_string());
  }
  return apply_typed(op, inputs, std::move(attributes), std::move(outputs), std::move(site));
}

Tensor apply_one(const OpDef& op, std::initializer_list<Tensor> inputs, Attributes attributes,
                 Where where) {
  return apply(op, std::span<const Tensor>(inputs.begin(), inputs.size()), std::move(attributes),
               where)[0];
}

Tensor placeholder(const TensorType& type) {
  auto cell = std::make_shared<detail::Cell>();
  cell->type = type;
  return Tensor(std::move(cell));
}

Tensor computed(DType dtype, const Shape& shape, Array array) {
  auto cell = std::make_shared<detail::Cell>();
  cell->type = {dtype, shape};
  cell->compute(std::move(array));
  return Tensor(std::move(cell));
}

std::recursive_mutex& values_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

Tensor alias(const Tensor& x) {
  const std::lock_guard lock(values_mutex());
  return Tensor(std::make_shared<detail::Cell>(*x.cell()));
}

const TensorType& type_of(const Tensor& x) {
  if (!x.defined()) throw ValueError("an empty Tensor (made by Tensor()) has no type or elements");
  return x.cell()->type;
}

LayerScope::LayerScope(std::string name) : before_(std::move(current_layer)) {
  current_layer = std::make_shared<const std::string>(std::move(name));
}
LayerScope::~LayerScope() { current_layer = std::move(before_); }

SiteScope::SiteScope(const Site& site) : before_(current_site) { current_site = &site; }
SiteScope::SiteScope(std::nullptr_t) : before_(current_site) { current_site = nullptr; }
SiteScope::~SiteScope() { current_site = before_; }

CallerScope::CallerScope(Where where) : site_{where, current_layer}, set_(!current_site) {
  if (set_) current_site = &site_;
}
CallerScope::~CallerScope() {
  if (set_) current_site = nullptr;
}

}  // namespace varve::ir
