#include "io/onnx/export.h"

#include <algorithm>

#include "base/any_batch.h"
#include "base/error.h"
#include "formats/atomic_file.h"
#include "io/onnx/emit.h"
#include "ir/frame.h"
#include "transform/dead_code.h"
#include "varve/nn/network.h"
#include "varve/onnx.h"

namespace varve::io::onnx {
namespace {

ir::TensorType with_any_batch(const nn::OpenType& t) {
  std::vector<int64_t> dims = t.shape.dims();
  for (int64_t& d : dims) {
    if (d < 0) d = kAnyBatch;
  }
  return {t.dtype, Shape(std::move(dims))};
}

/// The model's computation for any batch: inputs first, then the variables that it reads.
struct Trace {
  ir::Graph graph;
  std::vector<ir::VariableRef> variables;
};

Trace trace(const Layer& model, const std::vector<nn::Port>& inputs) {
  Trace t;
  ir::Frame frame(ir::Frame::Kind::trace);
  std::vector<Tensor> x;
  for (const nn::Port& p : inputs) x.push_back(ir::placeholder(with_any_batch(p.type)));
  const Tensors y = model(Tensors(x), {.training = false});
  for (const ir::Binding& b : frame.bindings()) {
    if (!b.input.defined()) continue;
    x.push_back(b.input);
    t.variables.push_back(b.variable);
  }
  t.graph = transform::eliminate_dead_code(ir::linearize(y.list(), x));
  return t;
}

/// Writes a graph some of whose inputs have a value already.
formats::onnx::Model written(const ir::Graph& graph, std::span<const std::string> inputs,
                             std::span<const std::string> outputs,
                             std::span<const ir::VariableRef> variables) {
  Emitter to;
  to.graph().name = "varve";
  // Inputs and outputs keep their names: nothing else may take one first.
  std::vector<std::string> out_names;
  std::vector<Emitted> operands;
  for (const std::string& name : inputs) {
    const auto node = static_cast<size_t>(graph.inputs[operands.size()]);
    const ir::TensorType& type = graph.nodes[node].outputs[0];
    operands.push_back({type, to.fresh(name), {}, {}, {}});
    to.graph().inputs.push_back(info(operands.back().plain, type));
    if (type.shape.rank() > 0 && batches_in(type.shape[0]) == 1)
      to.set_batch_source(operands.back().plain);
  }
  for (const std::string& name : outputs) out_names.push_back(to.fresh(name));
  for (const ir::VariableRef& v : variables) {
    const ir::Literal value{v->type.dtype, v->type.shape,
                            ir::contiguous_array(ir::read_variable(v))};
    operands.push_back({v->type, to.literal(value, v->name), {}, {}, {}});
  }
  std::vector<Emitted> made = to.emit(graph, std::move(operands));
  for (size_t i = 0; i < made.size(); ++i) {
    to.add("Identity", {to.plain(made[i])});
    to.graph().nodes.back().outputs[0] = out_names[i];
    to.graph().outputs.push_back(info(out_names[i], made[i].type));
  }
  formats::onnx::Model m;
  m.ir_version = kExportIr;
  m.producer = "varve";
  m.opsets = {{"", kExportOpset}};
  m.graph = std::move(to.graph());
  return m;
}

}  // namespace

formats::onnx::Model to_onnx(const ir::Graph& graph, std::span<const std::string> inputs,
                             std::span<const std::string> outputs) {
  check(inputs.size() == graph.inputs.size() && outputs.size() == graph.outputs.size(),
        "a name for each input and output");
  return written(transform::eliminate_dead_code(graph), inputs, outputs, {});
}

formats::onnx::Model to_onnx(const Layer& model) {
  std::vector<std::string> inputs, outputs;
  for (const nn::Port& p : nn::inputs_of(model)) inputs.push_back(p.name);
  for (const nn::Port& p : nn::outputs_of(model)) outputs.push_back(p.name);
  const Trace t = trace(model, nn::inputs_of(model));
  return written(t.graph, inputs, outputs, t.variables);
}

}  // namespace varve::io::onnx

namespace varve::onnx {

void save(const Layer& model, std::string_view path) {
  const std::string bytes = formats::onnx::serialize(io::onnx::to_onnx(model));
  if (bytes.size() >= size_t{1} << 31) {
    throw UnsupportedError("ONNX export: the file would have " + std::to_string(bytes.size()) +
                           " bytes; readers stop at 2^31 - 1");
  }
  formats::write_file(std::string(path), bytes);
}

}  // namespace varve::onnx
