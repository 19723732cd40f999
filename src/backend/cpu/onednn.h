// oneDNN behind one door: kernels made of a few prepared primitives, and the calls that differ
// between its versions 2 and 3.
#pragma once
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backend/kernel.h"

namespace varve::backend::cpu {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

/// The CPU's engine.
const dnnl::engine& onednn_engine();
/// oneDNN's name of an element type; empty where it has none.
std::optional<dnnl::memory::data_type> onednn_type(DType dtype);

/// What a primitive reads or writes: an argument of the kernel or a part of its scratch.
struct Binding {
  enum class Source { input, output, scratch } source;
  int index = 0;       ///< of the input or output
  int64_t offset = 0;  ///< bytes in the scratch
  int argument = 0;    ///< DNNL_ARG_*
  Desc desc;
};

/// Primitives run one after the other. Several threads may run it at once.
class OnednnKernel final : public Kernel {
 public:
  /// Adds a primitive; its scratchpad (argument and desc) becomes part of the kernel's scratch.
  void add(dnnl::primitive primitive, std::vector<Binding> bindings, const Desc& scratchpad);
  /// Room in the scratch for a memory of this layout.
  int64_t reserve(const Desc& desc);
  /// Makes `from` available in the layout `to`: a reorder into scratch unless they are the same.
  Binding reordered(Binding from, const Desc& to);

  int64_t scratch_bytes() const override { return scratch_; }
  void run(const Arguments& a) const noexcept override;

 private:
  struct Stage {
    dnnl::primitive primitive;
    std::vector<Binding> bindings;
  };
  struct Execution {
    std::vector<std::vector<dnnl::memory>> memories;
    std::vector<std::vector<dnnl_exec_arg_t>> arguments;
  };
  std::unique_ptr<Execution> make_execution() const;

  std::vector<Stage> stages_;
  int64_t scratch_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Execution>> idle_;
};

/// Attributes of every primitive: scratch from us, an optional relu on what it writes.
dnnl::primitive_attr onednn_attributes(bool relu);

/// Sizes of a convolution as oneDNN wants them.
struct ConvolutionDescs {
  Desc source, weights, bias, destination;  ///< bias: zero desc where there is none
  Dims strides, dilation, low, high;
};
dnnl::convolution_forward::primitive_desc convolution_forward_desc(const ConvolutionDescs& d,
                                                                   const dnnl::primitive_attr& attr,
                                                                   bool training);
dnnl::convolution_backward_data::primitive_desc convolution_input_desc(
    const ConvolutionDescs& d, const dnnl::primitive_attr& attr);
dnnl::convolution_backward_weights::primitive_desc convolution_filter_desc(
    const ConvolutionDescs& d, const dnnl::primitive_attr& attr);
dnnl::matmul::primitive_desc matmul_desc(const Desc& a, const Desc& b, const Desc& bias,
                                         const Desc& c, const dnnl::primitive_attr& attr);

/// Kernels of these ops, each with an activation attached or not.
Offer onednn_matmul(const Request& request, bool relu);
Offer onednn_convolution(const Request& request, bool relu);

}  // namespace varve::backend::cpu
