// What layers of normalization share: gamma, which multiplies the result, and beta, which is added.
#pragma once
#include "nn/weights.h"

namespace varve::nn {

/// gamma and beta of this shape, where the layer has them, as the operation's scale and offset.
template <class L, class Options>
void affine(const L& layer, const Shape& shape, const Tensor& x, Scope& s, Options& options) {
  const DType dtype = weight_type(x);
  if (layer.scale) {
    options.scale = fitted(
        s, "gamma", shape, 0, 1,
        weight(layer.gamma_initializer, dtype, layer.gamma_regularizer, layer.gamma_constraint));
  }
  if (layer.center) {
    options.offset = fitted(
        s, "beta", shape, 0, 1,
        weight(layer.beta_initializer, dtype, layer.beta_regularizer, layer.beta_constraint));
  }
}

/// Whether gamma and beta are there, and how they begin.
template <class L>
void affine_fields(L& layer, Fields& f) {
  f("epsilon", layer.epsilon, "Added to the variance.", {.above = 0});
  f("center", layer.center, "Whether beta is added.");
  f("scale", layer.scale, "Whether gamma multiplies.");
  f("beta_initializer", layer.beta_initializer, "How beta begins.");
  f("gamma_initializer", layer.gamma_initializer, "How gamma begins.");
}

/// What holds them in training, and the layer's name.
template <class L>
void affine_rules(L& layer, Fields& f) {
  f("beta_regularizer", layer.beta_regularizer, "Penalty on beta.");
  f("gamma_regularizer", layer.gamma_regularizer, "Penalty on gamma.");
  f("beta_constraint", layer.beta_constraint, "What beta is brought back to.");
  f("gamma_constraint", layer.gamma_constraint, "What gamma is brought back to.");
  f("name", layer.name, kLayerName);
}

}  // namespace varve::nn
