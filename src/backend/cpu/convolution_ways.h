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

/// The way of packed plain pictures that is possible, allowed and predicted to be the fastest.
ConvolutionWay fastest_plain_way(const Request& request);
/// The kernel of that way.
Offer fastest_plain_convolution(const Request& request);

/// Why a convolution is none of plain pictures of that type, packed or not, by single steps and in
/// one group; empty where it is.
std::string not_plain_single_steps(const Request& request, DType type = f32);
bool all_are(const ir::Ints& values, int64_t value);

/// 3x3 convolutions and their gradients by Winograd's minimal filtering (varve/numerics.h), and why
/// one cannot be run so, its operands packed; empty where it can. Computed in f32, of f32 or bf16.
Offer any_winograd(const Request& request);
std::string unfit_for_winograd(const Request& request);

/// The same of 1x1 convolutions as products of matrices whose rows are the pixels.
Offer any_pixel_product(const Request& request);
std::string unfit_for_pixel_product(const Request& request);

}  // namespace varve::backend::cpu
