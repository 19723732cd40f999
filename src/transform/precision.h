// Mixed precision: products and convolutions in bf16, and activations stored so; all else in f32.
//   %2 = matmul %0, %1;  %3 = relu %2     ->     %2 = cast %0 {bf16};  %3 = cast %1 {bf16};  %4 =
//   matmul %2, %3;  %5 = cast %4 {f32};  %6 = relu %5
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Micikevicius et al., Mixed Precision Training, 2018; Kalamkar et al., A Study of BFLOAT16 for
/// Deep Learning Training, 2019 (no scaling of the loss: bf16 has the range of f32).
///
/// Ops with the trait `bf16_ok` read and write bf16 and add in f32. Other ops compute in f32; what
/// they make of activations in bf16, of the same shape, is rounded to bf16 where an op with that
/// trait will read it, directly or through others, and not where one elementwise op alone does,
/// into which it will be fused. So parameters, their updates and what only leads to these, losses,
/// statistics and reductions keep f32.
///
/// Needs: a verified graph, composites whole. Keeps: inputs, outputs, their order and types; bodies
/// of control flow. `kernels`: whether there are kernels for bf16; without them the same numbers
/// are rounded, and computed in f32.
ir::Graph mixed_bf16(const ir::Graph& graph, bool kernels);

/// Moments of a bf16 value that was widened to f32 read the value as it lies, and the copy need not
/// pass through memory where only tiles read it besides.
///   %1 = cast %0 {f32};  %2 = moments %1     ->     %1 = cast %0 {f32};  %2 = moments %0 {f32}
///
/// Keeps: everything but what moments read; a cast that nobody reads then is dead code. The same
/// numbers.
ir::Graph moments_of_halves(ir::Graph graph);

}  // namespace varve::transform
