// What several families of operators use.
#pragma once
#include <vector>

#include "io/onnx/call.h"
#include "io/onnx/table.h"
#include "varve/ops/pointwise.h"

namespace varve::io::onnx {

/// An operator that is one function of Varve.
template <Tensor (*F)(const Operand&)>
Values unary(Call& c) {
  return {F(c.tensor(0))};
}
template <Tensor (*F)(const Operand&, const Operand&)>
Values binary(Call& c) {
  return {F(c.tensor(0), c.tensor(1))};
}

/// The tensor itself where it is of that type already.
inline Tensor as(const Tensor& x, DType dtype) { return x.dtype() == dtype ? x : cast(x, dtype); }

/// Computes in f32 at least: halves are widened, and the caller brings the result back.
inline Tensor widened(const Tensor& x) { return size_of(x.dtype()) < 4 ? as(x, f32) : x; }

/// A value that depends on neither inputs nor weights.
inline Value known(Value v) {
  v.known = true;
  return v;
}
/// A host-known integer vector as a value.
Value known_ints(const std::vector<int64_t>& values);

struct CastRules {
  bool saturate = true;
  MiniRound round = MiniRound::up;  ///< to float8e8m0 alone
};
/// A value as another ONNX type, as Cast does it.
Value cast_value(const Call& c, const Value& v, Type to, CastRules rules = {});
/// Rounds to what a small float holds, as f32; gradients pass through.
Tensor round_to(const Tensor& x, Type type, CastRules rules = {});

/// One number for each channel, to be combined with [batch, channels, ...] of that rank.
Tensor along_channels(const Tensor& x, int rank);

/// A number of the tensor's type.
Tensor number_like(double value, const Tensor& x);

}  // namespace varve::io::onnx
