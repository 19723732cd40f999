#include "nn/weights.h"

#include "nn/layer_state.h"
#include "varve/ops/pointwise.h"

namespace varve::nn {

DType weight_type(const Tensor& x) { return x.dtype() == f64 ? f64 : f32; }

Tensor real(const Tensor& x) {
  return is_floating(x.dtype()) ? x : with_mask(cast(x, f32), mask_of(x));
}

Tensor fitted(Scope& s, std::string_view name, const Shape& shape, int axis, int64_t times,
              VariableOptions options) {
  for (const detail::Owned& v : s.layer().variables) {
    if (v.name != name || v.variable.shape().rank() != shape.rank()) continue;
    const int64_t expected = v.variable.shape()[axis];
    if (expected != shape[axis])
      s.wrong_features(expected * times, shape[axis] * times,
                       shape.rank() > 2 ? "channels" : "features");
  }
  return s.variable(name, shape, std::move(options));
}

void require_rank(const Tensor& x, int least, int most, const char* axes) {
  if (x.rank() >= least && x.rank() <= most) return;
  throw ShapeError(std::string("expected ") + axes + ", got " + x.shape().to_string());
}

}  // namespace varve::nn
