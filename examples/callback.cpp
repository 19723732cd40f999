// Callbacks: the library's, and one of your own.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

// [callback]
struct StopAt : Callback {
  double target;
  int64_t reached = -1;
  explicit StopAt(double t) : target(t) {}
  void on_epoch_end(TrainState& s) override {
    if (s.log("val_accuracy") < target) return;
    reached = s.epoch() + 1;
    s.stop("target reached");
  }
};
// [/callback]

int main() {
  TrainTest mnist = datasets::mnist();
  random::seed(1);
  Sequential model{nn::Flatten{}, nn::Dense{128, "relu"}, nn::Dense{10}};
  model.compile({.optimizer = "adam",
                 .loss = losses::CrossEntropy{.from_logits = true},
                 .metrics = {metrics::Accuracy{}}});
  // [fit]
  StopAt at(0.93);
  History history = model.fit(
      mnist.train.take(6000),
      {.batch_size = 128,
       .epochs = 50,
       .callbacks = {std::ref(at), callbacks::CSVLogger{"training.csv"},
                     callbacks::ModelCheckpoint{.path = "best.safetensors", .save_best_only = true},
                     callbacks::OnEpochEnd{[](TrainState& s) {
                       std::printf("epoch %d: validation loss %.3f\n", int(s.epoch()) + 1,
                                   s.log("val_loss"));
                     }}},
       .validation_split = 0.1,
       .seed = 1,
       .progress = false});
  std::printf("%.0f %% after %d epochs: %s\n", at.target * 100, int(at.reached),
              history.params["stopped"].c_str());
  // [/fit]
}
