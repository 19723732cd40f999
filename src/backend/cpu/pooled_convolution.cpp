// A convolution, its activation and the max pooling that alone reads it, a few pictures at a time:
// what the convolution makes stays in the second-level cache until it is pooled, and never takes
// memory.
#include <algorithm>
#include <array>
#include <string_view>

#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "base/math.h"

namespace varve::backend::cpu {
namespace {

/// What a slice of pictures may make, for each thread: half of a small second-level cache.
constexpr int64_t kBytesPerThread = 512 * 1024;

class PooledConvolution final : public Kernel {
 public:
  /// Kernels for one slice; `steps`: bytes of a slice of x, of what is pooled, of y, of places.
  PooledConvolution(std::unique_ptr<Kernel> convolution, std::unique_ptr<Kernel> pool,
                    size_t inputs, int64_t slices, std::array<int64_t, 4> steps)
      : convolution_(std::move(convolution)),
        pool_(std::move(pool)),
        inputs_(inputs),
        slices_(slices),
        steps_(steps) {}

  int64_t scratch_bytes() const override {
    return between_bytes() + std::max(convolution_->scratch_bytes(), pool_->scratch_bytes());
  }
  void run(const Arguments& a) const noexcept override {
    std::array<void*, 3> in{};
    std::copy_n(a.inputs, inputs_, in.begin());
    void* between = a.scratch;
    std::byte* scratch = a.scratch + between_bytes();
    std::array<void*, 2> out{a.outputs[0], a.outputs[1]};
    for (int64_t s = 0; s < slices_; ++s) {
      convolution_->run({in.data(), &between, scratch, a.fault});
      pool_->run({&between, out.data(), scratch, a.fault});
      in[0] = static_cast<std::byte*>(in[0]) + steps_[0];
      out[0] = static_cast<std::byte*>(out[0]) + steps_[2];
      if (out[1] != nullptr) out[1] = static_cast<std::byte*>(out[1]) + steps_[3];
    }
  }
  bool optional(int output) const override { return pool_->optional(output); }
  Packing take_packing(int input) override {
    return input > 0 ? convolution_->take_packing(input) : Packing{};
  }

 private:
  int64_t between_bytes() const { return round_up(steps_[1], 64); }
  std::unique_ptr<Kernel> convolution_, pool_;
  size_t inputs_;
  int64_t slices_;
  std::array<int64_t, 4> steps_;
};

Layout part(const Layout& whole, int64_t pictures) {
  std::vector<int64_t> dims = whole.shape.dims();
  dims[0] = pictures;
  return {whole.dtype, Shape(std::move(dims)), whole.strides};
}
int64_t bytes_of(const Layout& l) { return l.shape.size() * size_of(l.dtype); }

/// The most pictures that divide the batch and fit; 0 where that would not be several slices, or
/// fewer pictures than threads.
int64_t pictures_in_slice(int64_t batch, int64_t bytes_each, int threads) {
  const int64_t most = kBytesPerThread * threads / std::max<int64_t>(bytes_each, 1);
  for (int64_t n = std::min(most, batch / 2); n >= threads; --n) {
    if (batch % n == 0) return n;
  }
  return 0;
}

/// Whether the convolution is so much faster on blocks of channels than in slices of plain pictures
/// that what it makes may go through memory and change its format.
bool faster_apart(const Request& convolution) {
  const std::vector<transform::Candidate> ways = convolution_candidates(convolution);
  double least = ways[0].seconds;  // plain
  for (const transform::Candidate& way : ways) least = std::min(least, way.seconds);
  const int64_t read = bytes_of(convolution.inputs[0]), made = bytes_of(convolution.outputs[0]);
  return least + relay_seconds(read, convolution.threads) +
             2 * relay_seconds(made, convolution.threads) <
         ways[0].seconds;
}

Offer prepare_pooled(const Request& r) {
  const ir::Graph& body = *r.attributes.get<ir::GraphRef>("body");
  const size_t inputs = body.inputs.size(), ops = body.nodes.size() - inputs;
  if (ops < 2 || ops > 3 || inputs > 3) return Offer::decline("is no convolution and its pooling");
  const ir::GraphNode &convolution = body.nodes[inputs], &pool = body.nodes.back();
  const Pointwise activation =
      ops == 3 ? body.nodes[inputs + 1].op->traits.pointwise.value_or(Pointwise::exp)
               : Pointwise::identity;
  if (convolution.op->name != std::string_view("convolution") ||
      pool.op->name != std::string_view("max_pool") ||
      (activation != Pointwise::identity && activation != Pointwise::relu &&
       !attachable(activation))) {
    return Offer::decline("is no convolution and its pooling");
  }
  const ir::TensorType& made = convolution.outputs[0];
  if (made.shape.size() == 0) return Offer::decline("takes no empty operands");
  for (const Layout* l : {&r.inputs[0], &r.outputs[0], &r.outputs[1]}) {
    if (!l->contiguous()) return Offer::decline("wants pictures without gaps");
  }
  const Layout whole{made.dtype, made.shape, ir::row_major(made.shape)};
  const int64_t batch = made.shape[0];
  const int64_t pictures = pictures_in_slice(batch, bytes_of(whole) / batch, r.threads);
  if (pictures == 0) return Offer::decline("the batch makes no slices that fit a cache");
  std::vector<Layout> in = all_changing(r.inputs);
  const std::vector<Layout> all{whole};
  if (faster_apart({*convolution.op, convolution.attributes, in, all, r.threads}))
    return Offer::decline("the convolution is faster in another format");
  in[0] = part(in[0], pictures);
  const std::vector<Layout> between{part(whole, pictures)};
  const std::vector<Layout> out{part(r.outputs[0], pictures), part(r.outputs[1], pictures)};
  const bool relu = activation == Pointwise::relu;  // which pooling applies to what it reads
  const Pointwise attached = relu ? Pointwise::identity : activation;
  const Request slice{*convolution.op, convolution.attributes, in, between, r.threads};
  if (attached != Pointwise::identity && fastest_plain_way(slice) != ConvolutionWay::plain)
    return Offer::decline("the convolution is predicted to be faster by itself");
  Offer first = attached == Pointwise::identity ? fastest_plain_convolution(slice)
                                                : onednn_convolution(slice, attached);
  if (!first.kernel) return first;
  Offer second = max_pool_kernel({*pool.op, pool.attributes, between, out, r.threads}, relu);
  if (!second.kernel) return second;
  return Offer(std::make_unique<PooledConvolution>(
      std::move(first.kernel), std::move(second.kernel), inputs, batch / pictures,
      std::array{bytes_of(in[0]), bytes_of(between[0]), bytes_of(out[0]), bytes_of(out[1])}));
}

}  // namespace

std::vector<KernelRow> pooled_convolution_kernels() {
  return {{"group", "convolution + max pool, in slices", prepare_pooled}};
}

}  // namespace varve::backend::cpu
