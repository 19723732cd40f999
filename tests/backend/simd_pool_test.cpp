#include "backend/cpu/simd_pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "backend/targets.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

PoolShape shape(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t window,
                int64_t stride, int64_t pad, int64_t dilation = 1) {
  const auto outputs = [&](int64_t n) {
    return (n + 2 * pad - (dilation * (window - 1) + 1)) / stride + 1;
  };
  return {.batch = batch,
          .height = height,
          .width = width,
          .channels = channels,
          .out_height = outputs(height),
          .out_width = outputs(width),
          .window_height = window,
          .window_width = window,
          .stride_height = stride,
          .stride_width = stride,
          .dilation_height = dilation,
          .dilation_width = dilation,
          .pad_top = pad,
          .pad_left = pad};
}

std::vector<PoolShape> shapes() {
  std::vector<PoolShape> all;
  for (const int64_t channels : {1, 3, 16, 17, 32, 50}) {
    all.push_back(shape(2, 8, 6, channels, 2, 2, 0));
    all.push_back(shape(1, 9, 7, channels, 2, 2, 0));     // a rest that no window sees
    all.push_back(shape(2, 7, 7, channels, 3, 2, 1));     // overlapping, padded
    all.push_back(shape(1, 6, 5, channels, 3, 1, 2));     // windows mostly in the padding
    all.push_back(shape(1, 9, 9, channels, 2, 3, 0));     // gaps
    all.push_back(shape(1, 9, 9, channels, 3, 2, 2, 2));  // dilated
    all.push_back(shape(1, 1, 1, channels, 1, 1, 0));
  }
  PoolShape uneven = shape(1, 6, 8, 5, 2, 2, 0);
  uneven.window_width = 3, uneven.stride_width = 1, uneven.out_width = 6;
  all.push_back(uneven);
  all.push_back(shape(0, 4, 4, 3, 2, 2, 0));
  all.push_back(shape(1, 20, 20, 4, 17, 1, 0));  // 289 places: no byte
  return all;
}

struct Reference {
  std::vector<float> y, dx;
  std::vector<int32_t> places;
};
Reference reference(const PoolShape& p, const std::vector<float>& x, const std::vector<float>& dy,
                    bool relu) {
  Reference r;
  r.dx.assign(x.size(), 0);
  const auto at = [&](int64_t b, int64_t i, int64_t j, int64_t c) {
    return static_cast<size_t>(((b * p.height + i) * p.width + j) * p.channels + c);
  };
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t i = 0; i < p.out_height; ++i) {
      for (int64_t j = 0; j < p.out_width; ++j) {
        for (int64_t c = 0; c < p.channels; ++c) {
          float best = -INFINITY;
          int64_t place = 0, from = -1;
          for (int64_t t = 0; t < p.window_height * p.window_width; ++t) {
            const int64_t ii =
                i * p.stride_height + t / p.window_width * p.dilation_height - p.pad_top;
            const int64_t jj =
                j * p.stride_width + t % p.window_width * p.dilation_width - p.pad_left;
            if (ii < 0 || ii >= p.height || jj < 0 || jj >= p.width) continue;
            const float there = x[at(b, ii, jj, c)];
            const float v = relu && there < 0 ? 0 : there;
            if (from < 0 || v > best || (std::isnan(v) && !std::isnan(best))) {
              best = v, place = t, from = static_cast<int64_t>(at(b, ii, jj, c));
            }
          }
          const size_t out = r.y.size();
          r.y.push_back(relu && best < 0 ? 0 : best);
          r.places.push_back(static_cast<int32_t>(place));
          if (from >= 0) r.dx[static_cast<size_t>(from)] += dy[out];
        }
      }
    }
  }
  return r;
}

template <class Place>
void check(const PoolShape& p, bool relu, bool with_nan) {
  std::mt19937 random(7);
  const auto size = static_cast<size_t>(p.batch * p.height * p.width * p.channels);
  const auto outputs = static_cast<size_t>(p.batch * p.out_height * p.out_width * p.channels);
  std::vector<float> x, dy;
  // Few values, so that windows hold equal ones; gradients whose sums are exact.
  for (size_t i = 0; i < size; ++i) {
    x.push_back(static_cast<float>(random() % 9) - 4);
    if (with_nan && random() % 11 == 0) x.back() = std::nanf("");
  }
  for (size_t i = 0; i < outputs; ++i) dy.push_back(static_cast<float>(random() % 64) - 32);
  const Reference want = reference(p, x, dy, relu);
  std::vector<float> y(outputs + 1, 77), values(outputs + 1, 77), dx(size + 1, 77);
  std::vector<Place> places(outputs + 1, Place{77});
  max_pool(p, x.data(), y.data(), places.data(), relu);
  max_pool_values(p, x.data(), values.data(), relu);
  max_pool_gradient(p, dy.data(), places.data(), dx.data());
  for (size_t i = 0; i < outputs; ++i) {
    ASSERT_TRUE(y[i] == want.y[i] || (std::isnan(y[i]) && std::isnan(want.y[i]))) << i;
    ASSERT_TRUE(values[i] == y[i] || std::isnan(y[i]));
    ASSERT_EQ(places[i], want.places[i]) << i;
  }
  for (size_t i = 0; i < size; ++i) ASSERT_EQ(dx[i], want.dx[i]) << i;
  ASSERT_TRUE(y.back() == 77 && values.back() == 77 && dx.back() == 77 && places.back() == 77);
}

TEST(SimdPool, EveryShapeGivesWhatPlainLoopsGive) {
  for_each_target([] {
    for (const PoolShape& p : shapes()) {
      for (const bool relu : {false, true}) {
        for (const bool with_nan : {false, true}) {
          if (p.window_height * p.window_width <= 256) check<uint8_t>(p, relu, with_nan);
          check<int32_t>(p, relu, with_nan);
        }
      }
    }
  });
}

TEST(SimdPool, ThreadsGiveTheSameBits) {
  const PoolShape p = shape(16, 24, 24, 32, 3, 2, 1);
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    check<uint8_t>(p, true, false);
  }
  set_thread_count(2);
}

}  // namespace
}  // namespace varve::cpu
