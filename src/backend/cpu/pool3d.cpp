// Max pooling over three spatial axes: channels by groups that stay in registers.
#include <algorithm>

#include "backend/cpu/kernels.h"
#include "backend/ref/windows.h"
#include "base/threads.h"

namespace varve::backend::cpu {
namespace {

using ref::Three;

struct Problem {
  ref::Windows windows;
  int64_t batch = 0, channels = 0;
  int threads = 1;

  int64_t outputs() const {
    return windows.y_size[0] * windows.y_size[1] * windows.y_size[2] * channels;
  }
  int64_t inputs() const {
    return windows.x_size[0] * windows.x_size[1] * windows.x_size[2] * channels;
  }
  /// Calls f(tap, offset of the element that it sees) for the taps within the input.
  template <class F>
  void each_tap(const Three& position, F f) const {
    int32_t tap = 0;
    const Three& n = windows.x_size;
    ref::for_each(windows.taps, [&](const Three& t) {
      Three at;
      if (windows.input_at(position, t, at))
        f(tap, ((at[0] * n[1] + at[1]) * n[2] + at[2]) * channels);
      ++tap;
    });
  }
};

Problem problem(const Request& r, const Shape& x, const Shape& y) {
  Problem p;
  p.windows = ref::windows_of(ops::window_of(r.attributes, r.attributes.ints("window")), x, y);
  p.batch = x[0];
  p.channels = x[-1];
  p.threads = r.threads;
  return p;
}

constexpr int64_t kGroup = 32;

/// The largest of a group of channels at one position.
template <class Place>
void largest(const Problem& p, const Three& position, const float* x, int64_t n, float* y,
             Place* places) {
  float best[kGroup];
  int32_t where[kGroup];
  bool any = false;
  p.each_tap(position, [&](int32_t tap, int64_t at) {
    const float* v = x + at;
    if (!any) {
      for (int64_t c = 0; c < n; ++c) best[c] = v[c], where[c] = tap;
      any = true;
      return;
    }
    for (int64_t c = 0; c < n; ++c) {
      // Greater, or NaN where there was none yet.
      const bool beats = !(v[c] <= best[c]) && best[c] == best[c];
      best[c] = beats ? v[c] : best[c];
      where[c] = beats ? tap : where[c];
    }
  });
  std::copy_n(best, n, y);
  if (!places) return;
  for (int64_t c = 0; c < n; ++c) places[c] = static_cast<Place>(where[c]);
}

template <class Place>
void forward(const Problem& p, const float* x, float* y, Place* places) {
  const Three& n = p.windows.y_size;
  const int64_t rows = n[0] * n[1], width = n[2] * p.channels;
  const auto run = [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const float* image = x + r / rows * p.inputs();
      for (int64_t k = 0; k < n[2]; ++k) {
        const Three position{r % rows / n[1], r % n[1], k};
        const int64_t to = r * width + k * p.channels;
        for (int64_t c = 0; c < p.channels; c += kGroup) {
          largest(p, position, image + c, std::min(kGroup, p.channels - c), y + to + c,
                  places ? places + to + c : nullptr);
        }
      }
    }
  };
  parallel_for(p.batch * rows, 4096 / std::max<int64_t>(width, 1), p.threads, run);
}

template <class Place>
void backward(const Problem& p, const float* dy, const Place* places, float* dx) {
  const auto run = [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      float* image = dx + b * p.inputs();
      std::fill_n(image, p.inputs(), 0.f);
      int64_t from = b * p.outputs();
      ref::for_each(p.windows.y_size, [&](const Three& position) {
        p.each_tap(position, [&](int32_t tap, int64_t at) {
          for (int64_t c = 0; c < p.channels; ++c)
            image[at + c] += places[from + c] == tap ? dy[from + c] : 0.f;
        });
        from += p.channels;
      });
    }
  };
  parallel_for(p.batch, 1, p.threads, run);
}

std::string unfit(const Request& r) {
  const Layout& x = r.inputs[0];
  if (x.dtype != f32) return "takes f32";
  if (x.shape.rank() != 5) return "takes three spatial axes";
  return not_packed_or_empty(r);
}

class MaxPool3 final : public Kernel {
 public:
  MaxPool3(const Problem& p, bool bytes) : p_(p), bytes_(bytes) {}
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const float*>(a.inputs[0]);
    auto* y = static_cast<float*>(a.outputs[0]);
    if (bytes_) return forward(p_, x, y, static_cast<uint8_t*>(a.outputs[1]));
    forward(p_, x, y, static_cast<int32_t*>(a.outputs[1]));
  }
  bool optional(int output) const override { return output == 1; }

 private:
  Problem p_;
  bool bytes_;
};

Offer prepare_max_pool(const Request& r) {
  if (std::string why = unfit(r); !why.empty()) return Offer::decline(why);
  return Offer(std::make_unique<MaxPool3>(problem(r, r.inputs[0].shape, r.outputs[0].shape),
                                          r.outputs[1].dtype == u8));
}

Offer prepare_gradient(const Request& r) {
  if (std::string why = unfit(r); !why.empty()) return Offer::decline(why);
  const Problem p = problem(r, r.outputs[0].shape, r.inputs[0].shape);
  return kernel([p, bytes = r.inputs[1].dtype == u8](const Arguments& a) {
    const auto* dy = static_cast<const float*>(a.inputs[0]);
    auto* dx = static_cast<float*>(a.outputs[0]);
    if (bytes) return backward(p, dy, static_cast<const uint8_t*>(a.inputs[1]), dx);
    backward(p, dy, static_cast<const int32_t*>(a.inputs[1]), dx);
  });
}

}  // namespace

std::vector<KernelRow> pool3d_kernels() {
  return {{"max_pool", "cpu max_pool3d", prepare_max_pool},
          {"max_pool_gradient", "cpu max_pool3d", prepare_gradient}};
}

}  // namespace varve::backend::cpu
