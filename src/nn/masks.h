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

/// Which of the tensors carry masks.
ir::Ints masked_places(const MaskedTypes& types);
/// The tensors with masks from the end of `all`, which holds them behind the `types.size()`
/// tensors.
std::vector<Tensor> with_masks(const std::vector<Tensor>& all, const MaskedTypes& types);

/// True where both masks are; an empty one does not count, and of two empty ones the result is
/// empty.
Tensor both(const Tensor& a, const Tensor& b);
Tensor either(const Tensor& a, const Tensor& b);  ///< where one of them is; see both
/// What layers of several tensors hand on: where one of those that have masks is there.
Tensor merged_mask(const Tensors& x);
/// The mask with axes of 1 behind, as it broadcasts to `rank` axes.
Tensor mask_beside(const Tensor& mask, int rank);

/// The hint of every refusal.
inline constexpr const char* kTakeMaskOff =
    "take it off before: nn::DropMask{}, or nn::with_mask(x, {})";
/// Throws ValueError where the layer's rule refuses a mask.
void check_masks(Masks rule, const Tensors& x);
/// Gives results the inputs' mask where the rule says so.
Tensors hand_on(Masks rule, const Tensors& x, Tensors y);
/// Throws ValueError where x has a mask and the axis is one of the mask's.
void require_within_step(const Tensor& x, int axis);

}  // namespace varve::nn
