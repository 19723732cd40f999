// Kernels of single nodes, kept from one evaluation to the next: preparing one costs more than a
// small kernel's run.
#pragma once
#include <memory>
#include <span>

#include "runtime/plan.h"
#include "runtime/prepare.h"

namespace varve::runtime {

struct PreparedNode {
  /// By a kernel, by what the op decomposes into, or in f32 between casts.
  enum class Way { kernel, decomposition, widened } way = Way::kernel;
  Prepared kernel;
  /// Of what is run instead of a kernel, if it was asked for before.
  std::unique_ptr<const Plan> plan;
};

/// How a node is run on inputs that lie so, made at most once as long as it is remembered. This
/// thread's own; a few hundred are remembered.
std::shared_ptr<const PreparedNode> prepared_node(const ir::Operation& node,
                                                  std::span<const ir::TensorType> types,
                                                  std::span<const ir::Array> inputs,
                                                  backend::KernelSet set, int threads);

/// What is run instead of a kernel, for inputs of these types.
ir::Graph instead_of_kernel(const ir::Operation& node, std::span<const ir::TensorType> types,
                            PreparedNode::Way way);

}  // namespace varve::runtime
