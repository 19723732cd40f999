// Layers around another layer that change its weights before it reads them.
#include "nn/layer_state.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "ops/build.h"
#include "varve/nn/norm_layers.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr const char* kName = "The layer's name; empty: its type and number.";

/// Whether a variable is what these layers change.
bool is_weight(std::string_view name) {
  return name == "kernel" || name == "embeddings" || name == "depthwise_kernel" ||
         name == "pointwise_kernel";
}

/// Calls the part with its weight replaced by f(weight).
Tensor with_weight(Scope& s, const Layer& part, const Tensor& x,
                   FunctionRef<Tensor(const Tensor&)> f) {
  bool found = false;
  const auto adjust = [&](std::string_view name, const Tensor& value) {
    if (found || !is_weight(name)) return value;
    found = true;
    return f(value);
  };
  const detail::Adjusted adjusted{part.state().get(), adjust, s.call().adjusted};
  const detail::Adjusted* outer = std::exchange(s.call().adjusted, &adjusted);
  Tensor y;
  try {
    y = s("layer", part, x);
  } catch (...) {
    s.call().adjusted = outer;
    throw;
  }
  s.call().adjusted = outer;
  if (!found) {
    throw ValueError("layer: expected one with a kernel or embeddings, got " + part.type());
  }
  return y;
}

/// The length of each output's weights: over all axes but the last, which stay with size 1.
Tensor lengths(const Tensor& weight) {
  std::vector<int> axes;
  for (int i = 0; i + 1 < weight.rank(); ++i) axes.push_back(i);
  return norm(weight, {.axes = axes, .keep_dims = true});
}

/// A vector of length 1, or 0.
Tensor unit(const Tensor& v) { return v / maximum(norm(v), 1e-12); }

}  // namespace

Tensor WeightNorm::call(const Tensor& x, Scope& s) const {
  const Layer part = kept_part(s, "layer", layer.get());
  return with_weight(s, part, x, [&](const Tensor& v) {
    const Shape outputs{v.shape()[-1]};
    // g begins where kernel = v: when it is read first, v has its first value.
    Variable direction;
    for (const detail::Owned& o : part.state()->variables) {
      if (is_weight(o.name)) {
        direction = o.variable;
        break;
      }
    }
    const auto length = [direction, outputs](const Key&, const Shape&) {
      return reshape(lengths(direction.value()), outputs);
    };
    const Tensor g = s.variable("g", outputs, {.initializer = length, .dtype = v.dtype()});
    return v * (g / maximum(lengths(v), 1e-12));
  });
}
Tensor WeightNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void WeightNorm::fields(Fields& f) {
  f("layer", layer, "The layer whose weights are normalized.");
  f("name", name, kName);
}

Tensor SpectralNorm::call(const Tensor& x, Scope& s) const {
  const Layer part = kept_part(s, "layer", layer.get());
  return with_weight(s, part, x, [&](const Tensor& weight) {
    const int64_t outputs = weight.shape()[-1];
    const Tensor matrix = reshape(weight, {-1, outputs});
    // Neither vector is differentiated: at the solution their derivative adds nothing.
    const Tensor fixed = ops::make("stop_gradient", {matrix});
    Tensor u = s.variable(
        "vector_u", {outputs},
        {.initializer = "truncated_normal", .trainable = false, .dtype = weight.dtype()});
    const bool learns = s.training() && !s.frozen();
    Tensor v = unit(matmul(fixed, unit(u)));
    if (learns) {
      for (int64_t i = 0; i < power_iterations; ++i) {
        u = unit(matmul(v, fixed));
        if (i + 1 < power_iterations) v = unit(matmul(fixed, u));
      }
      s.update("vector_u", u);
    }
    const Tensor largest = sum(matmul(v, matrix) * unit(u));
    return weight / maximum(largest, 1e-12);
  });
}
Tensor SpectralNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SpectralNorm::fields(Fields& f) {
  f("layer", layer, "The layer whose weights are normalized.");
  f("power_iterations", power_iterations, "Steps of power iteration a call.", {.min = 1});
  f("name", name, kName);
}

}  // namespace varve::nn
