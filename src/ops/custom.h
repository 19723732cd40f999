// What stands behind a custom_op node: held by attribute "definition".
#pragma once
#include "ir/attributes.h"
#include "varve/custom_op.h"

namespace varve::ops {

/// The definition of a node's custom operation. Needs: an op of the row "custom_op".
const CustomOp& custom_definition(const ir::Attributes& attributes);

}  // namespace varve::ops
