// What every op's outputs are, by its row's shape rule.
#pragma once
#include "ir/op.h"

namespace varve::ir {

/// The output types of an op: what its row's rule says, held against what is true of every tensor:
/// no size is negative, and the bytes can be counted in 63 bits (ShapeError).
Types infer(const OpDef& op, std::span<const TensorType> inputs, const Attributes& attributes);

}  // namespace varve::ir
