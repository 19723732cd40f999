// Kernels of single nodes, kept from one evaluation to the next: preparing one costs more than a
// small kernel's run.
#pragma once
#include <memory>
#include <span>

#include "runtime/plan.h"
#include "runtime/prepare.h"

namespace varve::runtime {

struct PreparedNode {
  Prepared kernel;
  /// There is no kernel, but the node has a decomposition, or runs in f32 between casts.
  bool decomposes = false;
  /// Where there is no kernel: the node's decomposition as a plan, if it was asked for before.
  std::unique_ptr<const Plan> plan;
};

/// How a node is run on inputs that lie so, made at most once as long as it is remembered. This
/// thread's own; a few hundred are remembered.
std::shared_ptr<const PreparedNode> prepared_node(const ir::Operation& node,
                                                  std::span<const ir::TensorType> types,
                                                  std::span<const ir::Array> inputs,
                                                  backend::KernelSet set, int threads);

/// The node's decomposition for inputs of these types.
ir::Graph decomposition_of(const ir::Operation& node, std::span<const ir::TensorType> types);

}  // namespace varve::runtime
