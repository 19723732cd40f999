// An optimizer's step over all parameters at once, and the check that numbers are finite.
#pragma once
#include <cstdint>
#include <span>

namespace varve::cpu {

struct FloatArray {
  const float* data = nullptr;
  int64_t size = 0;
};
/// Is no element NaN or infinite? One pass; stops soon after the first that is.
bool all_finite(std::span<const FloatArray> arrays) noexcept;

/// A parameter with its gradient and as many slots as the rule has. All are updated in place.
struct UpdateArrays {
  float* parameter = nullptr;
  const float* gradient = nullptr;
  float* slots[3] = {nullptr, nullptr, nullptr};
  int64_t size = 0;
};

/// The operations and their order are those of the formulas, each rounded to f32: the bits are the
/// same whether a step runs here or operation by operation.

/// g <- g + weight_decay p;   v <- m v - g a;   p <- p + v     (slot: v)
/// nesterov: p <- p + m v - g a.   m = 0: p <- p - g a, without a slot.
struct SgdStep {
  float learning_rate = 0, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};
void sgd_update(std::span<const UpdateArrays> arrays, const SgdStep& step) noexcept;

/// g <- g + weight_decay p;   s <- rho s + (1 - rho) g^2;   c = g / (sqrt(s) + epsilon)
/// momentum: b <- m b + c, c = b.   p <- p - c a.   centered: s less the square of mean <- rho mean
/// + (1 - rho) g.   Slots: s, then mean where centered, then b where there is momentum.
struct RmsPropStep {
  float learning_rate = 0, rho = 0, one_less_rho = 0, momentum = 0, epsilon = 0, weight_decay = 0;
  bool centered = false;
};
void rmsprop_update(std::span<const UpdateArrays> arrays, const RmsPropStep& step) noexcept;

/// m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2
/// p <- keep p - rate m / (sqrt(v) / root + epsilon)           (slots: m, v)
/// with rate = learning rate / (1 - b1^t), root = sqrt(1 - b2^t); weight_decay is added to g as
/// above; keep = 1 - learning rate * decay is AdamW's, 1 elsewhere.
struct AdamStep {
  float rate = 0, root = 1, keep = 1;
  float beta_1 = 0, one_less_beta_1 = 0, beta_2 = 0, one_less_beta_2 = 0, epsilon = 0;
  float weight_decay = 0;
};
void adam_update(std::span<const UpdateArrays> arrays, const AdamStep& step) noexcept;

}  // namespace varve::cpu
