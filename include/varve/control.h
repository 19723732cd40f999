// room: transform
// Control flow whose course depends on values: cond, while_loop and scan. Outside a trace an `if`
// or a `for` of C++ does as well; inside one (jit, fit) these are nodes of the graph, run as often
// as the values say, and differentiated.
//
// Bodies are traced once each time the function is called. They may use tensors and read variables
// of the code around them, through which gradients flow; variables that a body assigns are carried
// from step to step and assigned once, when all is done, without a gradient. debug::print inside a
// body is an UnsupportedError.
#pragma once
#include <functional>
#include <optional>

#include "varve/derivatives.h"
#include "varve/tensor.h"

namespace varve {

/// What `then_branch` gives where `predicate` (one bool) is true, else what `else_branch` gives;
/// the other is not run. Both give as many tensors of the same types (ShapeError, DTypeError).
/// Differentiable in both modes by what the branches use.
/// Example: `cond(norm(g) > 1, [&] { return g / norm(g); }, [&] { return g; }).only()`.
Tensors cond(const Operand& predicate, const std::function<Tensors()>& then_branch,
             const std::function<Tensors()>& else_branch);

struct WhileOptions {
  /// At most so many steps; needed for reverse mode, which runs the loop as a scan of that length.
  std::optional<int64_t> max_steps = {};
};
/// The state after `body` was applied to it for as long as `condition` of it (one bool) was true.
/// `body` gives as many tensors as the state has, of the same types (ShapeError, DTypeError).
/// Differentiable in forward mode; in reverse mode with max_steps alone (UnsupportedError).
Tensors while_loop(const std::function<Tensor(const Tensors& state)>& condition,
                   const TensorsFunction& body, const Tensors& state,
                   const WhileOptions& options = {});

/// What the body of a scan gives: the carry for the next step, and what is stacked.
struct ScanStep {
  Tensors carry;
  Tensors outputs = {};
};
struct ScanOptions {
  std::optional<int64_t> length = {};  ///< the number of steps, where there are no `xs` to tell it
  bool reverse = false;                ///< from the last element to the first
};
struct ScanResult {
  Tensors carry;    ///< after the last step
  Tensors outputs;  ///< one step's along a new first axis, in the order of `xs`
};
/// Runs `body(carry, x)` for each x along the first axis of `xs`: c_{t+1}, y_t = body(c_t, x_t).
/// The carry keeps its types (ShapeError, DTypeError); all xs have the same length (ShapeError).
/// Differentiable in both modes any number of times: reverse mode keeps the carry of each step and
/// computes the rest of the body again.
/// Example: a running sum, `scan([](const Tensors& c, const Tensors& x) -> ScanStep {
///   Tensor s = c[0] + x[0]; return {s, s}; }, scalar(0, f32), xs).outputs`.
ScanResult scan(const std::function<ScanStep(const Tensors& carry, const Tensors& x)>& body,
                const Tensors& carry, const Tensors& xs, const ScanOptions& options = {});

}  // namespace varve
