// docs/components.md lists what files and options can name, with every member; it is made of the
// same `fields` that files are read by.
//     VARVE_WRITE_DOCS=1 build/test_train --gtest_filter='Components.*'      writes it anew
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "io/onnx/layer.h"
#include "nn/config.h"
#include "nn/registry.h"
#include "support/text.h"
#include "varve/callbacks.h"
#include "varve/losses.h"
#include "varve/metrics.h"
#include "varve/nn/layers.h"
#include "varve/optim.h"
#include "varve/schedules.h"
#include "zoo/registry.h"

namespace varve {
namespace {

/// Rows of a table: member, default, what it is.
class Rows final : public Fields {
 public:
  explicit Rows(std::ostream& out) : out_(&out) {}
  void visit(const Field& field) override {
    std::string value = "function";
    if (!std::holds_alternative<FunctionField>(field.value)) {
      const config::Json json = config::write("", [&](Fields& f) { f.visit(field); });
      value = json.empty() ? "none" : json.begin().value().dump();
    }
    if (!any_) *out_ << "\n| member | default | |\n| --- | --- | --- |\n";
    any_ = true;
    *out_ << "| `" << field.name << "` | `" << value << "` | " << field.doc << " |\n";
  }

 private:
  std::ostream* out_;
  bool any_ = false;
};

/// A spec's rows, under its name.
template <class S>
void write(std::ostream& out, const std::string& name, S spec) {
  out << "\n### " << name << "\n";
  Rows rows(out);
  detail::visit_fields(spec, rows);
}

/// Sections of one kind of choice; notes the names for the test of completeness.
class Kind {
 public:
  Kind(std::ostream& out, const char* title, const char* text) : out_(&out) {
    out << "\n## " << title << "\n\n" << text << "\n";
  }
  template <class S>
  Kind& add(const std::string& name, S spec) {
    names_.insert(name);
    write(*out_, name, std::move(spec));
    return *this;
  }
  /// Other names for the same.
  Kind& also(std::initializer_list<const char*> names) {
    names_.insert(names.begin(), names.end());
    for (const char* name : names) *out_ << "\nAlso called `" << name << "`.\n";
    return *this;
  }
  void covers(const std::vector<std::string>& known) const {
    for (const std::string& name : known) EXPECT_TRUE(names_.count(name)) << name;
  }

 private:
  std::ostream* out_;
  std::set<std::string> names_;
};

void write_layers(std::ostream& out) {
  out << "\n## Layers\n\n`nn::Dense{.units = 10}` in code, `{ type = \"dense\", units = 10 }` in "
         "job files. What each computes stands\nin the headers `include/varve/nn/*_layers.h`.\n";
  for (const std::string& type : nn::layer_types()) {
    const std::unique_ptr<detail::Spec> spec = nn::make_spec(type);
    // Networks are lists of layers, and not written member by member.
    if (type == "model" || type == "sequential" || !spec) continue;
    out << "\n### " << type << "\n";
    Rows rows(out);
    spec->fields(rows);
  }
}

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "`" : ", `") + n + "`";
  return out + ".\n";
}

void write_networks(std::ostream& out) {
  out << "\n## Networks\n\n`Model model = zoo::ResNet{.depth = 18}` in code, `zoo = { type = "
         "\"resnet\", depth = 18 }` in job files. What they are\nstands in the headers "
         "`include/varve/zoo*.h`.\n";
  for (const zoo::Network& n : zoo::networks()) {
    out << "\n### " << n.name << "\n";
    Rows rows(out);
    n.fields(rows);
  }
}

void write_choices(std::ostream& out) {
  out << "\n## Activations\n\nBy name: " << list_of(nn::activation_names())
      << "\n`swish` is `silu`, `hard_swish` is `hard_silu`. Layers above that have no weights are "
         "activations\nwith members of their own, under the layer's name: `{ type = \"elu\", alpha "
         "= 0.5 }`.\n";
  out << "\n## Initializers\n\nBy name: " << list_of(nn::initializer_names())
      << "\n`kaiming_*` are `he_*`, `xavier_*` are `glorot_*`.\n";
  write(out, "random_normal", nn::RandomNormal{});
  write(out, "random_uniform", nn::RandomUniform{});
  write(out, "truncated_normal", nn::TruncatedNormal{});
  write(out, "variance_scaling", nn::VarianceScaling{});
  write(out, "constant", nn::Constant{});
  write(out, "orthogonal", nn::Orthogonal{});
  out << "\n## Regularizers\n\nBy name: " << list_of(nn::regularizer_names());
  write(out, "l1", nn::L1{});
  write(out, "l2", nn::L2{});
  write(out, "l1_l2", nn::L1L2{});
  out << "\n## Constraints\n\nBy name: " << list_of(nn::constraint_names());
  write(out, "max_norm", nn::MaxNorm{});
  write(out, "min_max_norm", nn::MinMaxNorm{});
  write(out, "unit_norm", nn::UnitLength{});
}

void write_training(std::ostream& out) {
  Kind(out, "Losses", "Formulas: `include/varve/losses.h`.")
      .add("cross_entropy", losses::CrossEntropy{})
      .also({"categorical_crossentropy", "sparse_categorical_crossentropy"})
      .add("binary_cross_entropy", losses::BinaryCrossEntropy{})
      .also({"bce", "binary_crossentropy"})
      .add("negative_log_likelihood", losses::NegativeLogLikelihood{})
      .also({"nll"})
      .add("binary_focal", losses::BinaryFocal{})
      .also({"binary_focal_crossentropy"})
      .add("categorical_focal", losses::CategoricalFocal{})
      .also({"categorical_focal_crossentropy"})
      .add("kl_divergence", losses::KLDivergence{})
      .also({"kld"})
      .add("poisson", losses::Poisson{})
      .add("mean_squared_error", losses::MeanSquaredError{})
      .also({"mse"})
      .add("mean_absolute_error", losses::MeanAbsoluteError{})
      .also({"l1", "mae"})
      .add("mean_absolute_percentage_error", losses::MeanAbsolutePercentageError{})
      .also({"mape"})
      .add("mean_squared_logarithmic_error", losses::MeanSquaredLogarithmicError{})
      .also({"msle"})
      .add("log_cosh", losses::LogCosh{})
      .also({"logcosh"})
      .add("huber", losses::Huber{})
      .add("smooth_l1", losses::SmoothL1{})
      .add("quantile", losses::Quantile{})
      .add("cosine_similarity", losses::CosineSimilarity{})
      .add("hinge", losses::Hinge{})
      .add("squared_hinge", losses::SquaredHinge{})
      .add("categorical_hinge", losses::CategoricalHinge{})
      .add("contrastive", losses::Contrastive{})
      .add("triplet_mining", losses::TripletMining{})
      .add("ctc", losses::CTC{})
      .add("dice", losses::Dice{})
      .add("tversky", losses::Tversky{})
      .add("iou", losses::IoU{})
      .also({"jaccard"})
      .covers(losses::names());
  Kind(out, "Metrics", "Formulas: `include/varve/metrics.h`.")
      .add("accuracy", metrics::Accuracy{})
      .add("top_k", metrics::TopK{})
      .add("f1", metrics::F1{})
      .add("precision", metrics::Precision{})
      .add("recall", metrics::Recall{})
      .add("mean_squared_error", metrics::MeanSquaredError{})
      .also({"mse"})
      .add("mean_absolute_error", metrics::MeanAbsoluteError{})
      .also({"mae"})
      .add("root_mean_squared_error", metrics::RootMeanSquaredError{})
      .also({"rmse"})
      .add("r2", metrics::R2{})
      .add("auc", metrics::AUC{})
      .add("huber", metrics::Huber{})
      .add("cross_entropy", metrics::CrossEntropy{})
      .add("binary_cross_entropy", metrics::BinaryCrossEntropy{})
      .add("mean", metrics::Mean{})
      .covers(metrics::names());
  Kind(out, "Optimizers", "Formulas: `include/varve/optim.h`.")
      .add("sgd", optim::SGD{})
      .add("rmsprop", optim::RMSProp{})
      .add("adam", optim::Adam{})
      .add("adamw", optim::AdamW{})
      .covers(optim::names());
  Kind(out, "Learning-rate schedules", "Formulas: `include/varve/schedules.h`.")
      .add("cosine", schedules::Cosine{})
      .add("step_decay", schedules::StepDecay{})
      .add("exponential", schedules::Exponential{})
      .add("inverse_time", schedules::InverseTime{})
      .add("warmup", schedules::Warmup{})
      .add("one_cycle", schedules::OneCycle{})
      .covers(schedules::names());
  Kind(out, "Callbacks", "See `include/varve/callbacks.h`.")
      .add("early_stopping", callbacks::EarlyStopping{})
      .add("model_checkpoint", callbacks::ModelCheckpoint{})
      .add("checkpoint", callbacks::Checkpoint{})
      .add("csv_logger", callbacks::CSVLogger{})
      .add("reduce_lr_on_plateau", callbacks::ReduceLROnPlateau{})
      .covers(callbacks::names());
}

std::string reference() {
  io::onnx::register_layer();  // as reading a model file does
  std::ostringstream out;
  out << "# Layers, losses, metrics, optimizers, callbacks\n\nMade of the specs' `fields` by "
         "`tests/train/components_test.cpp`; `make docs` writes it.\n\nThe names are those of "
         "job files, of the command line and of strings in C++ (`.loss = \"mse\"`). Members\nare "
         "the same everywhere: `optim::Adam{.learning_rate = 0.01}` is `{ type = \"adam\", "
         "learning_rate = 0.01 }`.\nDefaults are shown as JSON.\n";
  write_layers(out);
  write_networks(out);
  write_choices(out);
  write_training(out);
  return out.str();
}

TEST(Components, AreWhatTheDocumentSays) { test::expect_document("components.md", reference()); }

}  // namespace
}  // namespace varve
