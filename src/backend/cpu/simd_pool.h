// Max pooling of channels-last pictures of floats.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// x [batch, height, width, channels], y [batch, out_height, out_width, channels], dense. Output
/// (i, j) sees the inputs i * stride_height + t * dilation_height - pad_top, likewise across; what
/// lies outside is not there.
struct PoolShape {
  int64_t batch = 0, height = 0, width = 0, channels = 0;
  int64_t out_height = 0, out_width = 0;
  int64_t window_height = 1, window_width = 1;
  int64_t stride_height = 1, stride_width = 1;
  int64_t dilation_height = 1, dilation_width = 1;
  int64_t pad_top = 0, pad_left = 0;
};

/// y = the largest element of each window, -inf where it sees nothing; places = its place in the
/// window, row-major; the first of equal ones, NaN before all. With `relu`, of max(x, 0) instead of
/// x, NaN staying. Place is uint8_t (windows of up to 256) or int32_t.
template <class Place>
void max_pool(const PoolShape& p, const float* x, float* y, Place* places, bool relu) noexcept;
/// As above, without places.
void max_pool_values(const PoolShape& p, const float* x, float* y, bool relu) noexcept;

/// dx = the sum of dy over the windows in which an input is the one at the place.
template <class Place>
void max_pool_gradient(const PoolShape& p, const float* dy, const Place* places,
                       float* dx) noexcept;

}  // namespace varve::cpu
