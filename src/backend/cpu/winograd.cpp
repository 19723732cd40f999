// 3x3 convolutions and their gradients by Winograd's minimal filtering, computed in f32: plain
// pictures in f32 and in bf16.
#include <type_traits>
#include <utility>

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

int64_t taps(const WinogradShape& s) { return 9 * s.in * s.out; }
int64_t bytes_of(int64_t floats) { return floats * static_cast<int64_t>(sizeof(float)); }

WinogradShape shape_of(const Request& r) {
  const auto [x, kernel, y] = roles_of(r);
  const ops::Window w = window_of(r);
  return {x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1],
          y.shape[2], y.shape[3], w.low[0],   w.low[1]};
}

/// Operands of a kernel that computes in f32, and what it makes, where they lie in T.
template <class T>
class Widened {
 public:
  /// Floats of scratch for an operand of n elements.
  static int64_t floats(int64_t n) {
    return std::is_same_v<T, float> ? 0 : round_up(n, int64_t{16});
  }
  Widened(float* scratch, int threads) : room_(scratch), threads_(threads) {}
  float* rest() const { return room_; }

  const float* read(const void* from, int64_t n) {
    if constexpr (std::is_same_v<T, float>) return static_cast<const float*>(from);
    const auto load = varve::cpu::load_loop(dtype_of<T>, tiling::Type::f32);
    each_part(n, [&](int64_t at, size_t count) {
      load(static_cast<const T*>(from) + at, 1, room_ + at, count);
    });
    return std::exchange(room_, room_ + floats(n));
  }
  /// Where n elements are to be made that `write` will then put in their place.
  float* make(void* to, int64_t n) {
    if constexpr (std::is_same_v<T, float>) return static_cast<float*>(to);
    return std::exchange(room_, room_ + floats(n));
  }
  void write(const float* made, void* to, int64_t n) const {
    if constexpr (std::is_same_v<T, float>) return;
    const auto store = varve::cpu::store_loop(tiling::Type::f32, dtype_of<T>);
    each_part(
        n, [&](int64_t at, size_t count) { store(made + at, static_cast<T*>(to) + at, 1, count); });
  }

 private:
  template <class F>
  void each_part(int64_t n, F f) const {
    parallel_for(n, 1 << 14, threads_,
                 [&](int64_t begin, int64_t end) { f(begin, static_cast<size_t>(end - begin)); });
  }
  float* room_;
  int threads_;
};

/// A kernel, transformed for many convolutions.
template <class T>
class Pack final : public Kernel {
 public:
  Pack(const WinogradShape& shape, bool turned, int threads)
      : s_(shape), turned_(turned), threads_(threads) {}
  int64_t scratch_bytes() const override { return bytes_of(Widened<T>::floats(taps(s_))); }
  void run(const Arguments& a) const noexcept override {
    Widened<T> wide(reinterpret_cast<float*>(a.scratch), threads_);
    varve::cpu::winograd_pack(s_, wide.read(a.inputs[0], taps(s_)), turned_,
                              static_cast<float*>(a.outputs[0]), threads_);
  }

 private:
  WinogradShape s_;
  bool turned_;
  int threads_;
};

/// A convolution, or that of a gradient with the turned kernel.
template <class T>
class Forward final : public Kernel {
 public:
  Forward(const WinogradShape& shape, bool bias, bool turned, int threads)
      : s_(shape), bias_(bias), turned_(turned), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return bytes_of((packed_ ? 0 : Widened<T>::floats(taps(s_))) + Widened<T>::floats(s_.out) +
                    varve::cpu::winograd_forward_floats(s_, packed_, threads_));
  }
  void run(const Arguments& a) const noexcept override {
    Widened<T> wide(reinterpret_cast<float*>(a.scratch), threads_);
    const float* kernel =
        packed_ ? static_cast<const float*>(a.inputs[1]) : wide.read(a.inputs[1], taps(s_));
    const float* bias = bias_ ? wide.read(a.inputs[2], s_.out) : nullptr;
    varve::cpu::winograd_forward<T>(s_,
                                    {static_cast<const T*>(a.inputs[0]), kernel, bias,
                                     static_cast<T*>(a.outputs[0]), wide.rest(), turned_, packed_},
                                    threads_);
  }
  Packing take_packing(int input) override {
    if (input != 1 || packed_) return {};
    packed_ = true;
    return {std::make_unique<Pack<T>>(s_, turned_, threads_),
            bytes_of(varve::cpu::winograd_packed_floats(s_))};
  }

 private:
  WinogradShape s_;
  bool bias_, turned_, packed_ = false;
  int threads_;
};

template <class T>
class FilterGradient final : public Kernel {
 public:
  FilterGradient(const WinogradShape& shape, int threads) : s_(shape), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return bytes_of(Widened<T>::floats(taps(s_)) +
                    varve::cpu::winograd_filter_gradient_floats(s_, threads_));
  }
  void run(const Arguments& a) const noexcept override {
    Widened<T> wide(reinterpret_cast<float*>(a.scratch), threads_);
    float* made = wide.make(a.outputs[0], taps(s_));
    varve::cpu::winograd_filter_gradient<T>(
        s_,
        {static_cast<const T*>(a.inputs[0]), static_cast<const T*>(a.inputs[1]), made, wide.rest()},
        threads_);
    wide.write(made, a.outputs[0], taps(s_));
  }

 private:
  WinogradShape s_;
  int threads_;
};

template <class T>
std::unique_ptr<Kernel> make_of(const Request& r) {
  const WinogradShape s = shape_of(r);
  const double operations = 2. / 4 * 9 * static_cast<double>(s.batch * s.made_rows) *
                            static_cast<double>(s.made_columns * s.in) * static_cast<double>(s.out);
  const int threads = useful_threads(operations, r.threads);
  const ConvolutionPass pass = pass_of(r);
  if (pass == ConvolutionPass::filter_gradient)
    return std::make_unique<FilterGradient<T>>(s, threads);
  const bool turned = pass == ConvolutionPass::input_gradient;
  return std::make_unique<Forward<T>>(turned ? s.turned() : s, r.inputs.size() == 3, turned,
                                      threads);
}
std::unique_ptr<Kernel> make(const Request& r) {
  return roles_of(r).x.dtype == bf16 ? make_of<BFloat16>(r) : make_of<float>(r);
}

}  // namespace

std::string unfit_for_winograd(const Request& r) {
  const DType type = roles_of(r).x.dtype == bf16 ? bf16 : f32;
  if (std::string why = not_plain_single_steps(r, type); !why.empty()) return why;
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
