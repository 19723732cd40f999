#include "backend/cpu/onednn.h"

#include "base/math.h"

namespace varve::backend::cpu {

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

std::optional<dnnl::memory::data_type> onednn_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return dnnl::memory::data_type::f32;
    case DType::bf16:
      return dnnl::memory::data_type::bf16;
    default:
      return std::nullopt;
  }
}

void OnednnKernel::add(dnnl::primitive primitive, std::vector<Binding> bindings,
                       const Desc& scratchpad) {
  if (scratchpad.get_size() > 0) {
    bindings.push_back(
        {Binding::Source::scratch, 0, reserve(scratchpad), DNNL_ARG_SCRATCHPAD, scratchpad});
  }
  stages_.push_back({std::move(primitive), std::move(bindings)});
}

int64_t OnednnKernel::reserve(const Desc& desc) {
  const int64_t at = scratch_;
  scratch_ += round_up(static_cast<int64_t>(desc.get_size()), 64);
  return at;
}

Binding OnednnKernel::reordered(Binding from, const Desc& to) {
  if (from.desc == to) return from;
  const Binding inside{Binding::Source::scratch, 0, reserve(to), from.argument, to};
  const dnnl::reorder::primitive_desc pd(onednn_engine(), from.desc, onednn_engine(), to,
                                         onednn_attributes(false));
  Binding read = from, write = inside;
  read.argument = DNNL_ARG_FROM;
  write.argument = DNNL_ARG_TO;
  add(dnnl::reorder(pd), {read, write}, pd.scratchpad_desc());
  return inside;
}

std::unique_ptr<OnednnKernel::Execution> OnednnKernel::make_execution() const {
  auto e = std::make_unique<Execution>();
  for (const Stage& s : stages_) {
    auto& memories = e->memories.emplace_back();
    auto& arguments = e->arguments.emplace_back();
    for (const Binding& b : s.bindings) {
      memories.emplace_back(b.desc, onednn_engine(), nullptr);
      arguments.push_back({b.argument, memories.back().get()});
    }
  }
  return e;
}

void OnednnKernel::run(const Arguments& a) const noexcept {
  std::unique_ptr<Execution> e;
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      e = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!e) e = make_execution();
  thread_local dnnl::stream stream(onednn_engine());
  for (size_t s = 0; s < stages_.size(); ++s) {
    for (size_t i = 0; i < stages_[s].bindings.size(); ++i) {
      const Binding& b = stages_[s].bindings[i];
      void* data = b.source == Binding::Source::input    ? a.inputs[b.index]
                   : b.source == Binding::Source::output ? a.outputs[b.index]
                                                         : a.scratch + b.offset;
      dnnl_memory_set_data_handle(e->memories[s][i].get(), data);
    }
    dnnl_primitive_execute(stages_[s].primitive.get(), stream.get(),
                           static_cast<int>(e->arguments[s].size()), e->arguments[s].data());
  }
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(e));
}

dnnl::primitive_attr onednn_attributes(bool relu) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (relu) {
    dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.f, 0.f);
#else
    ops.append_eltwise(1.f, dnnl::algorithm::eltwise_relu, 0.f, 0.f);
#endif
    attr.set_post_ops(ops);
  }
  return attr;
}

// Version 3 makes primitive descs directly; version 2 by way of an operation desc.
#if DNNL_VERSION_MAJOR >= 3
#define VARVE_ONEDNN_DESC(primitive, ...) \
  return primitive::primitive_desc(onednn_engine(), __VA_ARGS__, attr)
#else
#define VARVE_ONEDNN_DESC(primitive, ...) \
  return primitive::primitive_desc(primitive::desc(__VA_ARGS__), attr, onednn_engine())
#endif

namespace {
constexpr auto kDirect = dnnl::algorithm::convolution_direct;
}

dnnl::convolution_forward::primitive_desc convolution_forward_desc(const ConvolutionDescs& d,
                                                                   const dnnl::primitive_attr& attr,
                                                                   bool training) {
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  if (d.bias.is_zero()) {
    VARVE_ONEDNN_DESC(dnnl::convolution_forward, kind, kDirect, d.source, d.weights, d.destination,
                      d.strides, d.dilation, d.low, d.high);
  }
  VARVE_ONEDNN_DESC(dnnl::convolution_forward, kind, kDirect, d.source, d.weights, d.bias,
                    d.destination, d.strides, d.dilation, d.low, d.high);
}

dnnl::convolution_backward_data::primitive_desc convolution_input_desc(
    const ConvolutionDescs& d, const dnnl::primitive_attr& attr) {
  const auto hint = convolution_forward_desc(d, attr, true);
#if DNNL_VERSION_MAJOR >= 3
  return {onednn_engine(), kDirect, d.source, d.weights, d.destination, d.strides,
          d.dilation,      d.low,   d.high,   hint,      attr};
#else
  return {dnnl::convolution_backward_data::desc(kDirect, d.source, d.weights, d.destination,
                                                d.strides, d.dilation, d.low, d.high),
          attr, onednn_engine(), hint};
#endif
}

dnnl::convolution_backward_weights::primitive_desc convolution_filter_desc(
    const ConvolutionDescs& d, const dnnl::primitive_attr& attr) {
  const auto hint = convolution_forward_desc(d, attr, true);
#if DNNL_VERSION_MAJOR >= 3
  return {onednn_engine(), kDirect, d.source, d.weights, d.destination, d.strides,
          d.dilation,      d.low,   d.high,   hint,      attr};
#else
  return {dnnl::convolution_backward_weights::desc(kDirect, d.source, d.weights, d.destination,
                                                   d.strides, d.dilation, d.low, d.high),
          attr, onednn_engine(), hint};
#endif
}

dnnl::matmul::primitive_desc matmul_desc(const Desc& a, const Desc& b, const Desc& bias,
                                         const Desc& c, const dnnl::primitive_attr& attr) {
  if (bias.is_zero()) VARVE_ONEDNN_DESC(dnnl::matmul, a, b, c);
  VARVE_ONEDNN_DESC(dnnl::matmul, a, b, bias, c);
}

}  // namespace varve::backend::cpu
