// The rule behind custom_derivative: held by an attribute of its node.
#pragma once
#include <functional>

#include "varve/tensor.h"

namespace varve::ops {

/// Cotangents of the arguments from arguments, results and cotangents of the results.
using Backward = std::function<Tensors(const Tensors&, const Tensors&, const Tensors&)>;

}  // namespace varve::ops
