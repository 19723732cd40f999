// Convolution and its gradients by oneDNN, direct or by Winograd's minimal filtering: activations
// as they lie, kernels in the layout that the library likes, changed on the way.
#include <algorithm>
#include <limits>
#include <string>

#include "backend/cpu/convolution_costs.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "base/math.h"
#include "ops/window.h"
#include "varve/numerics.h"

namespace varve::backend::cpu {
namespace {

using dnnl::convolution_backward_data;
using dnnl::convolution_backward_weights;
using dnnl::convolution_forward;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;
constexpr auto kWinograd = dnnl::algorithm::convolution_winograd;

/// Of Winograd's kernels: the gradient of the filter holds 36 numbers for each pair of channels and
/// each thread, more than a network's activations where channels are many.
constexpr size_t kMostScratch = size_t{256} << 20;

/// A convolution in oneDNN's terms: batch, channels, spatial axes; groups an axis of the kernel.
struct Problem {
  dnnl::algorithm algorithm = kDirect;
  memory::data_type type;
  memory::desc x, kernel, y;  // as they lie
  memory::desc any_kernel;    // in whatever layout
  bool copy_kernel = false;   // it is made row-major first
  std::optional<memory::desc> bias;
  Dims strides, dilates, low, high;
  double operations = 0;
};

/// The kernel [spatial..., in / groups, out] as it lies: [groups], out, in, spatial.
memory::desc kernel_desc(const Layout& kernel, int64_t groups, memory::data_type type) {
  const auto axes = static_cast<std::ptrdiff_t>(kernel.strides.size()) - 2;
  const auto& k = kernel.shape.dims();
  const ir::Strides& s = kernel.strides;
  const int64_t out = k.back() / groups;
  Dims dims{out, k[static_cast<size_t>(axes)]}, steps{s.back(), s[static_cast<size_t>(axes)]};
  dims.insert(dims.end(), k.begin(), k.begin() + axes);
  steps.insert(steps.end(), s.begin(), s.begin() + axes);
  if (groups > 1) {
    dims.insert(dims.begin(), groups);
    steps.insert(steps.begin(), out * s.back());
  }
  return {dims, type, steps};
}

/// Whether the library can describe how a kernel lies: neither repeated nor backwards.
bool describable(const Layout& l) {
  for (size_t a = 0; a < l.strides.size(); ++a) {
    if (l.strides[a] <= 0 && l.shape.dims()[a] != 1) return false;
  }
  return true;
}

/// How an operand lies. A picture of one channel is the same channels first, and it is under that
/// name that the library has kernels from it to blocks.
memory::desc picture_desc(const Layout& own, const Layout& other, memory::data_type type) {
  if (own.shape[-1] == 1 && own.format != other.format) {
    std::vector<int64_t> dims = own.shape.dims();
    std::rotate(dims.begin() + 1, dims.end() - 1, dims.end());
    return {dims, type, ir::row_major(Shape(dims))};
  }
  return activation_desc(own.shape, type, own.format);
}

Problem problem(const Request& r, const Layout& x, const Layout& kernel, const Layout& y,
                memory::data_type type) {
  const size_t axes = static_cast<size_t>(x.shape.rank()) - 2;
  const auto& k = kernel.shape.dims();
  const ops::Window w = ops::window_of(
      r.attributes, ir::Ints(k.begin(), k.begin() + static_cast<std::ptrdiff_t>(axes)));
  Problem c;
  c.type = type;
  c.x = picture_desc(x, y, type);
  c.y = picture_desc(y, x, type);
  Layout lies = kernel;
  if (!describable(kernel)) {
    c.copy_kernel = true;
    lies.strides = ir::row_major(kernel.shape);
  }
  c.kernel = kernel_desc(lies, r.attributes.integer("groups"), type);
  c.any_kernel = {dims_of(c.kernel), type, memory::format_tag::any};
  c.strides = w.strides;
  c.low = w.low;
  c.high = w.high;
  for (int64_t d : w.dilation) c.dilates.push_back(d - 1);
  c.operations = 2. * static_cast<double>(kernel.shape.size()) *
                 static_cast<double>(y.shape.size() / std::max<int64_t>(y.shape[-1], 1));
  return c;
}

convolution_forward::primitive_desc describe_forward(const Problem& c,
                                                     Pointwise activation = Pointwise::identity) {
  const dnnl::primitive_attr& attr = attributes(activation);
  constexpr auto kind = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  if (c.bias) {
    return {engine(),  kind,      c.algorithm, c.x,    c.any_kernel, *c.bias, c.y,
            c.strides, c.dilates, c.low,       c.high, attr,         true};
  }
  return {engine(),  kind,      c.algorithm, c.x,    c.any_kernel, c.y,
          c.strides, c.dilates, c.low,       c.high, attr,         true};
#else
  if (c.bias) {
    return {
        {kind, c.algorithm, c.x, c.any_kernel, *c.bias, c.y, c.strides, c.dilates, c.low, c.high},
        attr,
        engine(),
        true};
  }
  return {{kind, c.algorithm, c.x, c.any_kernel, c.y, c.strides, c.dilates, c.low, c.high},
          attr,
          engine(),
          true};
#endif
}

convolution_backward_data::primitive_desc describe_input_gradient(
    const Problem& c, const convolution_forward::primitive_desc& forward) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  c.algorithm, c.x,    c.any_kernel, c.y,          c.strides,
          c.dilates, c.low,       c.high, forward,      attributes(), true};
#else
  return {{c.algorithm, c.x, c.any_kernel, c.y, c.strides, c.dilates, c.low, c.high},
          attributes(),
          engine(),
          forward,
          true};
#endif
}

convolution_backward_weights::primitive_desc describe_filter_gradient(
    const Problem& c, const convolution_forward::primitive_desc& forward) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  c.algorithm, c.x,    c.any_kernel, c.y,          c.strides,
          c.dilates, c.low,       c.high, forward,      attributes(), true};
#else
  return {{c.algorithm, c.x, c.any_kernel, c.y, c.strides, c.dilates, c.low, c.high},
          attributes(),
          engine(),
          forward,
          true};
#endif
}

Place kernel_place(Program& program, const Request& r, const Problem& c) {
  return c.copy_kernel ? program.row_major_input(r, 1) : Place{Place::Kind::input, 1};
}

/// The three operands of a convolution or of one of its gradients.
struct Roles {
  const Layout &x, &kernel, &y;
};
Roles roles_of(const Request& r) {
  const std::string_view op = r.op.name;
  if (op == "convolution") return {r.inputs[0], r.inputs[1], r.outputs[0]};
  if (op == "convolution_input_gradient") return {r.outputs[0], r.inputs[1], r.inputs[0]};
  return {r.inputs[0], r.outputs[0], r.inputs[1]};
}

/// Why a convolution is none for Winograd's kernels; empty where it is one. They take uneven
/// padding too, but the library's gradient of the input is wrong then (2.6.3).
std::string not_for_winograd(const Request& r, const Problem& c) {
  const auto [x, kernel, y] = roles_of(r);
  if (c.type != memory::data_type::f32 || x.format != Format::channels16 ||
      y.format != Format::channels16) {
    return "takes f32 in blocks of 16 channels";
  }
  const auto all = [](const Dims& d, int64_t value) {
    return std::count(d.begin(), d.end(), value) == static_cast<std::ptrdiff_t>(d.size());
  };
  if (const auto& k = kernel.shape.dims(); k.size() != 4 || k[0] != 3 || k[1] != 3 ||
                                           !all(c.strides, 1) || !all(c.dilates, 0) ||
                                           r.attributes.integer("groups") != 1) {
    return "takes 3x3 kernels, strides and dilation of 1, one group";
  }
  const auto fits = [](int64_t v) { return v == 0 || v == 1; };
  if (c.low != c.high || !std::all_of(c.low.begin(), c.low.end(), fits))
    return "takes padding by 0 or 1, the same on both sides";
  // The library counts positions by ints.
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (x.shape.size() > kMost || y.shape.size() > kMost) return "takes up to 2^31 elements";
  return {};
}

/// Why a primitive is of no use for a problem; empty where it is.
template <class PrimitiveDesc>
std::string unfit(const Problem& c, const PrimitiveDesc& made) {
  if (std::string why = refusal(made); !why.empty() || c.algorithm == kDirect) return why;
  const std::string name = made.impl_info_str();
  if (name.find("wino") == std::string::npos) return "oneDNN would take " + name;
  const size_t bytes = made.scratchpad_desc().get_size();
  return bytes <= kMostScratch ? ""
                               : "would take " + std::to_string(bytes >> 20) + " MiB of scratch";
}

/// Checks common to the three, then makes the program; errors of the library are reasons to
/// decline.
template <class Make>
Offer prepare(const Request& r, dnnl::algorithm algorithm, Make make) {
  const auto [x, kernel, y] = roles_of(r);
  const auto type = type_of(r.outputs[0].dtype);
  if (!type) return Offer::decline("takes f32 and bf16");
  if (x.shape.size() == 0 || y.shape.size() == 0 || kernel.shape.size() == 0)
    return Offer::decline("an operand is empty");
  if (r.outputs[0].format == Format::plain && !r.outputs[0].contiguous())
    return Offer::decline("the output is strided");
  try {
    Problem c = problem(r, x, kernel, y, *type);
    c.algorithm = algorithm;
    if (algorithm == kWinograd) {
      if (std::string why = not_for_winograd(r, c); !why.empty()) return Offer::decline(why);
    }
    const int threads = useful_threads(c.operations, r.threads);
    const ThreadScope scope(threads);
    auto program = std::make_unique<Program>(threads);
    if (std::string why = make(*program, c); !why.empty()) return Offer::decline(why);
    return Offer(std::move(program));
  } catch (const dnnl::error& e) {
    return Offer::decline(e.message);
  }
}

Offer prepare_forward(const Request& r, dnnl::algorithm algorithm, Pointwise activation) {
  return prepare(r, algorithm, [&](Program& program, Problem& c) -> std::string {
    if (r.inputs.size() == 3)
      c.bias = memory::desc(Dims{r.inputs[2].shape[0]}, c.type, memory::format_tag::a);
    const auto made = describe_forward(c, activation);
    if (std::string why = unfit(c, made); !why.empty()) return why;
    const Place x = program.row_major_input(r, 0), k = kernel_place(program, r, c);
    std::vector<Operand> operands{
        {DNNL_ARG_SRC, c.x, x},
        {DNNL_ARG_WEIGHTS, made.weights_desc(), program.relaid(c.kernel, k, made.weights_desc())},
        {DNNL_ARG_DST, c.y, {Place::Kind::output, 0}}};
    if (c.bias) operands.push_back({DNNL_ARG_BIAS, *c.bias, program.row_major_input(r, 2)});
    program.add(made, convolution_forward(made), std::move(operands));
    return {};
  });
}

Offer prepare_input_gradient(const Request& r, dnnl::algorithm algorithm) {
  return prepare(r, algorithm, [&](Program& program, Problem& c) -> std::string {
    const auto forward = describe_forward(c);
    if (!forward) return refusal(forward);
    const auto made = describe_input_gradient(c, forward);
    if (std::string why = unfit(c, made); !why.empty()) return why;
    const Place y = program.row_major_input(r, 0), k = kernel_place(program, r, c);
    program.add(
        made, convolution_backward_data(made),
        {{DNNL_ARG_DIFF_DST, c.y, y},
         {DNNL_ARG_WEIGHTS, made.weights_desc(), program.relaid(c.kernel, k, made.weights_desc())},
         {DNNL_ARG_DIFF_SRC, c.x, {Place::Kind::output, 0}}});
    return {};
  });
}

Offer prepare_filter_gradient(const Request& r, dnnl::algorithm algorithm) {
  return prepare(r, algorithm, [&](Program& program, Problem& c) -> std::string {
    const auto forward = describe_forward(c);
    if (!forward) return refusal(forward);
    const auto made = describe_filter_gradient(c, forward);
    if (std::string why = unfit(c, made); !why.empty()) return why;
    const Place out{Place::Kind::output, 0};
    const memory::desc liked = made.diff_weights_desc();
    const Place k = liked == c.kernel ? out : program.reserve(liked.get_size());
    const Place x = program.row_major_input(r, 0), y = program.row_major_input(r, 1);
    program.add(
        made, convolution_backward_weights(made),
        {{DNNL_ARG_SRC, c.x, x}, {DNNL_ARG_DIFF_DST, c.y, y}, {DNNL_ARG_DIFF_WEIGHTS, liked, k}});
    if (liked != c.kernel) program.add_reorder(liked, k, c.kernel, out);
    return {};
  });
}

ConvolutionPass pass_of(const Request& r) {
  const std::string_view op = r.op.name;
  if (op == "convolution") return ConvolutionPass::forward;
  return op == "convolution_input_gradient" ? ConvolutionPass::input_gradient
                                            : ConvolutionPass::filter_gradient;
}

/// Whether the library has a kernel for operands as they lie; makes none.
bool has_kernel(const Request& r, dnnl::algorithm algorithm) {
  const auto [x, kernel, y] = roles_of(r);
  try {
    Problem c = problem(r, x, kernel, y, memory::data_type::f32);
    c.algorithm = algorithm;
    if (algorithm == kWinograd && !not_for_winograd(r, c).empty()) return false;
    const ThreadScope scope(useful_threads(c.operations, r.threads));
    const auto forward = describe_forward(c);
    const ConvolutionPass pass = pass_of(r);
    if (pass == ConvolutionPass::forward) return unfit(c, forward).empty();
    if (!forward) return false;
    return pass == ConvolutionPass::input_gradient
               ? unfit(c, describe_input_gradient(c, forward)).empty()
               : unfit(c, describe_filter_gradient(c, forward)).empty();
  } catch (const dnnl::error&) {
    return false;
  }
}

ConvolutionShape shape_of(const Request& r, const ops::Window& w) {
  const auto [x, kernel, y] = roles_of(r);
  ConvolutionShape shape{};
  shape.batch = x.shape[0];
  shape.positions = y.shape.size() / std::max<int64_t>(y.shape[0] * y.shape[-1], 1);
  shape.taps = kernel.shape.size() / std::max<int64_t>(kernel.shape[-1] * kernel.shape[-2], 1);
  shape.in = x.shape[-1], shape.out = y.shape[-1];
  const Layout& covered = pass_of(r) == ConvolutionPass::input_gradient ? x : y;
  shape.tiled = 1;
  for (int axis = 1; axis + 1 < covered.shape.rank(); ++axis)
    shape.tiled *= round_up(covered.shape[axis], int64_t{4});
  shape.strided = *std::max_element(w.strides.begin(), w.strides.end()) > 1;
  return shape;
}

ops::Window window_of(const Request& r) {
  const auto& k = roles_of(r).kernel.shape.dims();
  return ops::window_of(r.attributes, ir::Ints(k.begin(), k.end() - 2));
}

/// Whether Winograd's kernel is predicted to be faster than the direct one on the same blocks.
bool winograd_pays(const Request& r) {
  const ConvolutionShape shape = shape_of(r, window_of(r));
  const auto seconds = [&](ConvolutionWay way) {
    return convolution_seconds(pass_of(r), shape, way, r.threads);
  };
  return seconds(ConvolutionWay::winograd) < seconds(ConvolutionWay::blocks);
}

Offer prepare_any(const Request& r, dnnl::algorithm algorithm, Pointwise activation) {
  const ConvolutionPass pass = pass_of(r);
  if (pass == ConvolutionPass::forward) return prepare_forward(r, algorithm, activation);
  if (activation != Pointwise::identity) return Offer::decline("a gradient has no activation");
  return pass == ConvolutionPass::input_gradient ? prepare_input_gradient(r, algorithm)
                                                 : prepare_filter_gradient(r, algorithm);
}

}  // namespace

std::vector<transform::Candidate> convolution_candidates(const Request& r) {
  const auto [x, kernel, y] = roles_of(r);
  const std::vector<Format> plain_inputs(r.inputs.size(), Format::plain);
  const ops::Window w = window_of(r);
  const ConvolutionShape shape = shape_of(r, w);
  const auto seconds = [&](ConvolutionWay way) {
    return convolution_seconds(pass_of(r), shape, way, r.threads);
  };
  std::vector<transform::Candidate> all{
      {plain_inputs, {Format::plain}, seconds(ConvolutionWay::plain)}};
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
  const Request blocked{r.op, r.attributes, in, out, r.threads};
  transform::Candidate way{{}, {out[0].format}, 0};
  if (winograd_allowed() && has_kernel(blocked, kWinograd) && winograd_pays(blocked)) {
    way.seconds = seconds(ConvolutionWay::winograd);
  } else if (has_kernel(blocked, kDirect)) {
    way.seconds = seconds(ConvolutionWay::blocks);
  } else {
    return all;
  }
  for (const Layout& l : in) way.inputs.push_back(l.format);
  all.push_back(std::move(way));
  return all;
}

Offer onednn_convolution(const Request& r, Pointwise activation) {
  return prepare_any(r, kDirect, activation);
}

Offer any_winograd(const Request& r) { return prepare_any(r, kWinograd, Pointwise::identity); }

Offer onednn_winograd(const Request& r) {
  if (!winograd_allowed())
    return Offer::decline("VARVE_WINOGRAD=0 or allow_winograd(false) forbids it");
  if (!winograd_pays(r)) return Offer::decline("a direct kernel is predicted to be faster");
  return any_winograd(r);
}

}  // namespace varve::backend::cpu
