// Runs kernels on operands that lie in blocks of channels.
#pragma once
#include "backend/kernels_under_test.h"
#include "support/winograd_rule.h"

namespace varve {

inline backend::Layout laid(const backend::Layout& l, backend::Format f) {
  return {l.dtype, l.shape, ir::row_major(l.shape), f};
}

/// How a kernel is chosen for operands.
using Choose = backend::Choice (*)(const backend::Request&);
inline backend::Choice first_kernel(const backend::Request& r) {
  return backend::choose_kernel(r, backend::KernelSet::all);
}

/// Runs the kernel that takes these operands; returns its name.
inline std::string run(const ir::OpDef& op, const ir::Attributes& attributes,
                       const std::vector<backend::Layout>& in, const std::vector<void*>& from,
                       const std::vector<backend::Layout>& out, const std::vector<void*>& to,
                       Choose choose = first_kernel) {
  const backend::Choice choice = choose({op, attributes, in, out, 2});
  if (!choice.kernel) {
    ADD_FAILURE() << op.name << ": no kernel"
                  << (choice.declined.empty() ? "" : ": " + choice.declined[0]);
    return {};
  }
  run_prepared(*choice.kernel, from, out, to);
  return choice.name;
}

inline std::vector<std::byte> relaid(const backend::Layout& from, const void* elements,
                                     backend::Format format) {
  std::vector<std::byte> made(static_cast<size_t>(from.shape.size() * size_of(from.dtype)));
  run(ops::get("cast"), {{"dtype", from.dtype}}, {from}, {const_cast<void*>(elements)},
      {laid(from, format)}, {made.data()});
  return made;
}

/// A candidate's kernel on relaid operands, what it writes relaid back.
inline Ran run_candidate(const transform::Candidate& way, const char* op_name,
                         std::vector<TestOperand>& inputs, const ir::Attributes& attributes,
                         Choose choose = first_kernel) {
  using backend::Format;
  using backend::Layout;
  const ir::OpDef& op = ops::get(op_name);
  ir::Types types;
  std::vector<Layout> in;
  std::vector<std::vector<std::byte>> memory;
  std::vector<void*> from;
  for (size_t i = 0; i < inputs.size(); ++i) {
    types.push_back({inputs[i].layout.dtype, inputs[i].layout.shape});
    in.push_back(way.inputs[i] == Format::plain ? inputs[i].layout
                                                : laid(inputs[i].layout, way.inputs[i]));
    if (way.inputs[i] == Format::plain) {
      from.push_back(inputs[i].data());
    } else {
      memory.push_back(relaid(inputs[i].layout, inputs[i].data(), way.inputs[i]));
      from.push_back(memory.back().data());
    }
  }
  const ir::TensorType made = op.infer({op, types, attributes})[0];
  const Layout out{made.dtype, made.shape, ir::row_major(made.shape), way.outputs[0]};
  std::vector<std::byte> y(static_cast<size_t>(made.shape.size() * size_of(made.dtype)));
  Ran ran{run(op, attributes, in, from, {out}, {y.data()}, choose), {}, {{}}};
  if (out.format != Format::plain) y = relaid(out, y.data(), Format::plain);
  ir::dispatch(made.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < made.shape.size(); ++i)
      ran.outputs[0].push_back(static_cast<double>(reinterpret_cast<const T*>(y.data())[i]));
  });
  return ran;
}

/// The ways that selection is offered for one node, with two threads.
inline std::vector<transform::Candidate> candidates(const char* op_name,
                                                    const std::vector<TestOperand>& inputs,
                                                    const ir::Attributes& attributes) {
  const ir::OpDef& op = ops::get(op_name);
  ir::Graph g;
  ir::GraphNode node{&op, {}, attributes, {}, {}};
  ir::Types types;
  for (const TestOperand& t : inputs) {
    types.push_back({t.layout.dtype, t.layout.shape});
    node.inputs.push_back(g.add_input(types.back()));
  }
  node.outputs = op.infer({op, types, attributes});
  const int32_t n = g.add(std::move(node)).node;
  return backend::CpuTarget(backend::KernelSet::all, 2).candidates(g, n);
}

}  // namespace varve
