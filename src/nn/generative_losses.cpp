#include "varve/generative_losses.h"

#include "base/error.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::losses {
namespace {

Tensor sum_of_sample(const Tensor& x) {
  std::vector<int> axes;
  for (int i = 1; i < x.rank(); ++i) axes.push_back(i);
  return axes.empty() ? x : sum(x, {.axes = axes});
}

enum class Gan { non_saturating, minimax, least_squares, wasserstein, hinge };

Gan kind_of(const std::string& kind) {
  static const std::vector<std::string> names = {"non_saturating", "minimax", "least_squares",
                                                 "wasserstein", "hinge"};
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == kind) return static_cast<Gan>(i);
  }
  throw ValueError("gan: unknown kind \"" + escaped(kind) + "\"", did_you_mean(kind, names));
}

}  // namespace

Tensor gaussian_kl(const Operand& mean, const Operand& log_variance) {
  const Tensor terms = square(mean) + exp(log_variance) - 1 - log_variance;
  if (terms.rank() == 0) {
    throw ShapeError("gaussian_kl: expected [batch, ...], got " + terms.shape().to_string());
  }
  return 0.5 * sum_of_sample(terms);
}

Tensor negative_elbo(const Operand& reconstruction_loss, const Operand& mean,
                     const Operand& log_variance, Real beta) {
  return sum_of_sample(reconstruction_loss.tensor()) + beta.value * gaussian_kl(mean, log_variance);
}

Tensor gan_discriminator(const Operand& real, const Operand& fake, const std::string& kind) {
  switch (kind_of(kind)) {
    case Gan::non_saturating:
    case Gan::minimax:
      break;
    case Gan::least_squares:
      return 0.5 * (mean(square(real - 1)) + mean(square(fake)));
    case Gan::wasserstein:
      return mean(fake) - mean(real);
    case Gan::hinge:
      return mean(relu(1 - real)) + mean(relu(1 + fake));
  }
  return mean(softplus(-real)) + mean(softplus(fake));
}

Tensor gan_generator(const Operand& fake, const std::string& kind) {
  switch (kind_of(kind)) {
    case Gan::non_saturating:
      break;
    case Gan::minimax:
      return -mean(softplus(fake));
    case Gan::least_squares:
      return 0.5 * mean(square(fake - 1));
    case Gan::wasserstein:
    case Gan::hinge:
      return -mean(fake);
  }
  return mean(softplus(-fake));
}

Tensor gradient_penalty(const std::function<Tensor(const Tensor&)>& critic, const Tensor& real,
                        const Tensor& fake, const Key& key) {
  if (real.shape() != fake.shape() || real.rank() == 0) {
    throw ShapeError("gradient_penalty: expected two batches alike, got " +
                     real.shape().to_string() + " and " + fake.shape().to_string());
  }
  std::vector<int64_t> dims(static_cast<size_t>(real.rank()), 1);
  dims[0] = real.shape()[0];
  const Tensor t = random::uniform(key, Shape(std::move(dims)), {.dtype = real.dtype()});
  const Tensor between = real + t * (fake - real);
  const Tensor g = grad([&](const Tensor& x) { return sum(critic(x)); })(between);
  return mean(square(norm(reshape(g, {g.shape()[0], -1}), {.axes = {1}}) - 1));
}

Tensor cycle_consistency(const Operand& a, const Operand& a_again, const Operand& b,
                         const Operand& b_again, const CycleOptions& options) {
  return options.weight.value * (mean(abs(a - a_again)) + mean(abs(b - b_again)));
}

}  // namespace varve::losses
