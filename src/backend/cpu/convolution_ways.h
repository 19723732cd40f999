// A request for a convolution or for one of its gradients, and the ways to run it.
#pragma once
#include <vector>

#include "backend/cpu/convolution_costs.h"
#include "backend/kernel.h"
#include "ops/window.h"

namespace varve::backend::cpu {

/// The three operands of a convolution or of one of its gradients.
struct Roles {
  const Layout &x, &kernel, &y;
};
Roles roles_of(const Request& request);
ConvolutionPass pass_of(const Request& request);
ops::Window window_of(const Request& request);

/// Predicted seconds of a way to run it.
double predicted_seconds(const Request& request, ConvolutionWay way);
/// Plain, and on blocks of channels where there is a kernel for them; each by the kernel that is
/// predicted to be the fastest.
std::vector<transform::Candidate> convolution_candidates(const Request& request);

/// 3x3 convolutions and their gradients by Winograd's minimal filtering (varve/numerics.h) where
/// that is allowed and predicted to be faster than a direct kernel on the same operands.
Offer winograd(const Request& request);
/// The same wherever there is such a kernel.
Offer any_winograd(const Request& request);
/// Why Winograd's kernel is not to be run; empty where it is.
std::string not_by_winograd(const Request& request);

}  // namespace varve::backend::cpu
