// Kernels over the SIMD functions: max pooling, softmax rows, cross-entropy, random numbers.
#include <algorithm>
#include <optional>
#include <string_view>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_pool.h"
#include "backend/cpu/simd_softmax.h"
#include "backend/cpu/tile_interpreter.h"
#include "base/pointwise.h"
#include "base/threads.h"
#include "ops/window.h"

namespace varve::backend::cpu {
namespace {

/// Empty where all operands are packed, not empty and, unless integers, f32.
std::string dense_floats(const Request& r) {
  for (std::span<const Layout> side : {r.inputs, r.outputs}) {
    for (const Layout& l : side) {
      if (is_floating(l.dtype) && l.dtype != f32) return std::string("has no ") + name_of(l.dtype);
    }
  }
  return not_packed_or_empty(r);
}

/// Sizes of a pooling over one or two spatial axes; empty for three.
std::optional<varve::cpu::PoolShape> pool_shape(const Request& r, const Shape& x, const Shape& y) {
  const ops::Window w = ops::window_of(r.attributes, r.attributes.ints("window"));
  const int axes = w.axes();
  if (axes > 2) return std::nullopt;
  varve::cpu::PoolShape p;
  p.batch = x[0];
  p.channels = x[-1];
  const auto last = static_cast<size_t>(axes - 1);
  p.width = x[-2];
  p.out_width = y[-2];
  p.window_width = w.size[last];
  p.stride_width = w.strides[last];
  p.dilation_width = w.dilation[last];
  p.pad_left = w.low[last];
  p.height = p.out_height = 1;
  if (axes == 1) return p;
  p.height = x[1];
  p.out_height = y[1];
  p.window_height = w.size[0];
  p.stride_height = w.strides[0];
  p.dilation_height = w.dilation[0];
  p.pad_top = w.low[0];
  return p;
}

class MaxPool final : public Kernel {
 public:
  MaxPool(const varve::cpu::PoolShape& shape, bool relu, bool bytes)
      : shape_(shape), relu_(relu), bytes_(bytes) {}
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const float*>(a.inputs[0]);
    auto* y = static_cast<float*>(a.outputs[0]);
    if (a.outputs[1] == nullptr) {
      varve::cpu::max_pool_values(shape_, x, y, relu_);
    } else if (bytes_) {
      varve::cpu::max_pool(shape_, x, y, static_cast<uint8_t*>(a.outputs[1]), relu_);
    } else {
      varve::cpu::max_pool(shape_, x, y, static_cast<int32_t*>(a.outputs[1]), relu_);
    }
  }
  /// The places serve the gradient alone.
  bool optional(int output) const override { return output == 1; }

 private:
  varve::cpu::PoolShape shape_;
  bool relu_, bytes_;
};

Offer prepare_max_pool(const Request& r) { return max_pool_kernel(r, false); }

/// relu, and the max pooling that alone reads it.
Offer prepare_relu_max_pool(const Request& r) {
  const ir::Graph& body = *r.attributes.get<ir::GraphRef>("body");
  if (body.nodes.size() != 3 || body.nodes[1].op->traits.pointwise != Pointwise::relu ||
      body.nodes[2].op->name != std::string_view("max_pool")) {
    return Offer::decline("is no relu and its pooling");
  }
  const ir::GraphNode& pool = body.nodes[2];
  return max_pool_kernel({*pool.op, pool.attributes, r.inputs, r.outputs, r.threads}, true);
}

Offer prepare_max_pool_gradient(const Request& r) {
  if (auto why = dense_floats(r); !why.empty()) return Offer::decline(why);
  const auto p = pool_shape(r, r.outputs[0].shape, r.inputs[0].shape);
  if (!p) return Offer::decline("has one and two axes only");
  const bool bytes = r.inputs[1].dtype == u8;
  return kernel([p = *p, bytes](const Arguments& a) {
    const auto* dy = static_cast<const float*>(a.inputs[0]);
    auto* dx = static_cast<float*>(a.outputs[0]);
    if (bytes) {
      varve::cpu::max_pool_gradient(p, dy, static_cast<const uint8_t*>(a.inputs[1]), dx);
    } else {
      varve::cpu::max_pool_gradient(p, dy, static_cast<const int32_t*>(a.inputs[1]), dx);
    }
  });
}

using RowFunction = void (*)(const float*, float*, int64_t, int64_t) noexcept;

/// A function of rows that may write where it reads.
class RowKernel final : public Kernel {
 public:
  RowKernel(RowFunction f, int64_t rows, int64_t columns) : f_(f), rows_(rows), columns_(columns) {}
  void run(const Arguments& a) const noexcept override {
    f_(static_cast<const float*>(a.inputs[0]), static_cast<float*>(a.outputs[0]), rows_, columns_);
  }
  bool in_place(int input, int output) const override { return input == 0 && output == 0; }

 private:
  RowFunction f_;
  int64_t rows_, columns_;
};

/// Softmax and log-softmax over the last axis.
Offer prepare_rows(const Request& r, RowFunction f) {
  if (auto why = dense_floats(r); !why.empty()) return Offer::decline(why);
  const Shape& s = r.inputs[0].shape;
  if (r.attributes.integer("axis") != s.rank() - 1)
    return Offer::decline("works along the last axis");
  return Offer(std::make_unique<RowKernel>(f, s.size() / s[-1], s[-1]));
}

/// logsumexp over the last axes.
Offer prepare_logsumexp(const Request& r) {
  if (auto why = dense_floats(r); !why.empty()) return Offer::decline(why);
  const Shape& s = r.inputs[0].shape;
  const ir::Ints& axes = r.attributes.ints("axes");
  int64_t columns = 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != s.rank() - static_cast<int64_t>(axes.size() - i))
      return Offer::decline("works along the last axes");
    columns *= s[static_cast<int>(axes[i])];
  }
  return kernel([columns, rows = s.size() / columns](const Arguments& a) {
    varve::cpu::logsumexp_rows(static_cast<const float*>(a.inputs[0]),
                               static_cast<float*>(a.outputs[0]), rows, columns);
  });
}

varve::cpu::CrossEntropyRows entropy_rows(const Request& r) {
  varve::cpu::CrossEntropyRows p;
  const Shape& s = r.inputs[0].shape;
  p.columns = s[-1];
  p.rows = s.size() / s[-1];
  p.label_type = r.inputs[1].dtype;
  p.smoothing = r.attributes.real("label_smoothing");
  p.ignores = r.attributes.has("ignore_index");
  if (p.ignores) p.ignored = r.attributes.integer("ignore_index");
  return p;
}

Offer prepare_cross_entropy(const Request& r) {
  if (auto why = dense_floats(r); !why.empty()) return Offer::decline(why);
  return kernel([p = entropy_rows(r)](const Arguments& a) {
    varve::cpu::CrossEntropyRows rows = p;
    rows.logits = static_cast<const float*>(a.inputs[0]);
    rows.labels = a.inputs[1];
    const int64_t bad = varve::cpu::cross_entropy_rows(rows, static_cast<float*>(a.outputs[0]),
                                                       static_cast<float*>(a.outputs[1]));
    if (bad >= 0) a.fault->note(1, bad, varve::cpu::label_at(rows, bad), 0, p.columns - 1);
  });
}

Offer prepare_cross_entropy_gradient(const Request& r) {
  // The loss's gradient is often one number for all rows: any step along one axis is taken.
  const Layout& g = r.inputs[3];
  for (size_t i = 0; i < 3; ++i) {
    if (!r.inputs[i].contiguous()) return Offer::decline("wants operands without gaps");
  }
  if (r.inputs[0].dtype != f32) return Offer::decline("has f32 only");
  if (r.outputs[0].shape.size() == 0) return Offer::decline("takes no empty operands");
  const bool same =
      std::all_of(g.strides.begin(), g.strides.end(), [](int64_t s) { return s == 0; });
  if (!same && !g.contiguous())
    return Offer::decline("wants gradients without gaps or all the same");
  return kernel([p = entropy_rows(r), step = same ? 0 : 1](const Arguments& a) {
    varve::cpu::CrossEntropyRows rows = p;
    rows.logits = static_cast<const float*>(a.inputs[0]);
    rows.labels = a.inputs[1];
    varve::cpu::cross_entropy_gradient_rows(rows, static_cast<const float*>(a.inputs[2]),
                                            {static_cast<const float*>(a.inputs[3]), step},
                                            static_cast<float*>(a.outputs[0]));
  });
}

/// Philox words by the tile interpreter: element i is word i of the key's stream.
Offer prepare_random(const Request& r) {
  const bool bits = r.op.name == std::string_view("random_bits");
  const Layout& y = r.outputs[0];
  if (!bits && y.dtype != f32) return Offer::decline("has f32 only");
  if (y.shape.size() == 0 || !r.inputs[0].contiguous())
    return Offer::decline("takes no empty outputs");
  tiling::TileProgram p;
  p.extents = {1, 1, y.shape.size()};
  p.operands.push_back({u64, {0, 0, 0}});
  tiling::Output out;
  out.slot =
      p.random(bits ? tiling::Opcode::random_bits : tiling::Opcode::random_unit, 0, {0, 0, 1});
  out.dtype = y.dtype;
  out.strides = {0, 0, 1};
  p.outputs.push_back(out);
  return tile_kernel(p, r.threads);
}

}  // namespace

Offer max_pool_kernel(const Request& r, bool relu) {
  if (auto why = dense_floats(r); !why.empty()) return Offer::decline(why);
  if (r.inputs[0].dtype != f32) return Offer::decline("has f32 only");
  const auto p = pool_shape(r, r.inputs[0].shape, r.outputs[0].shape);
  if (!p) return Offer::decline("has one and two axes only");
  return Offer(std::make_unique<MaxPool>(*p, relu, r.outputs[1].dtype == u8));
}

std::vector<KernelRow> simd_kernels() {
  return {
      {"max_pool", "simd max pool", prepare_max_pool},
      {"group", "simd relu + max pool", prepare_relu_max_pool},
      {"max_pool_gradient", "simd max pool", prepare_max_pool_gradient},
      {"softmax", "simd softmax",
       [](const Request& r) { return prepare_rows(r, varve::cpu::softmax_rows); }},
      {"log_softmax", "simd softmax",
       [](const Request& r) { return prepare_rows(r, varve::cpu::log_softmax_rows); }},
      {"logsumexp", "simd logsumexp", prepare_logsumexp},
      {"cross_entropy", "simd cross-entropy", prepare_cross_entropy},
      {"cross_entropy_gradient", "simd cross-entropy", prepare_cross_entropy_gradient},
      {"random_bits", "tile random", prepare_random},
      {"random_unit", "tile random", prepare_random},
  };
}

}  // namespace varve::backend::cpu
