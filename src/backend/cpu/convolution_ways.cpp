#include "backend/cpu/convolution_ways.h"

#include <algorithm>

#include "backend/cpu/instruction_set.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "base/math.h"
#include "varve/numerics.h"

namespace varve::backend::cpu {
namespace {

ConvolutionShape shape_of(const Request& r) {
  const auto [x, kernel, y] = roles_of(r);
  const ops::Window w = window_of(r);
  ConvolutionShape shape{};
  shape.batch = x.shape[0];
  shape.positions = y.shape.size() / std::max<int64_t>(y.shape[0] * y.shape[-1], 1);
  shape.taps = kernel.shape.size() / std::max<int64_t>(kernel.shape[-1] * kernel.shape[-2], 1);
  shape.in = x.shape[-1], shape.out = y.shape[-1];
  const Layout& covered = pass_of(r) == ConvolutionPass::input_gradient ? x : y;
  shape.tiled = 1;
  for (int axis = 1; axis + 1 < covered.shape.rank(); ++axis)
    shape.tiled *= round_up(covered.shape[axis], int64_t{4});
  shape.packed = kernel.steady;
  shape.strided = *std::max_element(w.strides.begin(), w.strides.end()) > 1;
  return shape;
}

/// What part of the time of its kernels for f32 the library's take of that type: half of it by the
/// instructions of AVX-512 (0.47 to 0.6, of gradients of kernels to 0.8; AMD EPYC, Zen 4), an
/// eighth by AMX (3,000 GFLOP/s and 340, oneDNN 2.6). Without such instructions it widens.
double part_of_f32(DType type) {
  if (type != bf16 || !varve::cpu::computes_in_bf16()) return 1;
  return varve::cpu::multiplies_tiles() ? 0.125 : 0.5;
}

}  // namespace

Roles roles_of(const Request& r) {
  const std::string_view op = r.op.name;
  if (op == "convolution") return {r.inputs[0], r.inputs[1], r.outputs[0]};
  if (op == "convolution_input_gradient") return {r.outputs[0], r.inputs[1], r.inputs[0]};
  return {r.inputs[0], r.outputs[0], r.inputs[1]};
}

ConvolutionPass pass_of(const Request& r) {
  const std::string_view op = r.op.name;
  if (op == "convolution") return ConvolutionPass::forward;
  return op == "convolution_input_gradient" ? ConvolutionPass::input_gradient
                                            : ConvolutionPass::filter_gradient;
}

ops::Window window_of(const Request& r) {
  const auto& k = roles_of(r).kernel.shape.dims();
  return ops::window_of(r.attributes, ir::Ints(k.begin(), k.end() - 2));
}

double predicted_seconds(const Request& r, ConvolutionWay way) {
  // Winograd's kernels compute in f32, whatever they read; products of pixels take nothing else.
  const bool library = way == ConvolutionWay::plain || way == ConvolutionWay::blocks;
  return convolution_seconds(pass_of(r), shape_of(r), way, r.threads) *
         (library ? part_of_f32(roles_of(r).x.dtype) : 1);
}

bool all_are(const ir::Ints& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
}

std::string not_plain_single_steps(const Request& r, DType type) {
  for (std::span<const Layout> side : {r.inputs, r.outputs}) {
    for (const Layout& l : side) {
      if (l.dtype != type) return std::string("takes ") + name_of(type);
      if (l.format != Format::plain) return "takes plain pictures";
      if (l.shape.size() == 0) return "takes no empty operands";
    }
  }
  return all_are(window_of(r).strides, 1) && r.attributes.integer("groups") == 1
             ? ""
             : "takes strides of 1, one group";
}

ConvolutionWay fastest_plain_way(const Request& r) {
  const auto faster = [&](ConvolutionWay way) {
    return predicted_seconds(r, way) < predicted_seconds(r, ConvolutionWay::plain);
  };
  // No kernel is both 3x3 and 1x1.
  if (unfit_for_winograd(r).empty()) {
    return winograd_allowed() && faster(ConvolutionWay::winograd) ? ConvolutionWay::winograd
                                                                  : ConvolutionWay::plain;
  }
  return unfit_for_pixel_product(r).empty() && faster(ConvolutionWay::product)
             ? ConvolutionWay::product
             : ConvolutionWay::plain;
}

Offer fastest_plain_convolution(const Request& r) {
  switch (fastest_plain_way(r)) {
    case ConvolutionWay::winograd:
      return any_winograd(r);
    case ConvolutionWay::product:
      return any_pixel_product(r);
    default:
      return onednn_convolution(r);
  }
}

std::vector<transform::Candidate> convolution_candidates(const Request& r) {
  const auto [x, kernel, y] = roles_of(r);
  const std::vector<Format> plain_inputs(r.inputs.size(), Format::plain);
  std::vector<transform::Candidate> all{
      {plain_inputs, {Format::plain}, predicted_seconds(r, fastest_plain_way(r))}};
  const ops::Window w = window_of(r);
  const Format blocks = liked_format();
  const auto lies = [&](const Layout& l) { return l.shape[-1] == 1 ? Format::plain : blocks; };
  const bool dilated = *std::max_element(w.dilation.begin(), w.dilation.end()) > 1;
  if (blocks == Format::plain || x.dtype != f32 || dilated || w.strides.size() > 3 ||
      r.attributes.integer("groups") != 1 || !ir::fits(lies(x), x.shape) ||
      !ir::fits(lies(y), y.shape)) {
    return all;
  }
  std::vector<Layout> in(r.inputs.begin(), r.inputs.end()), out{r.outputs[0]};
  in[0].format = lies(in[0]);
  if (pass_of(r) == ConvolutionPass::filter_gradient)
    in[1].format = lies(in[1]);
  else
    out[0].format = lies(out[0]);
  if (!onednn_has_convolution({r.op, r.attributes, in, out, r.threads})) return all;
  transform::Candidate way{{}, {out[0].format}, predicted_seconds(r, ConvolutionWay::blocks)};
  for (const Layout& l : in) way.inputs.push_back(l.format);
  all.push_back(std::move(way));
  return all;
}

}  // namespace varve::backend::cpu
