// A loss, a metric and an optimizer of your own.
#include <varve/varve.h>

#include <cmath>

using namespace varve;

// [optimizer]
// Sign descent with momentum (Lion without its second average, Chen et al. 2023).
struct SignDescent {
  Schedule learning_rate = 0.01;
  Real beta = 0.9;

  std::vector<std::string> slots() const { return {"m"}; }
  optim::Updated update(const optim::UpdateArguments& a) const {
    Tensor m = beta * a.slots[0] + (1 - beta) * a.gradient;
    return {a.parameter - cast(a.learning_rate, m.dtype()) * sign(m), {m}};
  }
  void fields(Fields& f) {
    f("learning_rate", learning_rate, "Step.");
    f("beta", beta, "Decay of the running mean.", {.min = 0, .below = 1});
  }
};
// [/optimizer]

// [metric_struct]
// Matthews' correlation of yes and no (1975) is no mean over samples: it is made of counts over all
// batches together.
struct Matthews {
  std::string name = "matthews";

  Tensor statistics(const MetricInput& in) const {  // summed up batch by batch
    Tensor said = cast(in.prediction > 0.5, f32), is = cast(in.target > 0.5, f32);
    Tensor weights = reshape(in.weights, {-1, 1});  // of the samples; ones where none are given
    return stack({sum(weights * said * is), sum(weights * said), sum(weights * is), sum(weights)});
  }
  double result(std::span<const double> totals) const {
    double both = totals[0], said = totals[1], is = totals[2], all = totals[3];
    double spread = std::sqrt(said * (all - said) * is * (all - is));
    return spread > 0 ? (all * both - said * is) / spread : 0;
  }
};
// [/metric_struct]

int main() {
  // Points in the plane; class 1 lies within a circle, and is the rarer one.
  Tensor points = random::uniform(Key(1), {2000, 2}, {.low = -1, .high = 1});
  Tensor inside = cast(sum(square(points), {.axes = {1}, .keep_dims = true}) < 0.2, f32);

  // [loss]
  // Focal loss (Lin et al. 2017): elementwise; Varve averages over a sample's elements, weights the
  // samples and takes the mean over the batch.
  auto focal = [](const Tensor& prediction, const Tensor& target) {
    Tensor p = clip(where(target == 1, prediction, 1 - prediction), 1e-7, 1);
    return -square(1 - p) * log(p);
  };
  // [/loss]

  // [metric]
  // A function that gives one number a sample is a metric: its mean is reported.
  Metric distance("distance", [](const Tensor& prediction, const Tensor& target) {
    return abs(prediction - target);
  });
  // [/metric]

  // [compile]
  random::seed(1);
  Sequential model{nn::Dense{16, "relu"}, nn::Dense{.units = 1, .activation = "sigmoid"}};
  model.compile({.optimizer = SignDescent{.learning_rate = 0.005},
                 .loss = focal,
                 .metrics = {"accuracy", distance, Matthews{}}});
  model.fit(points, inside, {.batch_size = 50, .epochs = 15, .seed = 1, .progress = false});
  model.evaluate(points, inside).print();
  // [/compile]
}
