#include "io/onnx/emit.h"

#include <algorithm>
#include <unordered_map>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/dispatch.h"
#include "ir/node.h"
#include "ir/storage.h"

namespace varve::io::onnx {
namespace {

const ExportRow* find(std::string_view op) {
  static const std::unordered_map<std::string_view, const ExportRow*> rows = [] {
    std::unordered_map<std::string_view, const ExportRow*> all;
    for (auto family : {pointwise_exports, shape_exports, reduction_exports, indexing_exports,
                        network_exports, linear_exports, control_exports}) {
      for (const ExportRow& row : family())
        check(all.emplace(row.op, &row).second, "one row an op");
    }
    return all;
  }();
  const auto at = rows.find(op);
  return at == rows.end() ? nullptr : at->second;
}

Shape broadcast(const Shape& a, const Shape& b) {
  std::vector<int64_t> out(static_cast<size_t>(std::max(a.rank(), b.rank())), 1);
  for (const Shape& s : {a, b}) {
    for (int i = 0; i < s.rank(); ++i) {
      int64_t& size = out[out.size() - static_cast<size_t>(s.rank() - i)];
      if (s[i] != 1) size = s[i];
    }
  }
  return Shape(std::move(out));
}

/// [0, last, 1, 2, ...].
std::vector<int64_t> to_first(int rank) {
  std::vector<int64_t> axes{0, rank - 1};
  for (int64_t i = 1; i + 1 < rank; ++i) axes.push_back(i);
  return axes;
}
/// [0, 2, 3, ..., 1].
std::vector<int64_t> to_last(int rank) {
  std::vector<int64_t> axes{0};
  for (int64_t i = 2; i < rank; ++i) axes.push_back(i);
  axes.push_back(1);
  return axes;
}

// At opset 17 few operators take bf16, and their kernels are fewer still. What moves elements or
// holds graphs of its own does.
bool halves(const ir::GraphNode& node, const std::vector<Emitted*>& inputs) {
  static const std::set<std::string_view> moving = {
      "reshape",       "broadcast_to", "transpose", "slice", "concat",    "identity",
      "stop_gradient", "cast",         "cond",      "scan",  "while_loop"};
  if (moving.contains(node.op->name)) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Emitted* v) { return v->type.dtype == DType::bf16; });
}

}  // namespace

Attribute integer(std::string name, int64_t value) {
  Attribute a;
  a.name = std::move(name), a.kind = Attribute::Kind::integer, a.integer = value;
  return a;
}
Attribute integers(std::string name, std::vector<int64_t> values) {
  Attribute a;
  a.name = std::move(name), a.kind = Attribute::Kind::integers, a.integers = std::move(values);
  return a;
}
Attribute real(std::string name, double value) {
  Attribute a;
  a.name = std::move(name), a.kind = Attribute::Kind::real, a.real = static_cast<float>(value);
  return a;
}
Attribute text(std::string name, std::string value) {
  Attribute a;
  a.name = std::move(name), a.kind = Attribute::Kind::string, a.string = std::move(value);
  return a;
}

formats::onnx::ValueInfo info(const std::string& name, const ir::TensorType& t) {
  formats::onnx::ValueInfo v;
  v.name = name;
  v.type.kind = formats::onnx::ValueType::Kind::tensor;
  v.type.element = formats::onnx::type_of(t.dtype);
  v.type.has_shape = true;
  for (int64_t n : t.shape) {
    v.type.dims.emplace_back();
    if (batches_in(n) == 0) v.type.dims.back().value = n;
    if (batches_in(n) == 1) v.type.dims.back().parameter = "batch";
  }
  return v;
}

void Exported::refuse(const std::string& why) const {
  throw UnsupportedError("ONNX export: " + std::string(node.op->name) + ": " + why, "",
                         node.site.to_string());
}

std::string Emitter::fresh(std::string_view stem) {
  Emitter& t = top();
  const std::string base(stem.empty() ? "value" : stem);  // "" would be an input left out
  if (t.names_.insert(base).second) return base;
  for (int& count = t.used_[base];;) {
    std::string name = base + "_" + std::to_string(++count);
    if (t.names_.insert(name).second) return name;
  }
}

std::vector<std::string> Emitter::add_many(const char* op, std::vector<std::string> inputs,
                                           int outputs, std::vector<Attribute> attributes) {
  formats::onnx::Node n;
  n.op = op;
  n.name = fresh("node_" + std::string(op));
  n.inputs = std::move(inputs);
  for (int i = 0; i < outputs; ++i) n.outputs.push_back(fresh(op));
  n.attributes = std::move(attributes);
  graph_.nodes.push_back(n);
  return n.outputs;
}

std::string Emitter::add(const char* op, std::vector<std::string> inputs,
                         std::vector<Attribute> attributes) {
  return add_many(op, std::move(inputs), 1, std::move(attributes))[0];
}

std::string Emitter::literal(const ir::Literal& value, std::string_view name) {
  formats::onnx::TensorData t;
  t.name = fresh(name);
  t.type = formats::onnx::type_of(value.dtype);
  t.shape = value.shape;
  const ir::Array packed = ir::is_contiguous(value.shape, value.array.strides)
                               ? value.array
                               : ir::contiguous_copy({value.dtype, value.shape}, value.array);
  t.array = formats::Array(value.dtype, value.shape);
  const int64_t bytes = value.shape.size() * size_of(value.dtype);
  std::copy_n(reinterpret_cast<const std::byte*>(packed.data()), bytes, t.array.bytes.data());
  top().graph_.initializers.push_back(std::move(t));
  return top().graph_.initializers.back().name;
}

std::string Emitter::ints(const std::vector<int64_t>& values) {
  const auto at = top().integers_.find(values);
  if (at != top().integers_.end()) return at->second;
  const Tensor t = tensor(values, Shape{values.size()});
  return top().integers_[values] =
             literal({DType::i64, t.shape(), ir::contiguous_array(t)}, "ints");
}

std::string Emitter::number(double value, DType dtype) {
  const Tensor t = scalar(value, dtype);
  return literal({dtype, {}, ir::contiguous_array(t)}, "number");
}

std::string Emitter::batch() {
  if (outer_) return outer_->batch();
  if (batch_.empty()) batch_ = add("Gather", {add("Shape", {batch_source_}), ints({0})});
  return batch_;
}

std::string Emitter::sizes(std::span<const int64_t> shape) {
  if (std::none_of(shape.begin(), shape.end(), batches_in))
    return ints({shape.begin(), shape.end()});
  std::vector<std::string> parts;
  for (int64_t n : shape) {
    const int64_t batches = batches_in(n);
    parts.push_back(batches == 0   ? ints({n})
                    : batches == 1 ? batch()
                                   : add("Mul", {batch(), ints({batches})}));
  }
  return add("Concat", parts, {integer("axis", 0)});
}

std::string Emitter::reshape(const std::string& x, std::span<const int64_t> shape) {
  std::vector<int64_t> known(shape.begin(), shape.end());
  const auto open = [](int64_t n) { return batches_in(n) > 0; };
  // One open size is what the others leave.
  const bool empty = std::find(known.begin(), known.end(), 0) != known.end();
  if (std::count_if(known.begin(), known.end(), open) == 1 && !empty) {
    std::replace_if(known.begin(), known.end(), open, int64_t{-1});
    return add("Reshape", {x, ints(known)});
  }
  return add("Reshape", {x, sizes(shape)}, {integer("allowzero", 1)});
}

std::string Emitter::transpose(const std::string& x, const std::vector<int64_t>& axes) {
  if (std::is_sorted(axes.begin(), axes.end())) return x;
  return add("Transpose", {x}, {integers("perm", axes)});
}

const std::string& Emitter::plain(Emitted& v) {
  if (!v.plain.empty()) return v.plain;
  if (!v.channels_first.empty()) {
    v.plain = transpose(v.channels_first, to_last(v.type.shape.rank()));
  } else {
    check(!v.narrow.empty(), "an exported value has a form");
    v.plain = add("Expand", {v.narrow, sizes(v.type.shape.dims())});
  }
  return v.plain;
}

const std::string& Emitter::first(Emitted& v) {
  if (v.channels_first.empty()) {
    v.channels_first = transpose(plain(v), to_first(v.type.shape.rank()));
  }
  return v.channels_first;
}

Emitted Emitter::elementwise(
    const ir::TensorType& out, std::span<Emitted* const> in,
    const std::function<std::string(const std::vector<std::string>&)>& make) {
  Emitted made{out, {}, {}, {}, {}};
  std::vector<std::string> names;
  const auto narrow = [](const Emitted* v) { return !v->narrow.empty(); };
  if (std::all_of(in.begin(), in.end(), narrow)) {
    for (Emitted* v : in) {
      names.push_back(v->narrow);
      made.narrow_shape = broadcast(made.narrow_shape, v->narrow_shape);
    }
    made.narrow = make(names);
    return made;
  }
  const int rank = out.shape.rank();
  // What a convolution gave stays as it is where the other operands can follow.
  const auto follows = [&](const Emitted* v) {
    if (!narrow(v)) return !v->channels_first.empty();
    const Shape& s = v->narrow_shape;
    return s.size() == 1 || (s.rank() == 1 && s[0] == out.shape[rank - 1]);
  };
  if (rank > 2 && std::all_of(in.begin(), in.end(), follows)) {
    for (Emitted* v : in) {
      std::string name = narrow(v) ? v->narrow : v->channels_first;
      if (narrow(v) && v->narrow_shape.size() > 1) {
        std::vector<int64_t> column(static_cast<size_t>(rank) - 1, 1);
        column[0] = v->narrow_shape[0];
        name = reshape(name, column);
      }
      names.push_back(std::move(name));
    }
    made.channels_first = make(names);
    return made;
  }
  for (Emitted* v : in) names.push_back(narrow(v) ? v->narrow : plain(*v));
  made.plain = make(names);
  return made;
}

Emitted Emitter::cast(Emitted& v, DType to) {
  const auto as = [&](const std::string& name) {
    std::string& known = cast_[{name, to}];
    if (known.empty()) {
      known =
          add("Cast", {name}, {integer("to", static_cast<int64_t>(formats::onnx::type_of(to)))});
    }
    return known;
  };
  Emitted out{{to, v.type.shape}, {}, {}, {}, v.narrow_shape};
  if (!v.narrow.empty()) {
    out.narrow = as(v.narrow);
  } else if (!v.channels_first.empty()) {
    out.channels_first = as(v.channels_first);
  } else {
    out.plain = as(plain(v));
  }
  return out;
}

void Emitter::emit_node(const Exported& e) {
  if (const ExportRow* row = find(e.node.op->name)) {
    row->emit(e);
    return;
  }
  if (!e.node.op->decompose) e.refuse("there is no ONNX operator for it at opset 17");
  ir::Types types;
  for (const Emitted* v : e.inputs) types.push_back(v->type);
  const ir::Graph body = ir::trace_body(
      types, [&](std::span<const Tensor> x) { return e.node.op->decompose(x, e.node.attributes); });
  std::vector<Emitted> operands;
  for (Emitted* v : e.inputs) {
    // Its forms are made here, where later readers find them too.
    if (v->narrow.empty() && v->channels_first.empty()) plain(*v);
    operands.push_back(*v);
  }
  e.outputs = emit(body, std::move(operands));
}

// By way of f32, in which halves are exact.
void Emitter::emit_wide(const Exported& e) {
  std::vector<Emitted> wide;
  wide.reserve(e.inputs.size());
  ir::GraphNode node = e.node;
  for (ir::TensorType& t : node.outputs) {
    if (t.dtype == DType::bf16) t.dtype = f32;
  }
  for (size_t i = 0; i < e.outputs.size(); ++i) e.outputs[i].type = node.outputs[i];
  Exported inside{*this, node, {}, e.outputs, e.read};
  for (Emitted* v : e.inputs) {
    wide.push_back(v->type.dtype == DType::bf16 ? cast(*v, f32) : *v);
    inside.inputs.push_back(&wide.back());
  }
  emit_node(inside);
  for (size_t i = 0; i < e.outputs.size(); ++i) {
    Emitted& out = e.outputs[i];
    const bool given = !(out.plain.empty() && out.channels_first.empty() && out.narrow.empty());
    if (given && e.node.outputs[i].dtype == DType::bf16 && out.type.dtype != DType::bf16) {
      out = cast(out, DType::bf16);
    }
  }
}

std::vector<Emitted> Emitter::emit(const ir::Graph& graph, std::vector<Emitted> inputs) {
  std::vector<std::vector<Emitted>> made(graph.nodes.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    made[static_cast<size_t>(graph.inputs[i])] = {std::move(inputs[i])};
  const auto value = [&](ir::ValueId v) -> Emitted& {
    return made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  };
  std::set<std::pair<int32_t, int32_t>> read;
  for (const ir::GraphNode& node : graph.nodes) {
    for (ir::ValueId v : node.inputs) read.emplace(v.node, v.output);
  }
  for (ir::ValueId v : graph.outputs) read.emplace(v.node, v.output);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::GraphNode& node = graph.nodes[n];
    if (ir::is_input(node)) continue;
    for (const ir::TensorType& t : node.outputs) made[n].push_back({t, {}, {}, {}, {}});
    if (ir::is_constant(node)) {
      made[n][0].plain = literal(node.attributes.get<ir::Literal>("value"));
      continue;
    }
    Exported e{*this, node, {}, made[n]};
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      e.read.push_back(read.contains({static_cast<int32_t>(n), static_cast<int32_t>(o)}));
    }
    for (ir::ValueId v : node.inputs) e.inputs.push_back(&value(v));
    halves(node, e.inputs) ? emit_wide(e) : emit_node(e);
  }
  std::vector<Emitted> outputs;
  for (ir::ValueId v : graph.outputs) outputs.push_back(value(v));
  return outputs;
}

}  // namespace varve::io::onnx
