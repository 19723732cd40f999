// Average pooling and its gradient by oneDNN.
#include <algorithm>

#include "backend/cpu/onednn.h"
#include "ops/window.h"

namespace varve::backend::cpu {
namespace {

struct Problem {
  dnnl::algorithm algorithm;
  memory::desc x, y;
  Dims window, strides, low, high;
};

dnnl::pooling_forward::primitive_desc describe(const Problem& p) {
  constexpr auto kind = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const Dims dilation(p.window.size(), 0);
  return {engine(), kind,     p.algorithm, p.x,    p.y,          p.strides,
          p.window, dilation, p.low,       p.high, attributes(), true};
#else
  return {{kind, p.algorithm, p.x, p.y, p.strides, p.window, p.low, p.high},
          attributes(),
          engine(),
          true};
#endif
}

dnnl::pooling_backward::primitive_desc describe_gradient(
    const Problem& p, const dnnl::pooling_forward::primitive_desc& forward) {
#if DNNL_VERSION_MAJOR >= 3
  const Dims dilation(p.window.size(), 0);
  return {engine(), p.algorithm, p.x,    p.y,     p.strides,    p.window,
          dilation, p.low,       p.high, forward, attributes(), true};
#else
  return {{p.algorithm, p.x, p.y, p.strides, p.window, p.low, p.high},
          attributes(),
          engine(),
          forward,
          true};
#endif
}

}  // namespace

Offer onednn_average_pool(const Request& r) {
  const bool gradient = r.op.name == std::string_view("average_pool_gradient");
  const Shape &x = gradient ? r.outputs[0].shape : r.inputs[0].shape,
              &y = gradient ? r.inputs[0].shape : r.outputs[0].shape;
  const auto type = type_of(r.outputs[0].dtype);
  if (!type) return Offer::decline("takes f32 and bf16");
  if (x.size() == 0 || y.size() == 0) return Offer::decline("an operand is empty");
  if (!r.outputs[0].contiguous()) return Offer::decline("the output is strided");
  const ops::Window w = ops::window_of(r.attributes, r.attributes.ints("window"));
  if (std::any_of(w.dilation.begin(), w.dilation.end(), [](int64_t d) { return d != 1; }))
    return Offer::decline("windows are dilated");
  const Problem p{r.attributes.flag("count_include_pad")
                      ? dnnl::algorithm::pooling_avg_include_padding
                      : dnnl::algorithm::pooling_avg_exclude_padding,
                  activation_desc(x, *type),
                  activation_desc(y, *type),
                  w.size,
                  w.strides,
                  w.low,
                  w.high};
  const int threads = useful_threads(static_cast<double>(x.size()), r.threads);
  const ThreadScope scope(threads);
  try {
    auto program = std::make_unique<Program>(threads);
    const Place from = program->row_major_input(r, 0), to{Place::Kind::output, 0};
    const auto forward = describe(p);
    if (std::string why = refusal(forward); !why.empty()) return Offer::decline(why);
    if (!gradient) {
      program->add(forward, dnnl::pooling_forward(forward),
                   {{DNNL_ARG_SRC, p.x, from}, {DNNL_ARG_DST, p.y, to}});
    } else {
      const auto backward = describe_gradient(p, forward);
      if (std::string why = refusal(backward); !why.empty()) return Offer::decline(why);
      program->add(backward, dnnl::pooling_backward(backward),
                   {{DNNL_ARG_DIFF_DST, p.y, from}, {DNNL_ARG_DIFF_SRC, p.x, to}});
    }
    return Offer(std::move(program));
  } catch (const dnnl::error& e) {
    return Offer::decline(e.message);
  }
}

}  // namespace varve::backend::cpu
