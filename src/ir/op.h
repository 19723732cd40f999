// An op is one row in a table; everything else reads the row.
#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/attributes.h"
#include "varve/tensor.h"

namespace varve {
enum class Pointwise : uint8_t;  // base/pointwise.h
}

namespace varve::ir {

struct OpDef;

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;
  bool operator==(const TensorType&) const = default;
  /// "f32[2, 3]".
  std::string to_string() const;
};

/// What a shape rule sees. Rules throw ShapeError, DTypeError, ValueError, IndexError; the node's
/// place is added to the text by the caller.
struct InferArguments {
  const OpDef& op;
  std::span<const TensorType> inputs;
  const Attributes& attributes;

  const TensorType& operator[](size_t i) const { return inputs[i]; }
};
using Types = std::vector<TensorType>;

/// What a derivative rule sees: a node's inputs, outputs (residuals included) and attributes.
struct Local {
  std::span<const Tensor> inputs, outputs;
  const Attributes& attributes;
  /// Which inputs a gradient is asked for; rules may leave the others empty.
  const std::vector<bool>& wanted;

  const Tensor& x(size_t i = 0) const { return inputs[i]; }
  const Tensor& y(size_t i = 0) const { return outputs[i]; }
};
/// One slot an input (vjp, transposes) or an output (jvp); empty where nothing flows.
using Slots = std::vector<Tensor>;

/// Elementwise: partials dy/dx_i, one an input; both modes follow.
struct Pointwise {
  Slots (*partials)(const Local& at);
};
/// Linear in all inputs together: the transpose maps cotangents of the outputs to those of the
/// inputs; the tangent is the op itself on the tangents (zeros where an input has none).
struct Linear {
  Slots (*transpose)(const Local& at, std::span<const Tensor> cotangents);
};
/// Linear in each of the first `factors` inputs while the others stay: the tangent is the sum, over
/// these inputs, of the op with that input replaced by its tangent. Transpose as above.
struct Multilinear {
  int factors;
  Slots (*transpose)(const Local& at, std::span<const Tensor> cotangents);
};
/// Both rules; tested against each other. Without a jvp, tangents go through the decomposition.
struct Custom {
  Slots (*vjp)(const Local& at, std::span<const Tensor> cotangents);
  Slots (*jvp)(const Local& at, std::span<const Tensor> tangents);  ///< may be null
};
/// The derivative of the decomposition.
struct FromDecomposition {};
struct NotDifferentiable {
  const char* why;
};
using Derivative =
    std::variant<NotDifferentiable, Pointwise, Linear, Multilinear, Custom, FromDecomposition>;

/// How the precision pass treats an op (transform/precision.h).
enum class PrecisionTrait {
  follow,           ///< computes in f32; results are stored as the inputs of their shape are
  bf16_ok,          ///< has kernels that read and write bf16
  f32,              ///< computes in f32; results keep all digits
  stored_as_input,  ///< computes in f32; results of the first input's shape are stored as it is
};

/// What an op is. Passes ask traits and never list ops.
struct Traits {
  std::optional<varve::Pointwise> pointwise = {};  ///< elementwise by this scalar function
  bool structural = false;                         ///< input, constant: no kernel
  bool random = false;                             ///< takes a key first
  bool commutative = false;                        ///< the first two inputs may be swapped
  bool barrier = false;   ///< never merged with an equal node, never moved into constants
  bool body = false;      ///< runs graphs in its attributes; the executor runs them as sub-plans
  bool epilogue = false;  ///< its kernels may apply an activation to what they write
  bool faults = false;    ///< its kernels may find a fault in the data (an index out of range)
  /// Its vjp takes empty slots for outputs to which nothing flows back (else they are zeros).
  bool empty_cotangents = false;
  /// Not null where axes may come in any order, all inputs of the output's rank in the same (so it
  /// is of pointwise functions): the attributes when axis i stands at place[i].
  Attributes (*reordered)(const Attributes&, const Ints& place) = nullptr;
  int residuals = 0;  ///< the last outputs are for the derivative alone
  PrecisionTrait precision = PrecisionTrait::follow;
};

/// The op as a graph of more primitive ops: returns one tensor an output (residuals included).
using Decompose = std::vector<Tensor> (*)(std::span<const Tensor> inputs, const Attributes&);

/// How an output lies in its input's elements: strides and an offset, in elements.
struct View {
  int64_t offset = 0;
  Strides strides;
};

struct OpDef {
  const char* name;
  const char* doc;  ///< one paragraph: formula, shapes, source
  int min_inputs, max_inputs;
  Types (*infer)(const InferArguments&);
  Derivative derivative = NotDifferentiable{"no rule"};
  Decompose decompose = nullptr;
  Traits traits = {};
  /// For ops whose output can share the first input's elements: the view for that input's strides;
  /// empty where these strides do not allow it and a copy is needed.
  std::optional<View> (*view)(const InferArguments&, const TensorType& output,
                              const Strides& input) = nullptr;
  /// Floating-point operations of one run, for summaries and cost models; null: one an output
  /// element.
  double (*flops)(const InferArguments&, const Types& outputs) = nullptr;
};

}  // namespace varve::ir
