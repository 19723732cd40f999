// Rows of matrix products, convolution and pooling.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/build.h"
#include "samples.h"
#include "varve/ops/convolution.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pooling.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

// --- matmul --------------------------------------------------------------------------------------

/// The product of matrices [m, k] and [k, n], with bias [n] where there are three inputs.
Plains product(const Plains& in) {
  const Plain &a = in[0], &b = in[1];
  const auto m = static_cast<size_t>(a.shape[0]), k = static_cast<size_t>(a.shape[1]),
             n = static_cast<size_t>(b.shape[1]);
  Plain y{{m, n}, std::vector<double>(m * n)};
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      double sum = in.size() == 3 ? in[2][j] : 0;
      for (size_t l = 0; l < k; ++l) sum += a[i * k + l] * b[l * n + j];
      y[i * n + j] = sum;
    }
  }
  return {y};
}
Plain turned(const Plain& x) {
  const auto r = static_cast<size_t>(x.shape[0]), c = static_cast<size_t>(x.shape[1]);
  Plain y{{c, r}, std::vector<double>(x.v.size())};
  for (size_t i = 0; i < r; ++i) {
    for (size_t j = 0; j < c; ++j) y[j * r + i] = x[i * c + j];
  }
  return y;
}
/// Stacks [s, m, k] and [s, k, n], matrix by matrix.
Plains stacked_product(const Plains& in) {
  const auto count = static_cast<size_t>(in[0].shape[0]);
  Plain y;
  for (size_t s = 0; s < count; ++s) {
    Plains one;
    for (const Plain& p : in) {
      const auto size = static_cast<std::ptrdiff_t>(p.v.size() / count);
      const auto from = p.v.begin() + static_cast<std::ptrdiff_t>(s) * size;
      one.push_back({{p.shape[1], p.shape[2]}, {from, from + size}});
    }
    const Plain part = product(one)[0];
    y.shape = {count, part.shape[0], part.shape[1]};
    y.v.insert(y.v.end(), part.v.begin(), part.v.end());
  }
  return {y};
}

Sample matrices(const char* name, int64_t m, int64_t k, int64_t n, bool bias = false) {
  Sample s{name, {in({m, k}), in({k, n})}, {}, product};
  s.call = [](const Tensors& x) -> Tensors { return matmul(x[0], x[1]); };
  if (bias) {
    s.inputs.push_back(in({n}));
    s.call = [](const Tensors& x) -> Tensors { return matmul(x[0], x[1], {.bias = x[2]}); };
  }
  return s;
}

Row matmul_row() {
  std::vector<Sample> samples{
      matrices("plain", 2, 3, 4),
      matrices("bias", 5, 7, 3, true),
      matrices("one", 1, 1, 1),
      matrices("row by column", 1, 17, 1),
      matrices("outer", 15, 1, 16),
      matrices("larger", 33, 65, 17),
      matrices("of nothing", 2, 0, 3),
      matrices("of nothing and a bias", 2, 0, 3, true),
      matrices("no rows", 0, 3, 2),
      {"transposed both",
       {in({3, 5}), in({4, 3})},
       [](const Tensors& x) -> Tensors {
         return matmul(x[0], x[1], {.transpose_a = true, .transpose_b = true});
       },
       [](const Plains& x) {
         return product({turned(x[0]), turned(x[1])});
       }},
      {"transposed a",
       {in({3, 5}), in({3, 4})},
       [](const Tensors& x) -> Tensors { return matmul(x[0], x[1], {.transpose_a = true}); },
       [](const Plains& x) {
         return product({turned(x[0]), x[1]});
       }},
      {"transposed b",
       {in({5, 3}), in({4, 3})},
       [](const Tensors& x) -> Tensors { return matmul(x[0], x[1], {.transpose_b = true}); },
       [](const Plains& x) {
         return product({x[0], turned(x[1])});
       }},
      {"stack",
       {in({3, 4, 5}), in({3, 5, 2})},
       [](const Tensors& x) -> Tensors { return matmul(x[0], x[1]); },
       stacked_product},
      {"stack by one matrix",
       {in({3, 4, 5}), in({5, 2})},
       [](const Tensors& x) -> Tensors { return matmul(x[0], x[1]); }},
      {"broadcast stacks",
       {in({2, 1, 3, 4}), in({3, 4, 2})},
       [](const Tensors& x) -> Tensors { return matmul(x[0], x[1]); }},
      {"vectors",
       {in({4}), in({4})},
       [](const Tensors& x) -> Tensors { return matmul(x[0], x[1]); }},
  };
  return {
      .op = "matmul",
      .dtypes = kNumbers,
      .tolerance = {.sums = true},
      .samples = std::move(samples),
      .errors = {
          throws<ShapeError>("matmul: inner dimensions differ: a is [2, 3] and b is [4, 5]",
                             [] {
                               matmul(ones({2, 3}), ones({4, 5}));
                             }),
          throws<ShapeError>("matmul: inner dimensions differ: a is [32, 784] and b is [10, 784]\n"
                             "  hint: did you mean matmul(a, transpose(b))?",
                             [] {
                               matmul(ones({32, 784}), ones({10, 784}));
                             }),
      }};
}

// --- convolution ---------------------------------------------------------------------------------

using Ints = std::vector<int64_t>;

/// A two-axis window in plain numbers.
struct Window {
  Ints strides{1, 1}, dilation{1, 1}, low{0, 0}, high{0, 0};
  int64_t groups = 1;

  int64_t positions(size_t axis, int64_t size, int64_t taps) const {
    return (size + low[axis] + high[axis] - dilation[axis] * (taps - 1) - 1) / strides[axis] + 1;
  }
  Padding padding() const { return {{low[0], high[0]}, {low[1], high[1]}}; }
  ir::Attributes attributes() const {
    return {{"strides", strides},
            {"dilation", dilation},
            {"padding_low", low},
            {"padding_high", high},
            {"groups", groups}};
  }
};

/// x [b, h, w, c], kernel [th, tw, c / groups, o] (and bias [o]).
Plains convolved(const Window& win, const Plains& in) {
  const Plain &x = in[0], &k = in[1];
  const Shape &xs = x.shape, &ks = k.shape;
  const int64_t height = win.positions(0, xs[1], ks[0]), width = win.positions(1, xs[2], ks[1]);
  Plain y{{xs[0], height, width, ks[3]}, {}};
  const int64_t per_group = ks[3] / win.groups;
  for (int64_t b = 0; b < xs[0]; ++b)
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j)
        for (int64_t o = 0; o < ks[3]; ++o) {
          double sum = in.size() == 3 ? in[2][static_cast<size_t>(o)] : 0;
          for (int64_t t = 0; t < ks[0]; ++t)
            for (int64_t u = 0; u < ks[1]; ++u) {
              const int64_t r = i * win.strides[0] + t * win.dilation[0] - win.low[0];
              const int64_t s = j * win.strides[1] + u * win.dilation[1] - win.low[1];
              if (r < 0 || s < 0 || r >= xs[1] || s >= xs[2]) continue;
              for (int64_t c = 0; c < ks[2]; ++c) {
                const int64_t channel = o / per_group * ks[2] + c;
                sum += x[static_cast<size_t>(((b * xs[1] + r) * xs[2] + s) * xs[3] + channel)] *
                       k[static_cast<size_t>(((t * ks[1] + u) * ks[2] + c) * ks[3] + o)];
              }
            }
          y.v.push_back(sum);
        }
  return {y};
}

struct ConvCase {
  const char* name;
  Shape x, kernel;
  Window window = {};
};
const std::vector<ConvCase> kConvCases{
    {"plain", {2, 5, 6, 3}, {3, 3, 3, 4}},
    {"strides and padding", {1, 7, 8, 2}, {3, 2, 2, 5}, {{2, 3}, {1, 1}, {1, 2}, {0, 1}}},
    {"dilation", {1, 9, 7, 2}, {3, 2, 2, 3}, {{1, 1}, {2, 3}, {1, 0}, {1, 0}}},
    {"groups", {2, 4, 5, 4}, {3, 3, 2, 6}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 2}},
    {"depthwise", {1, 5, 5, 3}, {3, 3, 1, 3}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 3}},
    {"one by one", {2, 3, 3, 5}, {1, 1, 5, 7}},
    {"empty batch", {0, 4, 4, 2}, {3, 3, 2, 3}},
    {"no channels", {1, 4, 4, 0}, {3, 3, 0, 2}},
};

Row convolution_row() {
  Row row{.op = "convolution", .dtypes = kAll, .tolerance = {.sums = true}};
  for (const ConvCase& c : kConvCases) {
    const Window w = c.window;
    const ConvOptions<2> o{.strides = {w.strides[0], w.strides[1]},
                           .padding = w.padding(),
                           .dilation = {w.dilation[0], w.dilation[1]},
                           .groups = w.groups};
    row.samples.push_back({c.name,
                           {in(c.x), in(c.kernel)},
                           [o](const Tensors& x) -> Tensors { return conv2d(x[0], x[1], o); },
                           [w](const Plains& x) { return convolved(w, x); }});
    row.samples.push_back({std::string(c.name) + ", bias",
                           {in(c.x), in(c.kernel), in({c.kernel[-1]})},
                           [o](const Tensors& x) -> Tensors {
                             ConvOptions<2> with = o;
                             with.bias = x[2];
                             return conv2d(x[0], x[1], with);
                           },
                           [w](const Plains& x) { return convolved(w, x); }});
  }
  row.samples.push_back(
      {"one axis", {in({2, 9, 3}), in({4, 3, 5})}, [](const Tensors& x) -> Tensors {
         return conv1d(x[0], x[1], {.strides = 2, .padding = "same"});
       }});
  row.samples.push_back({"three axes",
                         {in({1, 4, 3, 5, 2}), in({2, 2, 3, 2, 3})},
                         [](const Tensors& x) -> Tensors { return conv3d(x[0], x[1]); }});
  row.samples.push_back(
      {"channels first", {in({2, 3, 5, 4}), in({6, 3, 3, 3})}, [](const Tensors& x) -> Tensors {
         return conv2d(x[0], x[1], {.padding = 1, .data_format = "channels_first"});
       }});
  row.errors = {throws<ShapeError>("conv2d: kernel 7x7 larger than input 5x5 (+ padding 0)",
                                   [] {
                                     conv2d(ones({1, 5, 5, 1}), ones({7, 7, 1, 1}));
                                   }),
                throws<ValueError>("conv2d: strides[0]: expected at least 1, got 0", [] {
                  conv2d(ones({1, 5, 5, 1}), ones({3, 3, 1, 1}), {.strides = 0});
                })};
  return row;
}

/// A raw node with the attributes of a convolution and a size.
Call sized(const char* op, const Window& w, Ints size) {
  ir::Attributes a = w.attributes();
  a.set("size", std::move(size));
  return [op, a](const Tensors& x) -> Tensors { return ir::apply(ops::get(op), x.list(), a); };
}

std::vector<Row> gradient_rows() {
  Row by_input{.op = "convolution_input_gradient", .tolerance = {.sums = true}};
  Row by_filter{.op = "convolution_filter_gradient", .tolerance = {.sums = true}};
  for (const ConvCase& c : kConvCases) {
    const Window& w = c.window;
    const Shape y{c.x[0], w.positions(0, c.x[1], c.kernel[0]), w.positions(1, c.x[2], c.kernel[1]),
                  c.kernel[3]};
    by_input.samples.push_back(
        {c.name, {in(y), in(c.kernel)}, sized("convolution_input_gradient", w, {c.x[1], c.x[2]})});
    by_filter.samples.push_back(
        {c.name,
         {in(c.x), in(y)},
         sized("convolution_filter_gradient", w, {c.kernel[0], c.kernel[1]})});
  }
  return {by_input, by_filter};
}

Row transpose_row() {
  return {
      .op = "conv_transpose2d",
      .dtypes = kAll,
      .tolerance = {.sums = true},
      .samples = {
          {"valid",
           {in({2, 3, 4, 2}), in({3, 2, 5, 2})},
           [](const Tensors& x) -> Tensors {
             return conv_transpose2d(x[0], x[1], {.strides = {2, 1}});
           }},
          {"same and bias",
           {in({1, 3, 3, 2}), in({3, 3, 4, 2}), in({4})},
           [](const Tensors& x) -> Tensors {
             return conv_transpose2d(x[0], x[1], {.strides = 2, .padding = "same", .bias = x[2]});
           }},
          {"groups, channels first",
           {in({1, 4, 3, 3}), in({4, 3, 2, 2})},
           [](const Tensors& x) -> Tensors {
             return conv_transpose2d(x[0], x[1], {.data_format = "channels_first", .groups = 2});
           }},
      }};
}

std::vector<Row> depthwise_rows() {
  return {{.op = "depthwise_conv2d",
           .dtypes = kAll,
           .tolerance = {.sums = true},
           .samples = {{"two kernels a channel",
                        {in({1, 5, 4, 3}), in({3, 2, 3, 2}), in({6})},
                        [](const Tensors& x) -> Tensors {
                          return depthwise_conv2d(x[0], x[1], {.strides = {2, 1}, .bias = x[2]});
                        }}},
           .errors = {throws<ShapeError>("depthwise_conv2d: kernel: expected [spatial..., 3, n] of "
                                         "rank 4, got [3, 3, 2, 1]",
                                         [] {
                                           depthwise_conv2d(ones({1, 5, 5, 3}), ones({3, 3, 2, 1}));
                                         })}},
          {.op = "separable_conv1d",
           .dtypes = kAll,
           .tolerance = {.ulp = 16, .largest = 16, .sums = true},
           .samples = {{"channels first",
                        {in({2, 3, 7}), in({3, 3, 2}), in({1, 6, 4}), in({4})},
                        [](const Tensors& x) -> Tensors {
                          return separable_conv1d(
                              x[0], x[1], x[2],
                              {.data_format = "channels_first", .dilation = 2, .bias = x[3]});
                        }}}}};
}

// --- pooling -------------------------------------------------------------------------------------

/// Calls f(values of a window, taps) for every window of x [b, h, w, c].
template <class F>
Plains pooled(const Window& win, int64_t th, int64_t tw, const Plain& x, F f) {
  const Shape& s = x.shape;
  const int64_t height = win.positions(0, s[1], th), width = win.positions(1, s[2], tw);
  Plain y{{s[0], height, width, s[3]}, {}};
  for (int64_t b = 0; b < s[0]; ++b)
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j)
        for (int64_t c = 0; c < s[3]; ++c) {
          std::vector<double> seen;
          for (int64_t t = 0; t < th; ++t)
            for (int64_t u = 0; u < tw; ++u) {
              const int64_t r = i * win.strides[0] + t * win.dilation[0] - win.low[0];
              const int64_t q = j * win.strides[1] + u * win.dilation[1] - win.low[1];
              if (r < 0 || q < 0 || r >= s[1] || q >= s[2]) continue;
              seen.push_back(x[static_cast<size_t>(((b * s[1] + r) * s[2] + q) * s[3] + c)]);
            }
          y.v.push_back(f(seen));
        }
  return {y};
}

struct PoolCase {
  const char* name;
  Shape x;
  int64_t height, width;
  Window window = {};
};
const std::vector<PoolCase> kPoolCases{
    {"plain", {2, 4, 6, 3}, 2, 2, {{2, 2}}},
    {"overlapping", {1, 7, 6, 2}, 3, 2, {{1, 2}}},
    {"padded", {2, 5, 5, 17}, 3, 3, {{2, 2}, {1, 1}, {1, 1}, {1, 0}}},
    {"large window", {1, 18, 18, 1}, 17, 17, {{1, 1}}},
    {"empty batch", {0, 4, 4, 2}, 2, 2, {{2, 2}}},
};

Row max_pool_row() {
  Row row{.op = "max_pool", .dtypes = kNumbers};
  std::vector<PoolCase> cases = kPoolCases;
  cases.push_back({"dilated", {1, 8, 8, 2}, 2, 3, {{1, 1}, {2, 3}, {1, 2}, {0, 1}}});
  for (const PoolCase& c : cases) {
    const Window w = c.window;
    const MaxPoolOptions<2> o{.window = {c.height, c.width},
                              .strides = {w.strides[0], w.strides[1]},
                              .padding = w.padding(),
                              .dilation = {w.dilation[0], w.dilation[1]}};
    row.samples.push_back({c.name,
                           {in(c.x, -100, 100)},
                           [o](const Tensors& x) -> Tensors { return max_pool2d(x[0], o); },
                           [=](const Plains& x) {
                             return pooled(w, c.height, c.width, x[0],
                                           [](const std::vector<double>& v) {
                                             return *std::max_element(v.begin(), v.end());
                                           });
                           }});
  }
  row.samples.push_back({"one axis", {in({2, 9, 3}, -100, 100)}, [](const Tensors& x) -> Tensors {
                           return max_pool1d(x[0]);
                         }});
  row.samples.push_back({"three axes",
                         {in({1, 4, 4, 5, 2}, -100, 100)},
                         [](const Tensors& x) -> Tensors { return max_pool3d(x[0]); }});
  row.samples.push_back(
      {"channels first", {in({2, 3, 4, 6}, -100, 100)}, [](const Tensors& x) -> Tensors {
         return max_pool2d(x[0], {.data_format = "channels_first"});
       }});
  row.samples.push_back({"ceil", {in({2, 6, 8, 3}, -100, 100)}, [](const Tensors& x) -> Tensors {
                           return max_pool2d(x[0], {.window = 3, .strides = 2, .ceil_mode = true});
                         }});
  row.errors = {
      throws<ShapeError>("max_pool2d: window 7x7 larger than input 5x5 (+ padding 0)", [] {
        max_pool2d(ones({1, 5, 5, 1}), {.window = 7});
      })};
  return row;
}

Row average_pool_row() {
  Row row{.op = "average_pool", .dtypes = kAll, .tolerance = {.sums = true}};
  for (const PoolCase& c : kPoolCases) {
    for (bool whole : {false, true}) {
      const Window w = c.window;
      const AveragePoolOptions<2> o{.window = {c.height, c.width},
                                    .strides = {w.strides[0], w.strides[1]},
                                    .padding = w.padding(),
                                    .count_include_pad = whole};
      const double taps = static_cast<double>(c.height * c.width);
      row.samples.push_back({c.name + std::string(whole ? ", whole" : ""),
                             {in(c.x)},
                             [o](const Tensors& x) -> Tensors { return average_pool2d(x[0], o); },
                             [=](const Plains& x) {
                               return pooled(
                                   w, c.height, c.width, x[0], [=](const std::vector<double>& v) {
                                     double sum = 0;
                                     for (double value : v) sum += value;
                                     return sum / (whole ? taps : static_cast<double>(v.size()));
                                   });
                             }});
    }
  }
  for (bool whole : {false, true}) {
    const AveragePoolOptions<2> o{
        .window = 3, .strides = 2, .padding = 1, .count_include_pad = whole, .ceil_mode = true};
    row.samples.push_back({whole ? "ceil, whole" : "ceil",
                           {in({2, 6, 8, 3})},
                           [o](const Tensors& x) -> Tensors { return average_pool2d(x[0], o); }});
  }
  row.samples.push_back(
      {"dilated",
       {in({1, 9, 8, 2})},
       [](const Tensors& x) -> Tensors {
         return average_pool2d(x[0], {.window = {3, 2}, .strides = 1, .dilation = {2, 3}});
       },
       [](const Plains& x) {
         return pooled({{1, 1}, {2, 3}}, 3, 2, x[0], [](const std::vector<double>& v) {
           double sum = 0;
           for (double value : v) sum += value;
           return sum / 6;
         });
       }});
  return row;
}

/// The raw nodes between the derivatives of pooling.
std::vector<Row> pool_gradient_rows() {
  const Window two{{2, 2}};
  ir::Attributes a = two.attributes();
  ir::Attributes pool;
  for (const auto& [name, value] : a) {
    if (name != "groups") pool.set(name, value);
  }
  pool.set("window", Ints{2, 2});
  ir::Attributes spread = pool;
  spread.set("size", Ints{5, 6});
  ir::Attributes average = spread;
  average.set("count_include_pad", false);
  auto raw = [](const char* op, const ir::Attributes& attributes) -> Call {
    return
        [=](const Tensors& x) -> Tensors { return ir::apply(ops::get(op), x.list(), attributes); };
  };
  return {{.op = "max_pool_gradient",
           .samples = {{"plain",
                        {in({2, 2, 3, 4}), index({2, 2, 3, 4}, 4, u8)},
                        raw("max_pool_gradient", spread)}}},
          {.op = "max_pool_gather",
           .samples = {{"plain",
                        {in({2, 5, 6, 4}), index({2, 2, 3, 4}, 4, u8)},
                        raw("max_pool_gather", pool)}}},
          {.op = "average_pool_gradient",
           .tolerance = {.sums = true},
           .samples = {{"plain", {in({2, 2, 3, 4})}, raw("average_pool_gradient", average)}}}};
}

}  // namespace

std::vector<Row> product_samples() {
  std::vector<Row> rows{matmul_row(), convolution_row(), transpose_row(), max_pool_row(),
                        average_pool_row()};
  for (auto more : {gradient_rows(), depthwise_rows(), pool_gradient_rows()})
    rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace varve::samples
