// Kernels of the ops that run graphs in their attributes: cond, scan, while_loop.
#pragma once
#include <memory>

#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// Whether the executor runs this op by plans of its bodies.
bool is_control(const ir::OpDef& op);
/// The prepared node: plans of its bodies and the loop around them. Operands are row-major.
std::unique_ptr<backend::Kernel> prepare_control(const ir::Operation& node, backend::KernelSet set,
                                                 int threads);

}  // namespace varve::runtime
