// The handles: Loss, Losses and the table of names.
#include <algorithm>

#include "ir/node.h"
#include "nn/choice_table.h"
#include "nn/masks.h"
#include "nn/targets.h"
#include "varve/losses.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using detail::LossRule;

template <class S>
std::shared_ptr<LossRule> made() {
  return std::make_shared<detail::LossOf<S>>(S{});
}

const nn::ChoiceTable<LossRule>& table() {
  static const nn::ChoiceTable<LossRule> t(
      "loss", {{"binary_cross_entropy", made<losses::BinaryCrossEntropy>},
               {"binary_focal", made<losses::BinaryFocal>},
               {"categorical_focal", made<losses::CategoricalFocal>},
               {"categorical_hinge", made<losses::CategoricalHinge>},
               {"contrastive", made<losses::Contrastive>},
               {"cosine_similarity", made<losses::CosineSimilarity>},
               {"cross_entropy", made<losses::CrossEntropy>},
               {"ctc", made<losses::CTC>},
               {"dice", made<losses::Dice>},
               {"hinge", made<losses::Hinge>},
               {"huber", made<losses::Huber>},
               {"iou", made<losses::IoU>},
               {"kl_divergence", made<losses::KLDivergence>},
               {"log_cosh", made<losses::LogCosh>},
               {"mean_absolute_error", made<losses::MeanAbsoluteError>},
               {"mean_absolute_percentage_error", made<losses::MeanAbsolutePercentageError>},
               {"mean_squared_error", made<losses::MeanSquaredError>},
               {"mean_squared_logarithmic_error", made<losses::MeanSquaredLogarithmicError>},
               {"negative_log_likelihood", made<losses::NegativeLogLikelihood>},
               {"poisson", made<losses::Poisson>},
               {"quantile", made<losses::Quantile>},
               {"smooth_l1", made<losses::SmoothL1>},
               {"squared_hinge", made<losses::SquaredHinge>},
               {"triplet_mining", made<losses::TripletMining>},
               {"tversky", made<losses::Tversky>},
               {"bce", made<losses::BinaryCrossEntropy>},
               {"binary_crossentropy", made<losses::BinaryCrossEntropy>},
               {"binary_focal_crossentropy", made<losses::BinaryFocal>},
               {"categorical_focal_crossentropy", made<losses::CategoricalFocal>},
               {"categorical_crossentropy", made<losses::CrossEntropy>},
               {"sparse_categorical_crossentropy", made<losses::CrossEntropy>},
               {"jaccard", made<losses::IoU>},
               {"kld", made<losses::KLDivergence>},
               {"l1", made<losses::MeanAbsoluteError>},
               {"logcosh", made<losses::LogCosh>},
               {"mae", made<losses::MeanAbsoluteError>},
               {"mape", made<losses::MeanAbsolutePercentageError>},
               {"mse", made<losses::MeanSquaredError>},
               {"msle", made<losses::MeanSquaredLogarithmicError>},
               {"nll", made<losses::NegativeLogLikelihood>}});
  return t;
}

std::vector<int> axes_after_first(const Tensor& x) {
  std::vector<int> axes;
  for (int i = 1; i < x.rank(); ++i) axes.push_back(i);
  return axes;
}

/// The terms that are there, grown so that their mean is that of all.
Tensor masked(const Tensor& l, const Tensor& mask, const std::string& name) {
  if (l.rank() < mask.rank() ||
      !std::equal(mask.shape().begin(), mask.shape().end(), l.shape().begin())) {
    throw ShapeError(name + ": the prediction has a mask " + mask.shape().to_string() +
                         ", which its result " + l.shape().to_string() + " has no place for",
                     "take the mask off with nn::DropMask{}");
  }
  const Tensor growth = static_cast<double>(mask.size()) / maximum(sum(cast(mask, l.dtype())), 1);
  return where(nn::mask_beside(mask, l.rank()), l, 0) * growth;
}

}  // namespace

std::vector<std::string> losses::names() { return table().names(); }

Loss::Loss(std::shared_ptr<LossRule> rule, Where where) : rule_(std::move(rule)) {
  table().validate(*rule_, where);
}
Loss::Loss(const std::string& name, Where where) : rule_(table().make(name, where)) {}
Loss::Loss(const char* name, Where where) : Loss(std::string(name), where) {}

Tensor Loss::apply(const Tensor& prediction, const Tensor& target) const {
  if (!rule_) throw ValueError("loss: there is none", "give compile a loss");
  Tensor l = rule_->apply(prediction, nn::beside(prediction, target));
  if (!is_floating(l.dtype())) {
    throw DTypeError(name() + ": expected a floating result, got " + ir::type_of(l).to_string());
  }
  if (l.rank() > 0 && l.shape()[0] != prediction.shape()[0]) {
    throw ShapeError(name() + ": expected the batch (" + std::to_string(prediction.shape()[0]) +
                     ") as the result's first axis, or a scalar; got " + l.shape().to_string());
  }
  const Tensor mask = nn::mask_of(prediction);
  // A function of one's own that gives one number has seen the mask itself.
  const bool seen = l.rank() == 0 && table().name_of(*rule_).empty();
  return mask.defined() && !seen ? masked(l, mask, name()) : l;
}

Tensor Loss::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor l = apply(prediction, target);
  // All samples have as many elements, so the mean of the samples' means is the mean of all.
  return l.rank() == 0 ? l : mean(l);
}

Tensor Loss::operator()(const Tensor& prediction, const Tensor& target,
                        const Tensor& weights) const {
  const Tensor l = per_sample(prediction, target);
  if (weights.shape() != l.shape()) {
    throw ShapeError(name() + ": weights: expected " + l.shape().to_string() + ", got " +
                     weights.shape().to_string());
  }
  return mean(l * (weights.dtype() == l.dtype() ? weights : cast(weights, l.dtype())));
}

Tensor Loss::per_sample(const Tensor& prediction, const Tensor& target) const {
  const Tensor l = apply(prediction, target);
  if (l.rank() == 0) {
    throw ShapeError(
        name() + ": gives one number for the whole batch, so samples cannot be weighted",
        "return one number a sample, shape [batch]");
  }
  return l.rank() == 1 ? l : mean(l, {.axes = axes_after_first(l)});
}

std::string Loss::name() const {
  if (!rule_) return "none";
  if (!label_.empty()) return label_;
  const std::string n = table().name_of(*rule_);
  return n.empty() ? "loss" : n;
}

std::optional<bool> Loss::from_logits() const {
  return rule_ ? rule_->from_logits() : std::nullopt;
}

std::string Loss::config() const { return rule_ ? table().config(*rule_) : "null"; }

Loss Loss::from_config(std::string_view json) {
  if (config::parse(json, "loss").is_null()) return {};
  return Loss(table().from_config(json), Where{});
}

}  // namespace varve
