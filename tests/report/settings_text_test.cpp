#include "report/settings_text.h"

#include <gtest/gtest.h>

#include "varve/callbacks.h"
#include "varve/losses.h"
#include "varve/nn/choices.h"
#include "varve/optim.h"
#include "varve/schedules.h"

namespace varve::report {
namespace {

TEST(SettingsText, IsWhatCodeWouldWrite) {
  EXPECT_EQ(settings_text(Optimizer(optim::Adam{}).config()),
            "Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, weight_decay=0.0)");
  EXPECT_EQ(settings_text(Loss("mse").config()), "MeanSquaredError()");
  EXPECT_EQ(settings_text(R"({"type": "sgd", "learning_rate": {"type": "cosine", "steps": 9}})"),
            "SGD(learning_rate=Cosine(steps=9))");
  EXPECT_EQ(settings_text(R"({"type": "early_stopping", "monitor": "val_f1", "patience": 8})"),
            "EarlyStopping(monitor=\"val_f1\", patience=8)");
  EXPECT_EQ(settings_text("a function"), "a function");
}

TEST(SettingsText, NamesTypesAsCodeDoes) {
  const auto expect = [](const std::string& name, std::string_view spelled) {
    EXPECT_EQ(settings_text("\"" + name + "\""), detail::type_name(spelled) + "()");
  };
  expect("adam", detail::spelled<optim::Adam>());
  expect("adamw", detail::spelled<optim::AdamW>());
  expect("rmsprop", detail::spelled<optim::RMSProp>());
  expect("sgd", detail::spelled<optim::SGD>());
  expect("binary_cross_entropy", detail::spelled<losses::BinaryCrossEntropy>());
  expect("inverse_time", detail::spelled<schedules::InverseTime>());
  expect("one_cycle", detail::spelled<schedules::OneCycle>());
  expect("checkpoint", detail::spelled<callbacks::Checkpoint>());
  expect("csv_logger", detail::spelled<callbacks::CSVLogger>());
  expect("early_stopping", detail::spelled<callbacks::EarlyStopping>());
  expect("model_checkpoint", detail::spelled<callbacks::ModelCheckpoint>());
  expect("reduce_lr_on_plateau", detail::spelled<callbacks::ReduceLROnPlateau>());
}

}  // namespace
}  // namespace varve::report
