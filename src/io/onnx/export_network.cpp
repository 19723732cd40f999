// Products, convolutions, pooling, normalization and control flow as ONNX operators.
#include <algorithm>

#include "base/any_batch.h"
#include "io/onnx/emit.h"

namespace varve::io::onnx {
namespace {

std::vector<int64_t> swapped(int rank) {
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return axes;
}

void matmul(const Exported& e) {
  const bool ta = e.node.attributes.flag("transpose_a"), tb = e.node.attributes.flag("transpose_b");
  const Shape &a = e.type(0).shape, &b = e.type(1).shape;
  if (a.rank() == 2 && b.rank() == 2 && is_floating(e.type(0).dtype)) {
    std::vector<std::string> inputs{e.plain(0), e.plain(1)};
    if (e.inputs.size() == 3) inputs.push_back(e.plain(2));
    e.give(e.to.add("Gemm", inputs, {integer("transA", ta), integer("transB", tb)}));
    return;
  }
  const std::string x = ta ? e.to.transpose(e.plain(0), swapped(a.rank())) : e.plain(0),
                    y = tb ? e.to.transpose(e.plain(1), swapped(b.rank())) : e.plain(1);
  const std::string product = e.to.add("MatMul", {x, y});
  e.give(e.inputs.size() == 3 ? e.to.add("Add", {product, e.plain(2)}) : product);
}

/// low of every axis, then high; ONNX knows none below 0.
std::vector<int64_t> pads_of(const Exported& e) {
  std::vector<int64_t> pads = e.ints("padding_low");
  pads.insert(pads.end(), e.ints("padding_high").begin(), e.ints("padding_high").end());
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < 0; }))
    e.refuse("padding below 0");
  return pads;
}

/// A kernel [spatial..., in, out] with its last two axes in front, in either order.
std::string kernel_in_front(const Exported& e, bool out_first) {
  const int64_t rank = e.type(1).shape.rank();
  std::vector<int64_t> axes{out_first ? rank - 1 : rank - 2, out_first ? rank - 2 : rank - 1};
  for (int64_t i = 0; i + 2 < rank; ++i) axes.push_back(i);
  return e.to.transpose(e.plain(1), axes);
}

void convolution(const Exported& e) {
  std::vector<std::string> inputs{e.to.first(*e.inputs[0]), kernel_in_front(e, true)};
  if (e.inputs.size() == 3) inputs.push_back(e.plain(2));
  e.outputs[0].channels_first =
      e.to.add("Conv", inputs,
               {integers("dilations", e.ints("dilation")), integer("group", e.integer("groups")),
                integers("pads", pads_of(e)), integers("strides", e.ints("strides"))});
}

void transposed_convolution(const Exported& e) {
  const ir::Ints &stride = e.ints("strides"), &dilation = e.ints("dilation"),
                 &size = e.ints("size");
  const std::vector<int64_t> pads = pads_of(e);
  std::vector<int64_t> more;
  for (size_t i = 0; i < size.size(); ++i) {
    const int64_t in = e.type(0).shape.dims()[i + 1], taps = e.type(1).shape.dims()[i];
    more.push_back(size[i] - ((in - 1) * stride[i] + (taps - 1) * dilation[i] + 1 - pads[i] -
                              pads[i + size.size()]));
    if (more.back() < 0 || more.back() >= std::max(stride[i], dilation[i]))
      e.refuse("an output padding of " + std::to_string(more.back()));
  }
  e.outputs[0].channels_first = e.to.add(
      "ConvTranspose", {e.to.first(*e.inputs[0]), kernel_in_front(e, true)},
      {integers("dilations", dilation), integer("group", e.integer("groups")),
       integers("output_padding", more), integers("pads", pads), integers("strides", stride)});
}

void max_pool(const Exported& e) {
  if (e.read[1]) e.refuse("the places of the largest elements are read");
  e.outputs[0].channels_first = e.to.add(
      "MaxPool", {e.to.first(*e.inputs[0])},
      {integers("kernel_shape", e.ints("window")), integers("dilations", e.ints("dilation")),
       integers("pads", pads_of(e)), integers("strides", e.ints("strides"))});
}

void average_pool(const Exported& e) {
  const ir::Ints& dilation = e.ints("dilation");
  if (std::any_of(dilation.begin(), dilation.end(), [](int64_t d) { return d != 1; }))
    e.refuse("dilation has an operator from opset 19 on");
  e.outputs[0].channels_first =
      e.to.add("AveragePool", {e.to.first(*e.inputs[0])},
               {integers("kernel_shape", e.ints("window")), integers("pads", pads_of(e)),
                integers("strides", e.ints("strides")),
                integer("count_include_pad", e.node.attributes.flag("count_include_pad"))});
}

template <const char* Op>
void along_axis(const Exported& e) {
  e.give(e.to.add(Op, {e.plain(0)}, {integer("axis", e.integer("axis"))}));
}
constexpr char kSoftmax[] = "Softmax", kLogSoftmax[] = "LogSoftmax";

void batch_norm_inference(const Exported& e) {
  const int64_t rank = e.type(0).shape.rank(), axis = e.integer("axis");
  const std::vector<Attribute> how{real("epsilon", e.node.attributes.real("epsilon"))};
  const bool last = rank > 2 && axis == rank - 1;
  const auto operands = [&](const std::string& x) {
    return std::vector<std::string>{x, e.plain(3), e.plain(4), e.plain(1), e.plain(2)};
  };
  if (last) {
    e.outputs[0].channels_first =
        e.to.add("BatchNormalization", operands(e.to.first(*e.inputs[0])), how);
  } else if (rank == 1) {
    const int64_t channels = e.type(0).shape[0];
    const std::string row = e.to.reshape(e.plain(0), std::vector<int64_t>{1, channels});
    e.give(e.to.reshape(e.to.add("BatchNormalization", operands(row), how),
                        std::vector<int64_t>{channels}));
  } else if (axis == 1) {
    e.give(e.to.add("BatchNormalization", operands(e.plain(0)), how));
  } else {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < rank; ++i) order.push_back(i);
    std::swap(order[1], order[static_cast<size_t>(axis)]);
    const std::string x = e.to.transpose(e.plain(0), order);
    e.give(e.to.transpose(e.to.add("BatchNormalization", operands(x), how), order));
  }
}

// Control flow: bodies see the values around them by name.

/// Puts values out of a body's graph, each under a name that the body makes.
void put_out(Emitter& body, std::vector<Emitted>& values) {
  for (Emitted& v : values) {
    const std::string name = body.add("Identity", {body.plain(v)});
    body.graph().outputs.push_back(info(name, v.type));
  }
}

Attribute graph(std::string name, Emitter& body) {
  Attribute a;
  a.name = std::move(name), a.kind = Attribute::Kind::graph;
  body.graph().name = a.name;
  a.graphs.push_back(std::make_shared<formats::onnx::Graph>(std::move(body.graph())));
  return a;
}

const ir::Graph& graph_of(const Exported& e, const char* name) {
  return *e.node.attributes.get<ir::GraphRef>(name);
}

void cond(const Exported& e) {
  std::vector<Emitted> operands;
  for (size_t i = 1; i < e.inputs.size(); ++i)
    operands.push_back({e.type(i), e.plain(i), {}, {}, {}});
  const auto branch = [&](const char* name, const char* as) {
    Emitter body(&e.to);
    std::vector<Emitted> made = body.emit(graph_of(e, name), operands);
    put_out(body, made);
    return graph(as, body);
  };
  const std::string predicate = e.plain(0);
  std::vector<Attribute> branches;
  branches.push_back(branch("then", "then_branch"));
  branches.push_back(branch("else", "else_branch"));
  const auto names =
      e.to.add_many("If", {predicate}, static_cast<int>(e.outputs.size()), std::move(branches));
  for (size_t i = 0; i < names.size(); ++i) e.outputs[i].plain = names[i];
}

void scan(const Exported& e) {
  const ir::Graph& g = graph_of(e, "body");
  const auto carries = static_cast<size_t>(e.integer("carries")),
             xs = static_cast<size_t>(e.integer("scanned"));
  if (xs == 0) e.refuse("without anything to scan over");
  const size_t stacked = e.outputs.size() - 2 * carries;
  Emitter body(&e.to);
  std::vector<Emitted> operands;
  std::vector<std::string> inputs;
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    const ir::TensorType& t = g.nodes[static_cast<size_t>(g.inputs[i])].outputs[0];
    if (i >= carries + xs) {
      operands.push_back({t, e.plain(i), {}, {}, {}});
      continue;
    }
    const std::string name = body.fresh(i < carries ? "carry" : "element");
    body.graph().inputs.push_back(info(name, t));
    operands.push_back({t, name, {}, {}, {}});
    inputs.push_back(e.plain(i));
  }
  const std::vector<Emitted> before(operands.begin(),
                                    operands.begin() + static_cast<int64_t>(carries));
  std::vector<Emitted> made = body.emit(g, operands);
  std::vector<size_t> kept;  // carries before each step that somebody reads
  for (size_t i = 0; i < carries; ++i) {
    if (!e.read[carries + stacked + i]) continue;
    kept.push_back(carries + stacked + i);
    made.push_back(before[i]);
  }
  put_out(body, made);
  const int64_t direction = e.node.attributes.flag("reverse");
  std::vector<Attribute> how;
  how.push_back(graph("body", body));
  how.push_back(integer("num_scan_inputs", static_cast<int64_t>(xs)));
  how.push_back(integers("scan_input_directions", std::vector<int64_t>(xs, direction)));
  if (stacked + kept.size() > 0) {
    how.push_back(
        integers("scan_output_directions", std::vector<int64_t>(stacked + kept.size(), direction)));
  }
  const auto names =
      e.to.add_many("Scan", inputs, static_cast<int>(carries + stacked + kept.size()), how);
  for (size_t i = 0; i < carries + stacked; ++i) e.outputs[i].plain = names[i];
  for (size_t i = 0; i < kept.size(); ++i) e.outputs[kept[i]].plain = names[carries + stacked + i];
}

void while_loop(const Exported& e) {
  const auto states = static_cast<size_t>(e.integer("states"));
  const int64_t bound = e.integer("max_steps");
  std::vector<Emitted> around;
  for (size_t i = 0; i < e.inputs.size(); ++i)
    around.push_back({e.type(i), e.plain(i), {}, {}, {}});
  std::vector<std::string> inputs{bound < 0 ? std::string()
                                            : e.to.number(static_cast<double>(bound), i64)};
  std::vector<Emitted> at_first = e.to.emit(graph_of(e, "condition"), around);
  inputs.push_back(e.to.plain(at_first[0]));
  Emitter body(&e.to);
  body.graph().inputs.push_back(info(body.fresh("step"), {i64, {}}));
  body.graph().inputs.push_back(info(body.fresh("going"), {DType::bool_, {}}));
  std::vector<Emitted> state = around;
  for (size_t i = 0; i < states; ++i) {
    inputs.push_back(around[i].plain);
    state[i].plain = body.fresh("state");
    body.graph().inputs.push_back(info(state[i].plain, state[i].type));
  }
  std::vector<Emitted> next = body.emit(graph_of(e, "body"), state);
  std::vector<Emitted> again = next;
  for (Emitted& v : again) body.plain(v);
  next = again;
  again.insert(again.end(), around.begin() + static_cast<int64_t>(states), around.end());
  std::vector<Emitted> out = body.emit(graph_of(e, "condition"), again);
  out.insert(out.end(), next.begin(), next.end());
  put_out(body, out);
  std::vector<Attribute> how;
  how.push_back(graph("body", body));
  const auto names = e.to.add_many("Loop", inputs, static_cast<int>(states), std::move(how));
  for (size_t i = 0; i < names.size(); ++i) e.outputs[i].plain = names[i];
}

}  // namespace

std::span<const ExportRow> network_exports() {
  static constexpr ExportRow rows[] = {
      {"matmul", matmul},
      {"convolution", convolution},
      {"convolution_input_gradient", transposed_convolution},
      {"max_pool", max_pool},
      {"average_pool", average_pool},
      {"softmax", along_axis<kSoftmax>},
      {"log_softmax", along_axis<kLogSoftmax>},
      {"batch_norm_inference", batch_norm_inference},
  };
  return rows;
}

std::span<const ExportRow> control_exports() {
  static constexpr ExportRow rows[] = {
      {"cond", cond},
      {"scan", scan},
      {"while_loop", while_loop},
  };
  return rows;
}

}  // namespace varve::io::onnx
