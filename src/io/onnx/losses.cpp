// Losses over classes.
#include "io/onnx/helpers.h"
#include "varve/ops/indexing.h"
#include "varve/ops/normalization.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// Minus the log-probability [batch, classes, ...] of each target [batch, ...], weighted by class;
// targets of ignore_index count nothing.
Tensor negative_log_likelihood(const Call& c, const Tensor& log_probability, const Tensor& target,
                               const Tensor& weight) {
  if (log_probability.rank() < 2 || target.rank() != log_probability.rank() - 1) {
    c.fail("scores " + log_probability.shape().to_string() + " and target " +
           target.shape().to_string() + " do not fit");
  }
  const Tensor labels = as(target, i64);
  Tensor safe = labels, ignored;
  if (c.find("ignore_index")) {
    ignored = equal(labels, c.integer("ignore_index"));
    safe = where(ignored, 0, labels);
  }
  const Tensor picked = squeeze(take_along_axis(log_probability, expand_dims(safe, 1), 1), {1});
  Tensor weights = weight.defined() ? take(weight, safe, 0) : Tensor();
  if (ignored.defined()) {
    const Tensor base = weights.defined() ? weights : ones(safe.shape(), log_probability.dtype());
    weights = where(ignored, zeros_like(base), base);
  }
  Tensor loss = negative(picked);
  if (weights.defined()) loss = multiply(loss, weights);
  const std::string reduction = c.text("reduction", "mean");
  if (reduction == "none") return loss;
  if (reduction == "sum") return sum(loss);
  if (reduction != "mean") {
    c.fail("attribute reduction: expected none, sum or mean, got \"" + reduction + "\"");
  }
  return weights.defined() ? divide(sum(loss), sum(weights)) : mean(loss);
}

Values nll_loss(Call& c) {
  return {negative_log_likelihood(c, c.tensor(0), c.tensor(1), c.has(2) ? c.tensor(2) : Tensor())};
}

Values softmax_cross_entropy(Call& c) {
  const Tensor log_probability = log_softmax(c.tensor(0), 1);
  return {
      negative_log_likelihood(c, log_probability, c.tensor(1), c.has(2) ? c.tensor(2) : Tensor()),
      log_probability};
}

constexpr Row kRows[] = {
    {"NegativeLogLikelihoodLoss", 12, nll_loss},
    {"SoftmaxCrossEntropyLoss", 12, softmax_cross_entropy},
};

}  // namespace

std::span<const Row> loss_rows() { return kRows; }

}  // namespace varve::io::onnx
