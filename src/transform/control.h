// The rows of control flow as other code builds them: see control.cpp for inputs and outputs.
#pragma once
#include <span>
#include <vector>

#include "ir/graph.h"

namespace varve::transform {

/// The parts of a scan's inputs, in their order.
struct ScanInputs {
  std::vector<Tensor> carry, xs, constants;
};
/// All outputs: carries after the last step, what was stacked, then the carries before each step.
std::vector<Tensor> make_scan(const ir::GraphRef& body, const ScanInputs& inputs, int64_t length,
                              bool reverse, Where where = {});
/// The row of the op table.
ir::OpDef scan_row();

}  // namespace varve::transform
