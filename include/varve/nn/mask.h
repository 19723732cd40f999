// room: nn
// Masks: which steps of a batch of sequences there are. A mask is a bool tensor, true where there
// is something, of the shape of a tensor's first axes: [batch, time]. It goes with the tensor from
// layer to layer, and through jit and derivatives; operations between layers, variables, and cond,
// while_loop and scan leave it behind.
//     Sequential{nn::Embedding{.input_dim = 1000, .output_dim = 32, .mask_zero = true},
//                nn::LSTM{.units = 32, .return_sequences = true}, nn::GlobalAveragePool1D{}}
// Embedding{.mask_zero = true} and Masking make masks, with_mask any. Recurrent layers, attention
// and pooling over time read them; layers that work on each step by itself hand them on; others
// refuse them (ValueError). Losses and metrics leave masked predictions out.
#pragma once
#include "varve/tensor.h"

namespace varve::nn {

/// What a layer does with masks. A layer of your own says so by a static member (without one it
/// refuses):
///     static constexpr nn::Masks masks = nn::Masks::by_step;
enum class Masks {
  refused,      ///< an input with a mask is a ValueError
  elementwise,  ///< each element of the result comes of the one there: the mask is handed on
  by_step,      ///< each step of the result comes of the one there: the mask is handed on
  own           ///< its call reads masks and gives them, by mask_of and with_mask
};

/// What a spec says of masks by its static member; `otherwise` where it has none.
template <class S>
constexpr Masks masks_of_spec(Masks otherwise) {
  if constexpr (requires { S::masks; }) {
    return S::masks;
  } else {
    return otherwise;
  }
}

/// The mask that goes with a tensor, bool; an empty Tensor where there is none.
Tensor mask_of(const Tensor& x);
/// The tensor with this mask in place of any that it had; with an empty Tensor without. Throws
/// DTypeError unless the mask is bool, ShapeError unless its shape is that of x's first axes.
Tensor with_mask(const Tensor& x, const Tensor& mask, Where where = Where::here());

}  // namespace varve::nn
