// Convolution and its two gradients: three bilinear ops whose derivatives are each other.
#include "varve/ops/convolution.h"

#include <algorithm>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"
#include "ops/call.h"
#include "ops/shape.h"
#include "ops/window.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

/// Of a kernel [spatial..., in, out].
ir::Ints taps_of(const Shape& kernel) { return {kernel.begin(), kernel.end() - 2}; }

Shape with_spatial(int64_t first, const std::vector<int64_t>& middle, int64_t last) {
  std::vector<int64_t> dims{first};
  dims.insert(dims.end(), middle.begin(), middle.end());
  dims.push_back(last);
  return Shape(std::move(dims));
}

/// One floating type, one rank from 3 to 5.
void check_operands(const InferArguments& a) {
  const char* op = a.op.name;
  for (size_t i = 0; i < 2; ++i) {
    if (!is_floating(a[i].dtype)) {
      throw DTypeError(
          text_of(op, std::string("expected a floating type, got ") + name_of(a[i].dtype)));
    }
  }
  for (const TensorType& t : a.inputs) {
    if (t.dtype != a[0].dtype) {
      throw DTypeError(text_of(
          op, "inputs are of different types: " + a[0].to_string() + " and " + t.to_string()));
    }
  }
  const int rank = a[0].shape.rank();
  if (rank < 3 || rank > 5 || a[1].shape.rank() != rank) {
    throw ShapeError(text_of(op, "expected operands of one rank from 3 to 5, got " +
                                     a[0].shape.to_string() + " and " + a[1].shape.to_string()));
  }
}

/// `in` input and `out` output channels under a kernel of in / groups and out.
void check_channels(const char* op, int64_t in, int64_t kernel_in, int64_t out, int64_t groups) {
  int64_t expected = 0;
  if (groups < 1 || !checked_multiply(kernel_in, groups, expected) || in != expected ||
      out % groups != 0) {
    throw ShapeError(text_of(op, "channels do not fit: " + std::to_string(in) + " in, kernel " +
                                     std::to_string(kernel_in) + " to " + std::to_string(out) +
                                     ", groups " + std::to_string(groups)));
  }
}

Types convolution_type(const InferArguments& a) {
  check_operands(a);
  const Shape &x = a[0].shape, &k = a[1].shape;
  check_channels(a.op.name, x[-1], k[-2], k[-1], a.attributes.integer("groups"));
  const Window w = window_of(a.attributes, taps_of(k));
  if (a.inputs.size() == 3 && a[2].shape != Shape{k[-1]}) {
    throw ShapeError(text_of(a.op.name, "bias: expected shape [" + std::to_string(k[-1]) +
                                            "], got " + a[2].shape.to_string()));
  }
  return {{a[0].dtype, with_spatial(x[0], checked_positions(a.op.name, w, x), k[-1])}};
}

void check_positions(const InferArguments& a, const Window& w, const Shape& x, const Shape& y) {
  if (checked_positions(a.op.name, w, x) != spatial_of(y)) {
    throw ShapeError(text_of(
        a.op.name, "positions " + y.to_string() + " are not those of an input " + x.to_string()));
  }
}

Types input_gradient_type(const InferArguments& a) {
  check_operands(a);
  const Shape &dy = a[0].shape, &k = a[1].shape;
  const int64_t groups = a.attributes.integer("groups");
  int64_t in = 0;
  if (!checked_multiply(k[-2], groups, in))
    throw ShapeError(text_of(a.op.name, "groups: got " + std::to_string(groups)));
  if (dy[-1] != k[-1]) throw ShapeError(text_of(a.op.name, "output channels differ"));
  check_channels(a.op.name, in, k[-2], k[-1], groups);
  const Shape x = with_spatial(dy[0], a.attributes.ints("size"), in);
  check_positions(a, window_of(a.attributes, taps_of(k)), x, dy);
  return {{a[0].dtype, x}};
}

Types filter_gradient_type(const InferArguments& a) {
  check_operands(a);
  const Shape &x = a[0].shape, &dy = a[1].shape;
  const int64_t groups = a.attributes.integer("groups");
  if (groups < 1 || x[-1] % groups != 0 || dy[-1] % groups != 0 || x[0] != dy[0])
    throw ShapeError(text_of(a.op.name, "batch, channels and groups do not fit"));
  std::vector<int64_t> kernel = a.attributes.ints("size");
  check_positions(a, window_of(a.attributes, kernel), x, dy);
  kernel.push_back(x[-1] / groups);
  kernel.push_back(dy[-1]);
  return {{a[0].dtype, Shape(std::move(kernel))}};
}

Tensor forward(const Tensor& x, const Tensor& kernel, const Attributes& window) {
  return make("convolution", {x, kernel}, unsized(window));
}
Tensor input_gradient(const Tensor& dy, const Tensor& kernel, const Shape& x,
                      const Attributes& window) {
  return make("convolution_input_gradient", {dy, kernel}, sized(window, spatial_of(x)));
}
Tensor filter_gradient(const Tensor& x, const Tensor& dy, const Shape& kernel,
                       const Attributes& window) {
  return make("convolution_filter_gradient", {x, dy}, sized(window, taps_of(kernel)));
}

Slots convolution_vjp(const Local& at, std::span<const Tensor> ct) {
  Slots slots(at.inputs.size());
  const Attributes& w = at.attributes;
  if (at.wanted[0]) slots[0] = input_gradient(ct[0], at.x(1), at.x(0).shape(), w);
  if (at.wanted[1]) slots[1] = filter_gradient(at.x(0), ct[0], at.x(1).shape(), w);
  if (at.inputs.size() == 3 && at.wanted[2]) slots[2] = sum_to(ct[0], at.x(2).shape());
  return slots;
}

Slots convolution_jvp(const Local& at, std::span<const Tensor> t) {
  Tensor sum;
  auto add_term = [&](const Tensor& term) { sum = sum.defined() ? sum + term : term; };
  if (t[0].defined()) add_term(forward(t[0], at.x(1), at.attributes));
  if (t[1].defined()) add_term(forward(at.x(0), t[1], at.attributes));
  if (t.size() == 3 && t[2].defined()) add_term(broadcast_to(t[2], at.y().shape()));
  return {sum};
}

Slots input_gradient_transpose(const Local& at, std::span<const Tensor> ct) {
  const Attributes& w = at.attributes;
  return {at.wanted[0] ? forward(ct[0], at.x(1), w) : Tensor(),
          at.wanted[1] ? filter_gradient(ct[0], at.x(0), at.x(1).shape(), w) : Tensor()};
}

Slots filter_gradient_transpose(const Local& at, std::span<const Tensor> ct) {
  const Attributes& w = at.attributes;
  return {at.wanted[0] ? input_gradient(at.x(1), ct[0], at.x(0).shape(), w) : Tensor(),
          at.wanted[1] ? forward(at.x(0), ct[0], w) : Tensor()};
}

/// Two a tap, a channel of the kernel and an output element; padding counts.
double flops_of(const Shape& kernel, const Shape& y) {
  return 2. * static_cast<double>(kernel.size()) *
         static_cast<double>(y.size() / std::max<int64_t>(y[-1], 1));
}

}  // namespace

std::span<const ir::OpDef> convolution_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "convolution",
       .doc = "y[b, p, o] = sum_t,c x[b, p stride + t dilation - padding_low, c] kernel[t, c, o] "
              "(+ bias[o]) over one to three spatial axes. x [batch, spatial..., in], kernel "
              "[spatial..., in / groups, out], y [batch, positions..., out].",
       .min_inputs = 2,
       .max_inputs = 3,
       .infer = convolution_type,
       .derivative = ir::Custom{convolution_vjp, convolution_jvp},
       .traits = {.epilogue = true, .precision = ir::PrecisionTrait::bf16_ok},
       .flops = [](const InferArguments& a,
                   const Types& y) { return flops_of(a[1].shape, y[0].shape); }},
      {.name = "convolution_input_gradient",
       .doc = "The gradient of convolution by x, from that by y and the kernel; attribute size is "
              "x's spatial sizes. Also the transposed convolution.",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = input_gradient_type,
       .derivative = ir::Multilinear{2, input_gradient_transpose},
       .traits = {.precision = ir::PrecisionTrait::bf16_ok},
       .flops = [](const InferArguments& a,
                   const Types&) { return flops_of(a[1].shape, a[0].shape); }},
      {.name = "convolution_filter_gradient",
       .doc = "The gradient of convolution by its kernel, from x and that by y; attribute size is "
              "the kernel's spatial sizes.",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = filter_gradient_type,
       .derivative = ir::Multilinear{2, filter_gradient_transpose},
       .traits = {.precision = ir::PrecisionTrait::bf16_ok},
       .flops = [](const InferArguments& a,
                   const Types& y) { return flops_of(y[0].shape, a[1].shape); }},
  };
  return rows;
}

namespace {

/// Operands of a convolution-like function in one floating type and channels last.
struct Operands : Call {
  Tensor x, kernel, bias;
};

template <class Options>
Operands operands(const char* name, int axes, const Operand& x, const Operand& kernel,
                  const Options& o) {
  Operands c{{name, x.where()}, {}, {}, o.bias};
  DType d = common_type({&x, &kernel});
  if (c.bias.defined()) d = promote(d, c.bias.dtype());
  if (!is_floating(d)) d = f32;
  c.x = cast(Operand(x.as(d), c.where), d);
  c.kernel = cast(Operand(kernel.as(d), c.where), d);
  if (c.bias.defined()) c.bias = cast(Operand(c.bias, c.where), d);
  const bool first = o.data_format.channels_first;
  for (const auto& [t, what, form] :
       {std::tuple(&c.x, "input",
                   first ? "[batch, channels, spatial...]" : "[batch, spatial..., channels]"),
        std::tuple(&c.kernel, "kernel",
                   first ? "[out, in / groups, spatial...]" : "[spatial..., in / groups, out]")}) {
    if (t->rank() != axes + 2) {
      c.shape_error(std::string(what) + ": expected rank " + std::to_string(axes + 2) + " " + form +
                    ", got " + t->shape().to_string());
    }
  }
  if (o.groups < 1)
    c.value_error("groups: expected at least 1, got " + std::to_string(o.groups.value));
  if (!first) return c;
  c.x = channels_last(c.x, c.where);
  ir::Ints order;
  for (int i = 2; i < axes + 2; ++i) order.push_back(i);
  order.push_back(1);
  order.push_back(0);
  c.kernel = make("transpose", {c.kernel}, {{"axes", order}}, c.where);
  return c;
}

void check_bias(const Operands& c, int64_t out) {
  if (c.bias.defined() && c.bias.shape() != Shape{out}) {
    c.shape_error("bias: expected shape [" + std::to_string(out) + "], got " +
                  c.bias.shape().to_string());
  }
}

template <int N>
Tensor convolve(const char* name, const Operand& x_operand, const Operand& kernel,
                const ConvOptions<N>& o) {
  const Operands c = operands(name, N, x_operand, kernel, o);
  const int64_t in = c.x.shape()[-1], kernel_in = c.kernel.shape()[-2], out = c.kernel.shape()[-1];
  if (in % o.groups != 0 || out % o.groups != 0) {
    c.shape_error(
        "groups " + std::to_string(o.groups.value) + " does not divide the " +
        (in % o.groups ? std::to_string(in) + " input" : std::to_string(out) + " output") +
        " channels");
  }
  if (in != kernel_in * o.groups) {
    c.shape_error("input has " + std::to_string(in) + " channels, kernel " +
                  kernel.tensor().shape().to_string() + " takes " +
                  std::to_string(kernel_in * o.groups) +
                  (o.groups == 1 ? "" : " in " + std::to_string(o.groups.value) + " groups"));
  }
  check_bias(c, out);
  Window w{taps_of(c.kernel.shape()), o.strides.list(), o.dilation.list(), {}, {}};
  settle(name, "kernel", o.padding, spatial_of(c.x.shape()), w, c.where);
  Attributes attributes{{"groups", o.groups.value}};
  w.put(attributes);
  const Tensor y = c.bias.defined()
                       ? make("convolution", {c.x, c.kernel, c.bias}, attributes, c.where)
                       : make("convolution", {c.x, c.kernel}, attributes, c.where);
  return o.data_format.channels_first ? channels_first(y, c.where) : y;
}

struct TransposedSize {
  int64_t size;         ///< of the gradient that is the transposed convolution
  int64_t further = 0;  ///< positions behind it that no tap reaches
};

/// The output size of a transposed convolution along one axis, and the padding of the convolution
/// it transposes. A bare ShapeError where it passes 2^63.
template <int N>
TransposedSize transposed_size(const Operands& c, const ConvTransposeOptions<N>& o, Window& w,
                               size_t axis, int64_t input) {
  const int64_t stride = w.strides[axis], reach = w.reach(axis);
  const bool same = o.padding.kind == Padding::Kind::same;
  const bool valid = o.padding.kind == Padding::Kind::valid;
  if (o.padding.kind == Padding::Kind::causal)
    c.value_error("padding: \"causal\" has no transpose");
  const auto require = [&](bool fits) {
    if (fits) return;
    throw ShapeError("stride " + std::to_string(stride) + " and padding " + o.padding.to_string() +
                     " of an input of " + count_of(input, "element") +
                     " give a size that passes 2^63");
  };
  int64_t size = 0, excess = 0;
  require(checked_multiply(input - 1, stride, size));
  if (o.output_padding) {
    const int64_t more = (*o.output_padding)[static_cast<int>(axis)];
    const int64_t most = std::max(stride, w.dilation[axis]) - 1;
    if (more < 0 || more > most) {
      c.value_error(std::string("output_padding: expected 0 to ") +
                    (w.dilation[axis] > stride ? "dilation" : "stride") +
                    " - 1 = " + std::to_string(most) + ", got " + std::to_string(more));
    }
    excess = std::max<int64_t>(0, more - (stride - 1));
    require(checked_add(size, more - excess, size) &&
            checked_add(size, same ? reach % 2 : reach, size));
  } else {
    require(checked_add(size, same ? stride : valid ? std::max(reach, stride) : reach, size));
  }
  const Padding::Side side = sides_of(c.name, o.padding, w, axis, size, c.where);
  w.low[axis] = side.low;
  w.high[axis] = side.high;
  require(same || (checked_add(size, -side.low, size) && checked_add(size, -side.high, size)));
  // A convolution has room for another position a stride further on: what goes beyond takes the
  // place of padding, and where there is none left nothing stands there.
  const int64_t uncovered = std::min(excess, side.high);
  w.high[axis] -= uncovered;
  return {size + uncovered, excess - uncovered};
}

template <int N>
Tensor convolve_transposed(const char* name, const Operand& x_operand, const Operand& kernel,
                           const ConvTransposeOptions<N>& o) {
  const Operands c = operands(name, N, x_operand, kernel, o);
  const int64_t in = c.x.shape()[-1];
  if (in != c.kernel.shape()[-1] || in % o.groups != 0) {
    c.shape_error("input has " + std::to_string(in) + " channels, kernel " +
                  kernel.tensor().shape().to_string() + " takes " +
                  std::to_string(c.kernel.shape()[-1]) + " in " + std::to_string(o.groups.value) +
                  " groups");
  }
  check_bias(c, c.kernel.shape()[-2] * o.groups);
  const ir::Ints taps = taps_of(c.kernel.shape()), from = spatial_of(c.x.shape());
  Window w{taps, o.strides.list(), o.dilation.list(), ir::Ints(taps.size(), 0),
           ir::Ints(taps.size(), 0)};
  check_window(name, "kernel", w, c.where);
  ir::Ints size, further(taps.size() + 2, 0);
  for (size_t i = 0; i < taps.size(); ++i) {
    bool fits = false;
    named(name, c.where.to_string(), [&] {
      const TransposedSize t = transposed_size(c, o, w, i, from[i]);
      size.push_back(t.size);
      further[i + 1] = t.further;
      fits = t.size >= 1 && w.positions(i, t.size) == from[i];
    });
    if (!fits) {
      c.shape_error("input " + sizes_text(from) + " with kernel " + sizes_text(taps) +
                    " and padding " + o.padding.to_string() + " has no output");
    }
  }
  Attributes attributes{{"groups", o.groups.value}, {"size", size}};
  w.put(attributes);
  const ir::CallerScope caller(c.where);
  Tensor y = make("convolution_input_gradient", {c.x, c.kernel}, attributes, c.where);
  if (std::any_of(further.begin(), further.end(), [](int64_t n) { return n > 0; }))
    y = padded(y, ir::Ints(further.size(), 0), further, ir::Ints(further.size(), 0));
  if (c.bias.defined()) y = y + c.bias;
  return o.data_format.channels_first ? channels_first(y, c.where) : y;
}

}  // namespace
}  // namespace varve::ops

namespace varve {

Tensor conv1d(const Operand& x, const Operand& kernel, const ConvOptions<1>& options) {
  return ops::convolve("conv1d", x, kernel, options);
}
Tensor conv2d(const Operand& x, const Operand& kernel, const ConvOptions<2>& options) {
  return ops::convolve("conv2d", x, kernel, options);
}
Tensor conv3d(const Operand& x, const Operand& kernel, const ConvOptions<3>& options) {
  return ops::convolve("conv3d", x, kernel, options);
}
Tensor conv_transpose1d(const Operand& x, const Operand& kernel,
                        const ConvTransposeOptions<1>& options) {
  return ops::convolve_transposed("conv_transpose1d", x, kernel, options);
}
Tensor conv_transpose2d(const Operand& x, const Operand& kernel,
                        const ConvTransposeOptions<2>& options) {
  return ops::convolve_transposed("conv_transpose2d", x, kernel, options);
}
Tensor conv_transpose3d(const Operand& x, const Operand& kernel,
                        const ConvTransposeOptions<3>& options) {
  return ops::convolve_transposed("conv_transpose3d", x, kernel, options);
}

}  // namespace varve
