// room: nn
// Losses of generative models: functions of several tensors, for training loops of one's own and
// for Scope::add_loss.
#pragma once
#include <functional>
#include <string>

#include "varve/tensor.h"

namespace varve::losses {

/// Divergence of N(mean, exp(log_variance)) from the unit Gaussian, one a sample: 1/2 sum(mean^2 +
/// variance - 1 - log variance) over all axes but the first. With a reconstruction loss that is
/// summed (not averaged) over a sample it makes the negative ELBO. Kingma & Welling 2014.
Tensor gaussian_kl(const Operand& mean, const Operand& log_variance);
/// -ELBO, one a sample: the reconstruction's negative log-likelihood (its axes but the first are
/// summed) + beta gaussian_kl. beta above 1: Higgins et al. 2017.
Tensor negative_elbo(const Operand& reconstruction_loss, const Operand& mean,
                     const Operand& log_variance, Real beta = 1);

/// What a GAN's discriminator minimizes, a scalar, of scores before any sigmoid. Kinds:
/// "non_saturating" and "minimax": -E log D(x) - E log(1 - D(G(z))), Goodfellow et al. 2014 (some
/// halve it); "least_squares": E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2, Mao et al. 2017;
/// "wasserstein": E D(G(z)) - E D(x), Arjovsky et al. 2017; "hinge": E max(0, 1 - D(x)) +
/// E max(0, 1 + D(G(z))). Throws ValueError for another.
Tensor gan_discriminator(const Operand& real, const Operand& fake,
                         const std::string& kind = "non_saturating");
/// What its generator minimizes. "non_saturating": -E log D(G(z)), whose gradient stays large while
/// the discriminator wins; "minimax": E log(1 - D(G(z))), minus the discriminator's loss, whose
/// gradient then vanishes; "least_squares": E (D(G(z)) - 1)^2 / 2; "wasserstein" and "hinge":
/// -E D(G(z)).
Tensor gan_generator(const Operand& fake, const std::string& kind = "non_saturating");
/// E (|grad D(x)| - 1)^2 at random points between pairs of real and fake samples (shapes alike, the
/// batch first): the penalty of WGAN-GP, times 10 there. Gulrajani et al. 2017.
Tensor gradient_penalty(const std::function<Tensor(const Tensor&)>& critic, const Tensor& real,
                        const Tensor& fake, const Key& key);
struct CycleOptions {
  Real weight = 10;
};
/// weight (E |a - a''| + E |b - b''|), with '' what came back from both generators one after the
/// other. Zhu et al. 2017.
Tensor cycle_consistency(const Operand& a, const Operand& a_again, const Operand& b,
                         const Operand& b_again, const CycleOptions& options = {});

}  // namespace varve::losses
