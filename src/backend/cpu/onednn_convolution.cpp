// Convolution and its gradients by oneDNN's direct kernels: activations as they lie, kernels in the
// layout that the library likes, changed on the way.
#include <algorithm>
#include <string>

#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/onednn.h"
#include "base/math.h"
#include "ops/window.h"

namespace varve::backend::cpu {
namespace {

using dnnl::convolution_backward_data;
using dnnl::convolution_backward_weights;
using dnnl::convolution_forward;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

/// A convolution in oneDNN's terms: batch, channels, spatial axes; groups an axis of the kernel.
struct Problem {
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
    return {engine(),  kind,      kDirect, c.x,    c.any_kernel, *c.bias, c.y,
            c.strides, c.dilates, c.low,   c.high, attr,         true};
  }
  return {engine(),  kind,      kDirect, c.x,    c.any_kernel, c.y,
          c.strides, c.dilates, c.low,   c.high, attr,         true};
#else
  if (c.bias) {
    return {{kind, kDirect, c.x, c.any_kernel, *c.bias, c.y, c.strides, c.dilates, c.low, c.high},
            attr,
            engine(),
            true};
  }
  return {{kind, kDirect, c.x, c.any_kernel, c.y, c.strides, c.dilates, c.low, c.high},
          attr,
          engine(),
          true};
#endif
}

convolution_backward_data::primitive_desc describe_input_gradient(
    const Problem& c, const convolution_forward::primitive_desc& forward) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  kDirect, c.x,    c.any_kernel, c.y,          c.strides,
          c.dilates, c.low,   c.high, forward,      attributes(), true};
#else
  return {{kDirect, c.x, c.any_kernel, c.y, c.strides, c.dilates, c.low, c.high},
          attributes(),
          engine(),
          forward,
          true};
#endif
}

convolution_backward_weights::primitive_desc describe_filter_gradient(
    const Problem& c, const convolution_forward::primitive_desc& forward) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  kDirect, c.x,    c.any_kernel, c.y,          c.strides,
          c.dilates, c.low,   c.high, forward,      attributes(), true};
#else
  return {{kDirect, c.x, c.any_kernel, c.y, c.strides, c.dilates, c.low, c.high},
          attributes(),
          engine(),
          forward,
          true};
#endif
}

/// Checks common to the three, then makes the program; errors of the library are reasons to
/// decline.
template <class Make>
Offer prepare(const Request& r, Make make) {
  const auto [x, kernel, y] = roles_of(r);
  const auto type = type_of(r.outputs[0].dtype);
  if (!type) return Offer::decline("takes f32 and bf16");
  if (x.shape.size() == 0 || y.shape.size() == 0 || kernel.shape.size() == 0)
    return Offer::decline("an operand is empty");
  if (r.outputs[0].format == Format::plain && !r.outputs[0].contiguous())
    return Offer::decline("the output is strided");
  try {
    Problem c = problem(r, x, kernel, y, *type);
    const int threads = useful_threads(c.operations, r.threads);
    const ThreadScope scope(threads);
    auto program = std::make_unique<Program>(threads);
    if (std::string why = make(*program, c); !why.empty()) return Offer::decline(why);
    return Offer(std::move(program));
  } catch (const dnnl::error& e) {
    return Offer::decline(e.message);
  }
}

Offer prepare_forward(const Request& r, Pointwise activation) {
  return prepare(r, [&](Program& program, Problem& c) -> std::string {
    if (r.inputs.size() == 3)
      c.bias = memory::desc(Dims{r.inputs[2].shape[0]}, c.type, memory::format_tag::a);
    const auto made = describe_forward(c, activation);
    if (std::string why = refusal(made); !why.empty()) return why;
    const memory::desc liked = made.weights_desc();
    const Place x = program.row_major_input(r, 0),
                k = program.packed_input(r, 1, c.copy_kernel, c.kernel, liked);
    std::vector<Operand> operands{{DNNL_ARG_SRC, c.x, x},
                                  {DNNL_ARG_WEIGHTS, liked, k},
                                  {DNNL_ARG_DST, c.y, {Place::Kind::output, 0}}};
    if (c.bias) operands.push_back({DNNL_ARG_BIAS, *c.bias, program.row_major_input(r, 2)});
    program.add(made, convolution_forward(made), std::move(operands));
    return {};
  });
}

Offer prepare_input_gradient(const Request& r) {
  return prepare(r, [&](Program& program, Problem& c) -> std::string {
    const auto forward = describe_forward(c);
    if (!forward) return refusal(forward);
    const auto made = describe_input_gradient(c, forward);
    if (std::string why = refusal(made); !why.empty()) return why;
    const memory::desc liked = made.weights_desc();
    const Place y = program.row_major_input(r, 0),
                k = program.packed_input(r, 1, c.copy_kernel, c.kernel, liked);
    program.add(made, convolution_backward_data(made),
                {{DNNL_ARG_DIFF_DST, c.y, y},
                 {DNNL_ARG_WEIGHTS, liked, k},
                 {DNNL_ARG_DIFF_SRC, c.x, {Place::Kind::output, 0}}});
    return {};
  });
}

Offer prepare_filter_gradient(const Request& r) {
  return prepare(r, [&](Program& program, Problem& c) -> std::string {
    const auto forward = describe_forward(c);
    if (!forward) return refusal(forward);
    const auto made = describe_filter_gradient(c, forward);
    if (std::string why = refusal(made); !why.empty()) return why;
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

}  // namespace

bool onednn_has_convolution(const Request& r) {
  const auto [x, kernel, y] = roles_of(r);
  try {
    Problem c = problem(r, x, kernel, y, memory::data_type::f32);
    const ThreadScope scope(useful_threads(c.operations, r.threads));
    const auto forward = describe_forward(c);
    const ConvolutionPass pass = pass_of(r);
    if (pass == ConvolutionPass::forward) return refusal(forward).empty();
    if (!forward) return false;
    return pass == ConvolutionPass::input_gradient
               ? refusal(describe_input_gradient(c, forward)).empty()
               : refusal(describe_filter_gradient(c, forward)).empty();
  } catch (const dnnl::error&) {
    return false;
  }
}

Offer onednn_convolution(const Request& r, Pointwise activation) {
  const ConvolutionPass pass = pass_of(r);
  if (pass == ConvolutionPass::forward) return prepare_forward(r, activation);
  if (activation != Pointwise::identity) return Offer::decline("a gradient has no activation");
  return pass == ConvolutionPass::input_gradient ? prepare_input_gradient(r)
                                                 : prepare_filter_gradient(r);
}

}  // namespace varve::backend::cpu
