// Losses by margins, by distances and by overlap, and of sequences without places.
#include <limits>

#include "base/error.h"
#include "nn/loss_targets.h"
#include "varve/losses.h"
#include "varve/ops/ctc.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::losses {
namespace {

void margin_field(Fields& f, Real& margin, const char* doc) {
  f("margin", margin, doc, {.min = 0});
}

// margin - y s, with y as -1 and 1.
Tensor lack(const char* what, const Tensor& prediction, const Tensor& target, double margin) {
  const Tensor y = nn::align(what, prediction, target);
  return relu(margin - where(y == 0, -1, y) * prediction);
}

// A choice among two names.
bool is_first(const char* what, const std::string& given, const char* first, const char* second) {
  if (given == first || given == second) return given == first;
  throw ValueError(std::string(what) + ": unknown choice \"" + escaped(given) + "\"",
                   did_you_mean(given, {first, second}));
}

}  // namespace

Tensor Hinge::operator()(const Tensor& prediction, const Tensor& target) const {
  return lack("hinge", prediction, target, margin);
}
void Hinge::fields(Fields& f) {
  margin_field(f, margin, "By how much the right side must be reached.");
}

Tensor SquaredHinge::operator()(const Tensor& prediction, const Tensor& target) const {
  return square(lack("squared_hinge", prediction, target, margin));
}
void SquaredHinge::fields(Fields& f) {
  margin_field(f, margin, "By how much the right side must be reached.");
}

Tensor CategoricalHinge::operator()(const Tensor& prediction, const Tensor& target) const {
  const bool all = is_first("categorical_hinge: form", form, "sum", "max");
  const Tensor y = nn::distribution("categorical_hinge", prediction, target);
  const Tensor right = sum(y * prediction, {.axes = {-1}, .keep_dims = true});
  const Tensor over = relu(prediction - right + margin);
  const Tensor others = (1 - y) * (power == 1 ? over : varve::power(over, power.value));
  return all ? sum(others, {.axes = {-1}}) : max(others, {.axes = {-1}});
}
void CategoricalHinge::fields(Fields& f) {
  margin_field(f, margin, "By how much the right class must lead.");
  f("form", form, "\"sum\" over the other classes, or their \"max\".");
  f("power", power, "Each is raised to it.", {.min = 1});
}

// ---- pairs and triplets ----

Tensor Contrastive::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = nn::align("contrastive", prediction, target);
  return y * square(prediction) + (1 - y) * square(relu(margin - prediction));
}
void Contrastive::fields(Fields& f) {
  margin_field(f, margin, "How far apart pairs that differ must be.");
}

Tensor triplet(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
               const TripletOptions& o) {
  const auto distance = [&](const Tensor& a, const Tensor& b) {
    return norm(a - b, {.order = o.order, .axes = {-1}});
  };
  if (anchor.shape() != positive.shape() || anchor.shape() != negative.shape() ||
      anchor.rank() < 1) {
    throw ShapeError("triplet: expected three tensors [batch, n], got " +
                     anchor.shape().to_string() + ", " + positive.shape().to_string() + " and " +
                     negative.shape().to_string());
  }
  Tensor apart = distance(anchor, negative);
  if (o.swap) apart = minimum(apart, distance(positive, negative));
  return relu(distance(anchor, positive) - apart + o.margin.value);
}

Tensor TripletMining::operator()(const Tensor& prediction, const Tensor& target) const {
  const bool semi_hard = is_first("triplet_mining: mining", mining, "semi_hard", "hard");
  if (prediction.rank() != 2 || target.shape().size() != prediction.shape()[0] ||
      is_floating(target.dtype())) {
    throw ShapeError(
        "triplet_mining: expected embeddings [batch, n] and integer classes [batch], "
        "got " +
        prediction.shape().to_string() + " and " + name_of(target.dtype()) +
        target.shape().to_string());
  }
  const int64_t n = prediction.shape()[0];
  const Tensor x = prediction, label = reshape(target, {n});
  const Tensor d2 = sum(square(reshape(x, {n, 1, -1}) - reshape(x, {1, n, -1})), {.axes = {2}});
  // The root has no slope at 0, where a sample meets itself or its copy.
  const Tensor away = d2 > 0;
  const Tensor d = squared ? d2 : where(away, sqrt(where(away, d2, 1)), 0);
  const Tensor same = reshape(label, {n, 1}) == reshape(label, {1, n});
  const Tensor pair = logical_and(same, logical_not(eye(n)));
  constexpr double kFar = std::numeric_limits<double>::infinity();
  Tensor lead, counts;
  if (semi_hard) {
    // [anchor, positive, negative]: the nearest of another class beyond the positive.
    const Tensor ap = reshape(d, {n, n, 1}), an = reshape(d, {n, 1, n});
    const Tensor beyond = logical_and(an > ap, reshape(logical_not(same), {n, 1, n}));
    const Tensor nearest = min(where(beyond, broadcast_to(an, {n, n, n}), kFar), {.axes = {2}});
    const Tensor farthest =
        max(where(same, -kFar, d), {.axes = {1}, .keep_dims = true});  // -inf: no other class
    lead = d - where(is_inf(nearest), farthest, nearest);
    counts = logical_and(pair, any(logical_not(same), {.axes = {1}, .keep_dims = true}));
  } else {
    lead = max(where(pair, d, -kFar), {.axes = {1}}) - min(where(same, kFar, d), {.axes = {1}});
    counts = logical_and(any(pair, {.axes = {1}}), any(logical_not(same), {.axes = {1}}));
  }
  const Tensor count = sum(cast(counts, x.dtype()));
  return sum(where(counts, relu(where(counts, lead, 0) + margin), 0)) / maximum(count, 1);
}
void TripletMining::fields(Fields& f) {
  margin_field(f, margin, "How much farther other classes must be.");
  f("mining", mining, "\"semi_hard\" or \"hard\".");
  f("squared", squared, "Distances are squared.");
}

// ---- sequences ----

Tensor CTC::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor log_p = from_logits ? log_softmax(prediction) : prediction;
  const Tensor loss = ctc_loss(log_p, target, {.blank = blank});
  return zero_infinity ? where(is_inf(loss), 0, loss) : loss;
}
void CTC::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the softmax.");
  f("blank", blank, "The class that stands for no label.", {.min = 0});
  f("zero_infinity", zero_infinity, "Samples whose labels do not fit count 0.");
}

// ---- overlap ----

namespace {

struct Overlap {
  Tensor both, predicted, true_;  // sums of y p, p and y
};

Overlap overlap(const char* what, const Tensor& prediction, const Tensor& target, bool from_logits,
                bool per_class) {
  const Tensor y = nn::align(what, prediction, target);
  const Tensor p = from_logits ? sigmoid(prediction) : prediction;
  if (p.rank() < (per_class ? 3 : 2)) {
    throw ShapeError(std::string(what) + ": expected maps [batch, ..., classes], got " +
                     p.shape().to_string());
  }
  std::vector<int> axes;
  for (int i = 1; i < p.rank() - (per_class ? 1 : 0); ++i) axes.push_back(i);
  const ReduceOptions over{.axes = axes};
  return {sum(y * p, over), sum(p, over), sum(y, over)};
}

Tensor one_a_sample(const Tensor& x) { return x.rank() == 1 ? x : mean(x, {.axes = {1}}); }

void overlap_fields(Fields& f, bool& from_logits, Real& smooth, bool& per_class) {
  f("from_logits", from_logits, "Predictions are scores before the sigmoid.");
  f("smooth", smooth, "Added above and below.", {.min = 0});
  f("per_class", per_class, "For each class by itself, then their mean.");
}

}  // namespace

Tensor Dice::operator()(const Tensor& prediction, const Tensor& target) const {
  const Overlap o = overlap("dice", prediction, target, from_logits, per_class);
  return one_a_sample(1 - (2 * o.both + smooth) / (o.predicted + o.true_ + smooth));
}
void Dice::fields(Fields& f) { overlap_fields(f, from_logits, smooth, per_class); }

Tensor Tversky::operator()(const Tensor& prediction, const Tensor& target) const {
  const Overlap o = overlap("tversky", prediction, target, from_logits, per_class);
  const Tensor below = o.both + alpha * (o.predicted - o.both) + beta * (o.true_ - o.both);
  const Tensor loss = 1 - (o.both + smooth) / (below + smooth);
  return one_a_sample(gamma == 1 ? loss : power(relu(loss), gamma.value));
}
void Tversky::fields(Fields& f) {
  f("alpha", alpha, "How much false positives count.", {.min = 0});
  f("beta", beta, "How much false negatives count.", {.min = 0});
  f("gamma", gamma, "Power of the loss.", {.above = 0});
  overlap_fields(f, from_logits, smooth, per_class);
}

Tensor IoU::operator()(const Tensor& prediction, const Tensor& target) const {
  const Overlap o = overlap("iou", prediction, target, from_logits, per_class);
  return one_a_sample(1 - (o.both + smooth) / (o.predicted + o.true_ - o.both + smooth));
}
void IoU::fields(Fields& f) { overlap_fields(f, from_logits, smooth, per_class); }

}  // namespace varve::losses
