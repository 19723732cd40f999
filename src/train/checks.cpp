// What is looked at before and after training goes wrong: data, labels, activations.
#include <cmath>
#include <cstdio>
#include <numeric>

#include "base/error.h"
#include "ir/dispatch.h"
#include "ir/node.h"
#include "nn/config.h"
#include "nn/layer_state.h"
#include "train/output_kind.h"
#include "train/training.h"
#include "varve/nn/network.h"
#include "varve/warnings.h"

namespace varve::train {
namespace {

// The first element of a row that is not finite, or -1.
template <class T>
int64_t bad_element(const T* row, int64_t width) {
  if constexpr (ir::is_float_element<T>) {
    for (int64_t i = 0; i < width; ++i) {
      if (!std::isfinite(static_cast<double>(row[i]))) return i;
    }
  }
  return -1;
}

bool is_cross_entropy(const Loss& loss) { return loss.from_logits().has_value(); }

// The text of a layer's field "activation": empty where it has none or it is a function.
class ActivationOf final : public Fields {
 public:
  void visit(const Field& field) override {
    if (std::string_view(field.name) != "activation") return;
    if (auto* const* choice = std::get_if<ChoiceField*>(&field.value)) text = (*choice)->config();
  }
  std::string text;
};

Layer last_layer(const Layer& model) {
  Layer last = model;
  while (last.type() == "sequential" && !last.layers().empty()) last = last.layers().back();
  return last;
}

// What the last layer of a sequence ends in; empty where that is not known.
std::string last_activation(const Layer& last) {
  if (last.type() == "softmax" || last.type() == "sigmoid") return last.type();
  try {
    ActivationOf found;
    last.state()->spec->fields(found);
    const config::Json text = found.text.empty() ? config::Json() : config::parse(found.text, "");
    return text.is_string() ? text.get<std::string>() : "";
  } catch (const UnsupportedError&) {
    return {};  // a function of the user's own
  }
}

}  // namespace

OutputKind output_kind(const Layer& model, const Loss& loss) {
  const std::string activation = last_activation(last_layer(model));
  if (activation == "softmax" || activation == "sigmoid") return OutputKind::probabilities;
  if (!loss) return OutputKind::numbers;
  if (const std::optional<bool> logits = loss.from_logits()) {
    if (!*logits) return OutputKind::probabilities;
    return loss.name() == "binary_cross_entropy" ? OutputKind::yes_no_logits : OutputKind::logits;
  }
  const std::string name = loss.name();
  return name == "hinge" || name == "categorical_hinge" ? OutputKind::margins : OutputKind::numbers;
}

std::string first_not_finite(const Dataset& data, std::span<const int64_t> positions) {
  const Tensors& inputs = data.stored_inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    if (!is_floating(x.dtype()) || x.size() == 0) continue;
    const int64_t width = x.size() / x.shape()[0];
    const ir::Array& array = ir::contiguous_array(x);
    std::string found;
    ir::dispatch(x.dtype(), [&]<class T>(T) {
      const T* all = reinterpret_cast<const T*>(array.data());
      for (int64_t p : positions) {
        const int64_t stored = data.rows()[static_cast<size_t>(p)];
        const T* row = all + stored * width;
        const int64_t at = bad_element(row, width);
        if (at < 0) continue;
        found = "sample " + std::to_string(stored) + " feature " + std::to_string(at) +
                (inputs.size() > 1 ? " of input " + std::to_string(i) : "") + " is " +
                (std::isnan(static_cast<double>(row[at])) ? "nan" : "infinite");
        return;
      }
    });
    if (!found.empty()) return found;
  }
  return {};
}

std::string first_not_finite(const Model& model) {
  for (const NamedVariable& v : model.named_variables()) {
    for (double x : v.variable.value().to_doubles()) {
      if (!std::isfinite(x)) return v.path;
    }
  }
  return {};
}

void require_finite_inputs(const Dataset& data) {
  std::vector<int64_t> all(static_cast<size_t>(data.size()));
  std::iota(all.begin(), all.end(), 0);
  if (const std::string bad = first_not_finite(data, all); !bad.empty()) {
    throw ValueError("fit: " + bad);
  }
}

namespace {

// How many classes the model tells apart; 0 where its only target holds no labels of them.
int64_t classes_of(const Model& model, const Dataset& data) {
  const std::vector<OutputPlan>& plan = training_of(model).plan;
  if (plan.size() != 1 || !is_cross_entropy(plan[0].loss) || data.stored_targets().size() != 1) {
    return 0;
  }
  const Tensor& y = data.stored_targets()[0];
  if (is_floating(y.dtype()) || y.rank() > 2 || (y.rank() == 2 && y.shape()[1] != 1)) return 0;
  if (model.state()->samples.empty()) return 0;
  const Shape output = nn::outputs_of(model).at(0).type.shape;
  return output.rank() > 1 && output[-1] > 1 ? output[-1] : 2;
}

// What a loss takes its targets for.
struct Meaning {
  const char* loss;
  bool (*allowed)(double);
  const char* expected;
  const char* hint;
};
constexpr Meaning kMeanings[] = {
    {"binary_cross_entropy", [](double y) { return y >= 0 && y <= 1; }, "0..1",
     "targets are probabilities of class 1; for several classes use cross_entropy"},
    {"hinge", [](double y) { return y == -1 || y == 0 || y == 1; }, "-1, 0 or 1",
     "for several classes use categorical_hinge"}};

void require_meaning(const Meaning& m, const Tensor& target, const Dataset& data) {
  if (target.size() == 0) return;
  const int64_t width = target.size() / target.shape()[0];
  const ir::Array& array = ir::contiguous_array(target);
  ir::dispatch(target.dtype(), [&]<class T>(T) {
    const T* all = reinterpret_cast<const T*>(array.data());
    for (int64_t row : data.rows()) {
      for (int64_t i = 0; i < width; ++i) {
        const auto y = static_cast<double>(all[row * width + i]);
        if (m.allowed(y) || std::isnan(y)) continue;  // NaN is found in the loss
        char number[32];
        std::snprintf(number, sizeof number, "%g", y);
        throw ValueError(std::string(m.loss) + ": target[" + std::to_string(row) +
                             (width > 1 ? "], element " + std::to_string(i) : "]") + " = " +
                             number + ", expected " + m.expected,
                         m.hint);
      }
    }
  });
}

}  // namespace

void require_known_labels(const Model& model, const Dataset& data) {
  const std::vector<OutputPlan>& plan = training_of(model).plan;
  for (size_t i = 0; i < plan.size() && i < data.stored_targets().size(); ++i) {
    for (const Meaning& m : kMeanings) {
      if (plan[i].loss && plan[i].loss.name() == m.loss) {
        require_meaning(m, data.stored_targets()[i], data);
      }
    }
  }
  const int64_t classes = classes_of(model, data);
  // Other losses may mean something else by other numbers (-1 and 1).
  if (classes == 0 || training_of(model).plan[0].loss.name() != "cross_entropy") return;
  const std::vector<int64_t> labels = data.classes();
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0 && labels[i] < classes) continue;
    throw IndexError("cross_entropy: target[" + std::to_string(data.rows()[i]) + "] = " +
                         std::to_string(labels[i]) + ", expected 0.." + std::to_string(classes - 1),
                     labels[i] == classes ? "classes count from 0" : "");
  }
}

void warn_of_labels(const Model& model, const Dataset& data) {
  const int64_t classes = classes_of(model, data);
  if (classes == 0) return;
  std::vector<int64_t> counts(static_cast<size_t>(classes), 0);
  for (int64_t c : data.classes()) {
    if (c < 0 || c >= classes) return;
    ++counts[static_cast<size_t>(c)];
  }
  std::string absent;
  int64_t missing = 0;
  for (int64_t c = 0; c < classes; ++c) {
    if (counts[static_cast<size_t>(c)] == data.size()) {
      warn("fit: " +
           (data.size() == 1 ? "the only label is"
                             : "all " + std::to_string(data.size()) + " labels are") +
           " class " + std::to_string(c));
      return;
    }
    if (counts[static_cast<size_t>(c)] > 0) continue;
    // A vocabulary has many words that never occur; ten are enough to see what is meant.
    if (++missing <= 10) absent += (absent.empty() ? "" : ", ") + std::to_string(c);
  }
  if (missing > 0) {
    warn("fit: " + std::to_string(missing) + " of " + std::to_string(classes) +
         (missing == 1 ? " classes has" : " classes have") + " no example: " + absent +
         (missing > 10 ? ", ..." : ""));
  }
}

void warn_of_activation(const Model& model) {
  const std::vector<OutputPlan>& plan = training_of(model).plan;
  if (plan.size() != 1 || !is_cross_entropy(plan[0].loss)) return;
  const Layer last = last_layer(model);
  const std::string activation = last_activation(last);
  const bool probabilities = activation == "softmax" || activation == "sigmoid";
  const std::string name = "layer \"" + last.name() + "\"";
  if (*plan[0].loss.from_logits() && probabilities) {
    warn("fit: the loss takes scores (from_logits), but " + name + " ends in " + activation +
         ", which would count twice");
  } else if (!*plan[0].loss.from_logits() && activation == "linear") {
    warn("fit: the loss takes probabilities, but " + name +
         " gives scores: set from_logits = true, or end in softmax or sigmoid");
  }
}

}  // namespace varve::train
