// 3x3 convolutions and their gradients by Winograd's minimal filtering: plain f32 pictures, and
// gradients of kernels in bf16, computed in f32.
#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_winograd.h"
#include "backend/cpu/thread_scope.h"
#include "backend/cpu/tile_loops.h"
#include "base/math.h"
#include "base/threads.h"
#include "varve/numerics.h"

namespace varve::backend::cpu {
namespace {

using varve::cpu::WinogradShape;

/// Of the gradient of a kernel: 36 numbers for each pair of channels, several times.
constexpr int64_t kMostScratch = int64_t{256} << 20;

int64_t bytes_of(int64_t floats) { return floats * static_cast<int64_t>(sizeof(float)); }

WinogradShape shape_of(const Request& r) {
  const auto [x, kernel, y] = roles_of(r);
  const ops::Window w = window_of(r);
  return {x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1],
          y.shape[2], y.shape[3], w.low[0],   w.low[1]};
}

const float* in(const Arguments& a, size_t i) { return static_cast<const float*>(a.inputs[i]); }
float* out(const Arguments& a) { return static_cast<float*>(a.outputs[0]); }
float* scratch(const Arguments& a) { return reinterpret_cast<float*>(a.scratch); }

/// A convolution, or that of a gradient with the turned kernel.
class Forward final : public Kernel {
 public:
  Forward(const WinogradShape& shape, bool bias, bool turned, int threads)
      : s_(shape), bias_(bias), turned_(turned), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return bytes_of(varve::cpu::winograd_forward_floats(s_, threads_));
  }
  void run(const Arguments& a) const noexcept override {
    varve::cpu::winograd_forward(
        s_, {in(a, 0), in(a, 1), bias_ ? in(a, 2) : nullptr, out(a), scratch(a), turned_},
        threads_);
  }

 private:
  WinogradShape s_;
  bool bias_, turned_;
  int threads_;
};

class FilterGradient final : public Kernel {
 public:
  FilterGradient(const WinogradShape& shape, int threads) : s_(shape), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return bytes_of(varve::cpu::winograd_filter_gradient_floats(s_, threads_));
  }
  void run(const Arguments& a) const noexcept override {
    varve::cpu::winograd_filter_gradient<float>(s_, {in(a, 0), in(a, 1), out(a), scratch(a)},
                                                threads_);
  }

 private:
  WinogradShape s_;
  int threads_;
};

class FilterGradientOfHalves final : public Kernel {
 public:
  FilterGradientOfHalves(const WinogradShape& shape, int threads) : s_(shape), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return bytes_of(sums() + varve::cpu::winograd_filter_gradient_floats(s_, threads_));
  }
  void run(const Arguments& a) const noexcept override {
    using T = BFloat16;
    float* wide = scratch(a);
    varve::cpu::winograd_filter_gradient<T>(
        s_,
        {static_cast<const T*>(a.inputs[0]), static_cast<const T*>(a.inputs[1]), wide,
         wide + sums()},
        threads_);
    const auto narrow = varve::cpu::store_loop(tiling::Type::f32, bf16);
    parallel_for(9 * s_.in * s_.out, kGrain, threads_, [&](int64_t begin, int64_t end) {
      narrow(wide + begin, static_cast<T*>(a.outputs[0]) + begin, 1,
             static_cast<size_t>(end - begin));
    });
  }

 private:
  static constexpr int64_t kGrain = 1 << 14;
  int64_t sums() const { return round_up(9 * s_.in * s_.out, int64_t{16}); }
  WinogradShape s_;
  int threads_;
};

std::unique_ptr<Kernel> make(const Request& r) {
  const WinogradShape s = shape_of(r);
  const double operations = 2. / 4 * 9 * static_cast<double>(s.batch * s.made_rows) *
                            static_cast<double>(s.made_columns * s.in) * static_cast<double>(s.out);
  const int threads = useful_threads(operations, r.threads);
  const ConvolutionPass pass = pass_of(r);
  if (roles_of(r).x.dtype == bf16) return std::make_unique<FilterGradientOfHalves>(s, threads);
  if (pass == ConvolutionPass::filter_gradient) return std::make_unique<FilterGradient>(s, threads);
  const bool turned = pass == ConvolutionPass::input_gradient;
  return std::make_unique<Forward>(turned ? s.turned() : s, r.inputs.size() == 3, turned, threads);
}

}  // namespace

std::string unfit_for_winograd(const Request& r) {
  const bool halves = roles_of(r).x.dtype == bf16 && pass_of(r) == ConvolutionPass::filter_gradient;
  if (std::string why = not_plain_single_steps(r, halves ? bf16 : f32); !why.empty()) return why;
  const auto& k = roles_of(r).kernel.shape.dims();
  if (k.size() != 4 || k[0] != 3 || k[1] != 3 || !all_are(window_of(r).dilation, 1))
    return "takes 3x3 kernels without dilation";
  const int64_t bytes = make(r)->scratch_bytes();
  return bytes > kMostScratch ? "would take " + std::to_string(bytes >> 20) + " MiB of scratch"
                              : "";
}

Offer any_winograd(const Request& r) {
  if (std::string why = unfit_for_winograd(r); !why.empty()) return Offer::decline(why);
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  return Offer(make(r));
}

namespace {
Offer winograd(const Request& r) {
  if (std::string why = unfit_for_winograd(r); !why.empty()) return Offer::decline(why);
  if (!winograd_allowed())
    return Offer::decline("VARVE_WINOGRAD=0 or allow_winograd(false) forbids it");
  if (fastest_plain_way(r) != ConvolutionWay::winograd)
    return Offer::decline("another kernel is predicted to be faster");
  return any_winograd(r);
}
}  // namespace

std::vector<KernelRow> winograd_kernels() {
  return {{"convolution", "winograd", winograd},
          {"convolution_input_gradient", "winograd", winograd},
          {"convolution_filter_gradient", "winograd", winograd}};
}

}  // namespace varve::backend::cpu
