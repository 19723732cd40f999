// The rows of oneDNN's kernels.
#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"

namespace varve::backend::cpu {

std::vector<KernelRow> onednn_kernels() {
  constexpr auto convolution = [](const Request& r) {
    // It takes strided operands, too; once they are packed, another kernel may run.
    if (!not_packed(r).empty() && fastest_plain_way(r) != ConvolutionWay::plain)
      return Offer::decline("another kernel of packed operands is predicted to be faster");
    return onednn_convolution(r);
  };
  constexpr auto ways = convolution_candidates;
  return {{"matmul", "onednn matmul", [](const Request& r) { return onednn_matmul(r); }},
          {"convolution", "onednn convolution", convolution, ways},
          {"convolution_input_gradient", "onednn convolution", convolution, ways},
          {"convolution_filter_gradient", "onednn convolution", convolution, ways},
          {"average_pool", "onednn average pool", onednn_average_pool},
          {"average_pool_gradient", "onednn average pool", onednn_average_pool}};
}

}  // namespace varve::backend::cpu
