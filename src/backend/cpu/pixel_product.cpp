// 1x1 convolutions and their gradients as products of matrices whose rows are the pixels: kernels
// need not be laid out anew for them.
#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/kernels.h"
#include "ops/table.h"

namespace varve::backend::cpu {
namespace {

/// [..., columns] as a matrix.
Layout matrix_of(const Layout& l) {
  const int64_t columns = l.shape[-1];
  return packed({l.dtype, {l.shape.size() / columns, columns}});
}

}  // namespace

std::string unfit_for_pixel_product(const Request& r) {
  if (std::string why = not_plain_single_steps(r); !why.empty()) return why;
  const Layout& kernel = roles_of(r).kernel;
  const ops::Window w = window_of(r);
  return kernel.shape.size() == kernel.shape[-1] * kernel.shape[-2] && all_are(w.low, 0) &&
                 all_are(w.high, 0)
             ? ""
             : "takes 1x1 kernels without padding";
}

Offer any_pixel_product(const Request& r) {
  if (std::string why = unfit_for_pixel_product(r); !why.empty()) return Offer::decline(why);
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  const ConvolutionPass pass = pass_of(r);
  std::vector<Layout> in{matrix_of(r.inputs[0]), matrix_of(r.inputs[1])};
  if (r.inputs.size() == 3) in.push_back(r.inputs[2]);
  const Layout out = matrix_of(r.outputs[0]);
  const ir::Attributes turns{{"transpose_a", pass == ConvolutionPass::filter_gradient},
                             {"transpose_b", pass == ConvolutionPass::input_gradient}};
  Choice product =
      choose_kernel({ops::get("matmul"), turns, in, std::span(&out, 1), r.threads}, KernelSet::cpu);
  if (!product.kernel) return Offer::decline("there is no kernel for the product");
  return Offer(std::move(product.kernel));
}

namespace {
Offer pixel_product(const Request& r) {
  if (std::string why = unfit_for_pixel_product(r); !why.empty()) return Offer::decline(why);
  if (fastest_plain_way(r) != ConvolutionWay::product)
    return Offer::decline("another kernel is predicted to be faster");
  return any_pixel_product(r);
}
}  // namespace

std::vector<KernelRow> pixel_product_kernels() {
  return {{"convolution", "pixel product", pixel_product},
          {"convolution_input_gradient", "pixel product", pixel_product},
          {"convolution_filter_gradient", "pixel product", pixel_product}};
}

}  // namespace varve::backend::cpu
