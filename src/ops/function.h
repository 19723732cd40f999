// The rule behind custom_derivative: held by an attribute of its node.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "varve/tensor.h"

namespace varve::ops {

/// Cotangents of the arguments from arguments, results and cotangents of the results.
using Backward = std::function<Tensors(const Tensors&, const Tensors&, const Tensors&)>;

/// Checks what a user's reverse rule gave: one cotangent an input (ValueError), each empty or of
/// its input's type (ShapeError). `operation` and `rule` name it: "custom_derivative", "the
/// backward function".
std::vector<Tensor> checked_cotangents(const std::string& operation, const char* rule,
                                       const Tensors& cotangents, std::span<const Tensor> inputs);

}  // namespace varve::ops
