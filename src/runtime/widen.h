// Half precision on processors that do not compute in it: the node in f32 between casts.
//   %2 = convolution %0, %1 : f16[..]  ->  %2 = cast %0; %3 = cast %1; %4 = convolution %2, %3 :
//   f32[..]; %5 = cast %4 : f16[..]
#pragma once
#include <span>
#include <vector>

#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// Whether a node reads f16 and the CPU's kernels take it in f32 only. Never with reference kernels
/// alone, which compute f16 element by element, as they do all types.
bool computes_in_f32(const ir::Operation& node, std::span<const backend::Layout> inputs,
                     std::span<const backend::Layout> outputs, backend::KernelSet set, int threads);

/// What the node gives for inputs x, by casts and the node in f32.
std::vector<Tensor> widened(const ir::Operation& node, std::span<const Tensor> x);

}  // namespace varve::runtime
