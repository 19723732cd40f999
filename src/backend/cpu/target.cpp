// What selection asks of the CPU.
#include "backend/cpu/convolution_costs.h"
#include "backend/kernel.h"

namespace varve::backend {

std::vector<transform::Candidate> CpuTarget::candidates(const ir::Graph& graph, int32_t n) const {
  const ir::GraphNode& node = graph.nodes[static_cast<size_t>(n)];
  std::vector<Layout> in, out;
  for (ir::ValueId v : node.inputs)
    in.push_back(packed(graph.type(v), !steady_.empty() && steady_[static_cast<size_t>(v.node)]));
  for (const ir::TensorType& t : node.outputs) out.push_back(packed(t));
  if (set_ != KernelSet::ref && !node.op->traits.structural) {
    for (const KernelRow& row : cpu_kernels()) {
      if (!row.candidates || !row.is_for(*node.op)) continue;
      auto ways = row.candidates({*node.op, node.attributes, in, out, threads_});
      if (!ways.empty()) return ways;
    }
  }
  return {{std::vector<Format>(in.size(), Format::plain),
           std::vector<Format>(out.size(), Format::plain)}};
}

double CpuTarget::relay_seconds(const ir::TensorType& type, Format, Format) const {
  return cpu::relay_seconds(type.shape.size() * size_of(type.dtype), threads_);
}

}  // namespace varve::backend
