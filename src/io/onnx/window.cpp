#include "io/onnx/window.h"

#include <algorithm>

namespace varve::io::onnx {
std::vector<int64_t> spatial_of(const Call& c, const Tensor& x) {
  if (x.rank() < 3) {
    c.fail("expected [batch, channels, spatial...], got " + x.shape().to_string());
  }
  return {x.shape().begin() + 2, x.shape().end()};
}

Window window_of(const Call& c, const Tensor& x, std::vector<int64_t> size) {
  const std::vector<int64_t> input = spatial_of(c, x);
  const size_t n = input.size();
  if (size.size() != n) {
    c.fail("kernel_shape: expected " + std::to_string(n) + " integers, got " +
           std::to_string(size.size()));
  }
  Window w{.size = std::move(size),
           .strides = c.sizes("strides", n, 1),
           .dilations = c.sizes("dilations", n, 1),
           .low = std::vector<int64_t>(n),
           .high = std::vector<int64_t>(n)};
  for (size_t i = 0; i < n; ++i) {
    if (w.size[i] < 1 || w.size[i] > INT32_MAX) {
      c.fail("kernel_shape[" + std::to_string(i) + "]: expected 1.." + std::to_string(INT32_MAX) +
             ", got " + std::to_string(w.size[i]));
    }
  }
  const std::string automatic = c.text("auto_pad", "NOTSET");
  if (automatic == "NOTSET") {
    const std::vector<int64_t> pads = c.sizes("pads", 2 * n, 0, 0);
    std::copy_n(pads.begin(), n, w.low.begin());
    std::copy_n(pads.begin() + static_cast<ptrdiff_t>(n), n, w.high.begin());
    return w;
  }
  if (automatic == "VALID") return w;
  if (automatic != "SAME_UPPER" && automatic != "SAME_LOWER") {
    c.fail("attribute auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got \"" +
           automatic + "\"");
  }
  for (size_t i = 0; i < n; ++i) {
    const int64_t positions = (input[i] + w.strides[i] - 1) / w.strides[i];
    const int64_t reach = (w.size[i] - 1) * w.dilations[i] + 1;
    const int64_t total = std::max<int64_t>((positions - 1) * w.strides[i] + reach - input[i], 0);
    // The odd one goes to the end, or to the beginning.
    w.low[i] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.high[i] = total - w.low[i];
  }
  return w;
}

void limit_padding(const Call& c, const Tensor& x, const Window& w, int64_t channels) {
  const std::vector<int64_t> input = spatial_of(c, x);
  std::vector<int64_t> padded = x.shape().dims(), positions = input;
  for (size_t i = 0; i < input.size(); ++i) {
    padded[i + 2] = input[i] + w.low[i] + w.high[i];
    const int64_t reach = (w.size[i] - 1) * w.dilations[i] + 1;
    positions[i] = std::max<int64_t>((padded[i + 2] - reach) / w.strides[i] + 1, 0);
  }
  if (padded == x.shape().dims()) return;
  const char* because = c.text("auto_pad", "NOTSET") == "NOTSET" ? "pads" : "auto_pad";
  c.limit(Shape(padded), because);
  positions.insert(positions.begin(), {x.shape()[0], channels});
  c.limit(Shape(positions), because);
}

}  // namespace varve::io::onnx
