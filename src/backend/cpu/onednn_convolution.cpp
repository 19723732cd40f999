#include "backend/cpu/onednn.h"

namespace varve::backend::cpu {
namespace {

using Type = dnnl::memory::data_type;

/// [batch, spatial..., channels] as oneDNN's logical [batch, channels, spatial...].
Desc pixels(const Shape& s, Type type) {
  const ir::Strides steps = ir::row_major(s);
  Dims dims{s[0], s[-1]}, strides{steps.front(), steps.back()};
  for (int i = 1; i + 1 < s.rank(); ++i) {
    dims.push_back(s[i]);
    strides.push_back(steps[static_cast<size_t>(i)]);
  }
  return {dims, type, strides};
}

/// [spatial..., in / groups, out] as [groups,] out / groups, in / groups, spatial...
Desc filter(const Shape& s, int64_t groups, Type type, bool any) {
  const ir::Strides steps = ir::row_major(s);
  const auto last = steps.size() - 1;
  Dims dims, strides;
  if (groups > 1) {
    dims.push_back(groups);
    strides.push_back(s[-1] / groups);
  }
  dims.push_back(s[-1] / groups);
  strides.push_back(steps[last]);
  dims.push_back(s[-2]);
  strides.push_back(steps[last - 1]);
  for (int i = 0; i + 2 < s.rank(); ++i) {
    dims.push_back(s[i]);
    strides.push_back(steps[static_cast<size_t>(i)]);
  }
  if (any) return {dims, type, dnnl::memory::format_tag::any};
  return {dims, type, strides};
}

Dims plus(const ir::Ints& v, int64_t by) {
  Dims out;
  for (int64_t i : v) out.push_back(i + by);
  return out;
}

ConvolutionDescs descs(const Request& r, const Shape& x, const Shape& w, const Shape& y,
                       Type type) {
  ConvolutionDescs d;
  d.source = pixels(x, type);
  d.weights = filter(w, r.attributes.integer("groups"), type, true);
  d.destination = pixels(y, type);
  d.strides = plus(r.attributes.ints("strides"), 0);
  d.dilation = plus(r.attributes.ints("dilation"), -1);  // oneDNN counts the elements skipped
  d.low = plus(r.attributes.ints("padding_low"), 0);
  d.high = plus(r.attributes.ints("padding_high"), 0);
  return d;
}

using S = Binding::Source;

Offer forward(const Request& r, Type type, bool relu) {
  const Shape &x = r.inputs[0].shape, &w = r.inputs[1].shape, &y = r.outputs[0].shape;
  ConvolutionDescs d = descs(r, x, w, y, type);
  if (r.inputs.size() == 3) d.bias = Desc({y[-1]}, type, Dims{1});
  const auto pd = convolution_forward_desc(d, onednn_attributes(relu), false);
  auto k = std::make_unique<OnednnKernel>();
  const Desc plain = filter(w, r.attributes.integer("groups"), type, false);
  const Binding weights =
      k->reordered({S::input, 1, 0, DNNL_ARG_WEIGHTS, plain}, pd.weights_desc());
  std::vector<Binding> bindings{{S::input, 0, 0, DNNL_ARG_SRC, d.source},
                                weights,
                                {S::output, 0, 0, DNNL_ARG_DST, d.destination}};
  if (r.inputs.size() == 3) bindings.push_back({S::input, 2, 0, DNNL_ARG_BIAS, d.bias});
  k->add(dnnl::convolution_forward(pd), std::move(bindings), pd.scratchpad_desc());
  return Offer(std::move(k));
}

Offer input_gradient(const Request& r, Type type) {
  const Shape &dy = r.inputs[0].shape, &w = r.inputs[1].shape, &dx = r.outputs[0].shape;
  const ConvolutionDescs d = descs(r, dx, w, dy, type);
  const auto pd = convolution_input_desc(d, onednn_attributes(false));
  auto k = std::make_unique<OnednnKernel>();
  const Desc plain = filter(w, r.attributes.integer("groups"), type, false);
  const Binding weights =
      k->reordered({S::input, 1, 0, DNNL_ARG_WEIGHTS, plain}, pd.weights_desc());
  k->add(dnnl::convolution_backward_data(pd),
         {{S::input, 0, 0, DNNL_ARG_DIFF_DST, d.destination},
          weights,
          {S::output, 0, 0, DNNL_ARG_DIFF_SRC, d.source}},
         pd.scratchpad_desc());
  return Offer(std::move(k));
}

Offer filter_gradient(const Request& r, Type type) {
  const Shape &x = r.inputs[0].shape, &dy = r.inputs[1].shape, &dw = r.outputs[0].shape;
  const ConvolutionDescs d = descs(r, x, dw, dy, type);
  const auto pd = convolution_filter_desc(d, onednn_attributes(false));
  auto k = std::make_unique<OnednnKernel>();
  const Desc plain = filter(dw, r.attributes.integer("groups"), type, false),
             blocked = pd.diff_weights_desc();
  Binding out{S::output, 0, 0, DNNL_ARG_DIFF_WEIGHTS, plain}, target = out;
  if (blocked != plain)
    target = {S::scratch, 0, k->reserve(blocked), DNNL_ARG_DIFF_WEIGHTS, blocked};
  k->add(dnnl::convolution_backward_weights(pd),
         {{S::input, 0, 0, DNNL_ARG_SRC, d.source},
          {S::input, 1, 0, DNNL_ARG_DIFF_DST, d.destination},
          target},
         pd.scratchpad_desc());
  if (blocked != plain) {
    const dnnl::reorder::primitive_desc back(onednn_engine(), blocked, onednn_engine(), plain,
                                             onednn_attributes(false));
    target.argument = DNNL_ARG_FROM;
    out.argument = DNNL_ARG_TO;
    k->add(dnnl::reorder(back), {target, out}, back.scratchpad_desc());
  }
  return Offer(std::move(k));
}

}  // namespace

Offer onednn_convolution(const Request& r, bool relu) {
  const auto type = onednn_type(r.inputs[0].dtype);
  if (!type) return Offer::decline(std::string("has no ") + name_of(r.inputs[0].dtype));
  for (std::span<const Layout> side : {r.inputs, r.outputs}) {
    for (const Layout& l : side) {
      if (!l.contiguous()) return Offer::decline("wants operands without gaps");
      if (l.shape.size() == 0) return Offer::decline("takes no empty operands");
    }
  }
  const std::string_view op = r.op.name;
  try {
    if (op == "convolution") return forward(r, *type, relu);
    if (op == "convolution_input_gradient") return input_gradient(r, *type);
    return filter_gradient(r, *type);
  } catch (const dnnl::error& e) {
    return Offer::decline(e.what());
  }
}

}  // namespace varve::backend::cpu
