// Normalizations, and dropout.
#include "varve/ops/normalization.h"

#include <cmath>
#include <numeric>
#include <random>

#include "io/onnx/helpers.h"
#include "io/onnx/window.h"
#include "varve/ops/pooling.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// Both of them weights that nothing computed, the scale none that was frozen: as nn::BatchNorm.
bool learns_statistics(const Call& c) {
  const Training* t = c.training();
  const TensorData *scale = c.value(1).weight, *mean_ = c.value(3).weight,
                   *variance = c.value(4).weight;
  return t && mean_ && variance && !(scale && t->is_frozen(*scale)) &&
         c.tensor(0).size() > c.shape(0)[1];
}

// In inference by the running statistics. In training (opset 14) by the batch's, and the running
// ones are outputs: running * momentum + batch's * (1 - momentum). While the layer is trained, a
// node for inference moves its statistics just so.
Values batch_normalization(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.rank() < 2) c.fail("expected [batch, channels, ...], got " + x.shape().to_string());
  const BatchNormOptions options{.axis = 1,
                                 .scale = as(c.tensor(1), x.dtype()),
                                 .offset = as(c.tensor(2), x.dtype()),
                                 .epsilon = c.real("epsilon", 1e-5)};
  if (c.version() < 9 && c.integer("spatial", 1) == 0) c.unsupported("spatial = 0");
  const bool training = c.integer("training_mode", 0) != 0;
  const Tensor &mean_ = c.tensor(3), &variance = c.tensor(4);
  const bool learns = !training && learns_statistics(c);
  if (!training && !learns) {
    return {batch_norm_inference(x, as(mean_, x.dtype()), as(variance, x.dtype()), options)};
  }
  const BatchNorm r = batch_norm(x, options);
  const double momentum = c.real("momentum", 0.9);
  const auto running = [&](const Tensor& old, const Tensor& now) {
    const Tensor kept = multiply(old, momentum),
                 added = multiply(as(now, old.dtype()), 1 - momentum);
    return add(kept, added);
  };
  if (learns) {
    auto& statistics = c.training()->statistics;
    const auto move = [&](int i, const Tensor& now) {
      // Nodes that share them go on from one another.
      const auto at = statistics.try_emplace(c.value(i).weight->name, c.tensor(i)).first;
      at->second = running(at->second, now);
    };
    move(3, r.mean);
    move(4, r.variance);
    return {r.output};
  }
  return {r.output, running(mean_, r.mean), running(variance, r.variance)};
}

std::vector<int> axes_from(int axis, int rank) {
  std::vector<int> axes(static_cast<size_t>(rank - axis));
  std::iota(axes.begin(), axes.end(), axis);
  return axes;
}

// Statistics in `stash_type`, f32 by default; outputs mean and 1 / deviation with sizes of 1.
Values layer_normalization(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", -1), x.rank());
  const std::vector<int> axes = axes_from(axis, x.rank());
  const DType stash = formats::onnx::held_as(c.type_attribute("stash_type", Type::float32));
  const DType inner = stash == f32 && x.dtype() == f64 ? f64 : stash;
  const Tensor wide = as(x, inner);
  const Tensor mean_ = mean(wide, {.axes = axes, .keep_dims = true});
  const Tensor centred = subtract(wide, mean_);
  const Tensor variance = mean(square(centred), {.axes = axes, .keep_dims = true});
  const Tensor inverse = reciprocal(sqrt(add(variance, c.real("epsilon", 1e-5))));
  Tensor y = multiply(as(multiply(centred, inverse), x.dtype()), c.tensor(1));
  if (c.has(2)) y = add(y, c.tensor(2));
  return {y, as(mean_, stash), as(inverse, stash)};
}

Values rms_normalization(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", -1), x.rank());
  const DType stash = formats::onnx::held_as(c.type_attribute("stash_type", Type::float32));
  const DType inner = stash == f32 && x.dtype() == f64 ? f64 : stash;
  const Tensor wide = as(x, inner);
  const Tensor power = mean(square(wide), {.axes = axes_from(axis, x.rank()), .keep_dims = true});
  const Tensor scaled = divide(wide, sqrt(add(power, c.real("epsilon", 1e-5))));
  return {multiply(as(scaled, c.dtype(1)), c.tensor(1))};
}

// Each channel of each sample by its own moments.
Values instance_normalization(Call& c) {
  const Tensor& x = c.tensor(0);
  spatial_of(c, x);
  const std::vector<int> axes = axes_from(2, x.rank());
  const Tensor wide = widened(x);
  const Tensor centred = subtract(wide, mean(wide, {.axes = axes, .keep_dims = true}));
  const Tensor variance = mean(square(centred), {.axes = axes, .keep_dims = true});
  const Tensor normal = divide(centred, sqrt(add(variance, c.real("epsilon", 1e-5))));
  const auto beside = [&](int i) {
    return as(along_channels(c.tensor(i), x.rank()), wide.dtype());
  };
  return {as(add(multiply(normal, beside(1)), beside(2)), x.dtype())};
}

// Scale and bias are one a group before opset 21, one a channel from it on.
Values group_normalization(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.rank() < 2) c.fail("expected [batch, channels, ...], got " + x.shape().to_string());
  const int64_t groups = c.integer("num_groups"), n = x.shape()[0], channels = x.shape()[1];
  if (groups < 1 || channels % groups != 0) {
    c.fail("num_groups " + std::to_string(groups) + " does not divide " + std::to_string(channels) +
           " channels");
  }
  const DType stash = formats::onnx::held_as(c.type_attribute("stash_type", Type::float32));
  const Tensor wide = as(reshape(x, {n, groups, -1}), x.dtype() == f64 ? f64 : stash);
  const Tensor centred = subtract(wide, mean(wide, {.axes = {2}, .keep_dims = true}));
  const Tensor variance = mean(square(centred), {.axes = {2}, .keep_dims = true});
  Tensor y = as(divide(centred, sqrt(add(variance, c.real("epsilon", 1e-5)))), x.dtype());
  const bool by_group = c.version() < 21;
  if (!by_group) y = reshape(y, x.shape());
  const int rank = y.rank();
  y = add(multiply(y, along_channels(c.tensor(1), rank)), along_channels(c.tensor(2), rank));
  return {reshape(y, x.shape())};
}

// x / norm along an axis; rows of zeros stay.
Values lp_normalization(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", -1), x.rank());
  const int64_t p = c.integer("p", 2);
  if (p != 1 && p != 2) c.fail("attribute p: expected 1 or 2, got " + std::to_string(p));
  const Tensor length =
      norm(x, {.order = static_cast<double>(p), .axes = {axis}, .keep_dims = true});
  return {where(equal(length, 0), zeros_like(x), divide(x, length))};
}

Values mean_variance_normalization(Call& c) {
  const Tensor x = widened(c.tensor(0));
  const std::vector<int> axes = c.axes(c.integers("axes", {0, 2, 3}), x.rank());
  const Tensor centred = subtract(x, mean(x, {.axes = axes, .keep_dims = true}));
  const Tensor variance = mean(square(centred), {.axes = axes, .keep_dims = true});
  return {as(divide(centred, add(sqrt(variance), 1e-9)), c.dtype(0))};
}

// x / (bias + alpha / size * sum of squares of the channels around)^beta.
Values lrn(Call& c) {
  const Tensor x = widened(c.tensor(0));
  const int64_t size = c.integer("size");
  if (size < 1) c.fail("size: expected >= 1, got " + std::to_string(size));
  if (x.rank() < 2) c.fail("expected [batch, channels, ...], got " + x.shape().to_string());
  const int64_t before = (size - 1) / 2, after = size - 1 - before, n = x.shape()[1];
  std::vector<PadWidth> widths(static_cast<size_t>(x.rank()));
  widths[1] = {std::min(before, n) + 1, std::min(after, n)};
  // A window's sum as a difference of running sums would lose digits: windows are short.
  const Tensor squares = pad(square(x), widths);
  Tensor sum_ = zeros_like(x);
  for (int64_t k = std::max<int64_t>(-before, -n); k <= std::min(after, n); ++k) {
    const int64_t start = std::min(before, n) + 1 + k;
    sum_ = add(sum_, slice(squares, {{}, {.start = start, .stop = start + n}}));
  }
  const double alpha = c.real("alpha", 1e-4), beta = c.real("beta", 0.75), bias = c.real("bias", 1);
  const Tensor scale = add(multiply(sum_, alpha / static_cast<double>(size)), bias);
  return {as(divide(x, power(scale, beta)), c.dtype(0))};
}

// A mask of the numbers that ONNX's own reference draws for a seed: MT19937, 53 bits a number.
Tensor seeded_mask(uint32_t seed, double ratio, const Shape& shape) {
  std::mt19937 engine(seed);
  std::vector<uint8_t> kept;
  const int64_t n = shape.size();
  kept.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const auto high = static_cast<double>(engine() >> 5), low = static_cast<double>(engine() >> 6);
    kept.push_back((high * 67108864 + low) / 9007199254740992 >= ratio);
  }
  return cast(varve::tensor(kept, shape), DType::bool_);
}

// Drops in training mode alone, which is an input from opset 12 on; and while the layer is trained.
Values dropout(Call& c) {
  const Tensor& x = c.tensor(0);
  const bool asked = c.version() >= 12 && c.has(2) && c.integer(2) != 0;
  Training* trained = c.training();
  const bool training = asked || trained;
  const double ratio = c.version() < 12 ? c.real("ratio", 0.5) : c.has(1) ? c.number(1) : 0.5;
  // Before opset 10 the mask had the input's type.
  const DType mask_type = c.version() >= 10 ? DType::bool_ : x.dtype();
  if (!training || ratio == 0) return {x, ones(x.shape(), mask_type)};
  if (!(ratio >= 0 && ratio < 1)) c.fail("ratio: expected 0 <= ratio < 1");
  // A seed of the file's would drop the same elements at every step.
  const Tensor mask = !trained && c.find("seed")
                          ? seeded_mask(static_cast<uint32_t>(c.integer("seed")), ratio, x.shape())
                          : random::bernoulli(c.fresh_key(), 1 - ratio, x.shape());
  return {multiply(where(mask, x, zeros_like(x)), 1 / (1 - ratio)), mask};
}

constexpr Row kRows[] = {
    {"BatchNormalization", 7, batch_normalization},
    {"Dropout", 7, dropout, input_bit(1) | input_bit(2)},
    {"GroupNormalization", 18, group_normalization},
    {"InstanceNormalization", 6, instance_normalization},
    {"LRN", 1, lrn},
    {"LayerNormalization", 17, layer_normalization},
    {"LpNormalization", 1, lp_normalization},
    {"MeanVarianceNormalization", 9, mean_variance_normalization},
    {"RMSNormalization", 23, rms_normalization},
};

}  // namespace

Tensor along_channels(const Tensor& x, int rank) {
  std::vector<int64_t> sizes(static_cast<size_t>(std::max(rank, 2)), 1);
  sizes[1] = x.size();
  return reshape(x, Shape(std::move(sizes)));
}

std::span<const Row> normalization_rows() { return kRows; }

}  // namespace varve::io::onnx
