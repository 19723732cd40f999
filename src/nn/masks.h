// What layers do with the masks of their inputs.
#pragma once
#include <optional>

#include "ir/op.h"
#include "varve/nn/mask.h"

namespace varve::nn {

/// Types of tensors, and of the masks that some of them carry.
struct MaskedTypes {
  ir::Types types;
  std::vector<std::optional<ir::TensorType>> masks = {};  ///< one a tensor, or empty: none has any
};
MaskedTypes masked_types_of(const Tensors& x);
/// The types of all values: tensors, behind them their masks.
ir::Types values_and_masks(const MaskedTypes& types);

/// The masks that tensors carry, in their order.
std::vector<Tensor> masks_of(const Tensors& x);
/// The tensors with masks from the end of `all`, which holds them behind the `types.size()`
/// tensors.
std::vector<Tensor> with_masks(const std::vector<Tensor>& all, const MaskedTypes& types);

/// True where all of the given masks are; empty ones count as true everywhere, and where all are
/// empty, so is the result.
Tensor both(const Tensor& a, const Tensor& b);
/// The mask with axes of 1 behind, as it broadcasts to `rank` axes.
Tensor mask_beside(const Tensor& mask, int rank);

/// How a layer's tensor fits what it says of masks: throws ValueError where it refuses one.
void check_masks(Masks rule, const Tensors& x);
/// Gives results the inputs' mask where the rule says so.
Tensors hand_on(Masks rule, const Tensors& x, Tensors y);
/// Throws ValueError where x has a mask and the axis is one of the mask's.
void require_within_step(const Tensor& x, int axis);

}  // namespace varve::nn
