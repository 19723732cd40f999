// Rows of resampling, windows, variants of pooling, and normalizations over space. Their values are
// those of tests/golden/spatial.py.
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pooling.h"
#include "varve/ops/resampling.h"
#include "varve/ops/shape.h"
#include "varve/ops/windows.h"

namespace varve::samples {
namespace {

constexpr Tolerance kSums{.sums = true};
// Weights of both signs, and several roundings on the way: not of a sum of absolute values.
constexpr Tolerance kWeighted{.ulp = 8, .largest = 8};

Call resized(const ResizeOptions& o) {
  return [o](const Tensors& x) -> Tensors { return resize(x[0], o); };
}

/// A raw node that makes an output like the sample's calls take it back.
Call raw(const char* op, const ir::Attributes& a) {
  return [=](const Tensors& x) -> Tensors { return ir::apply(ops::get(op), x.list(), a); };
}

Row resample_row() {
  const Shape x{2, 5, 7, 3};
  Row row{.op = "resample", .dtypes = kAll, .tolerance = kWeighted};
  const auto add = [&](const char* name, const ResizeOptions& o, const Shape& shape) {
    row.samples.push_back({name, {in(shape)}, resized(o)});
  };
  add("nearest",
      {.size = {10, 3},
       .interpolation = "nearest",
       .coordinates = "asymmetric",
       .rounding = "floor"},
      x);
  add("nearest of centres",
      {.size = {8, 3}, .interpolation = "nearest", .rounding = "round_prefer_ceil"}, x);
  add("nearest above",
      {.scale = {1.5}, .interpolation = "nearest", .axes = {0}, .rounding = "ceil"}, {5, 2});
  add("linear up", {.size = {9, 12}}, x);
  add("linear down", {.size = {3, 4}}, x);
  add("align corners", {.size = {9, 4}, .coordinates = "align_corners"}, x);
  add("cubic", {.size = {9, 4}, .interpolation = "cubic"}, x);
  add("cubic, align corners",
      {.size = {3, 12}, .interpolation = "cubic", .coordinates = "align_corners"}, x);
  add("antialias", {.size = {2, 3}, .antialias = true, .exclude_outside = true}, x);
  add("cubic, antialias",
      {.size = {3, 9},
       .interpolation = "cubic",
       .cubic_coefficient = -0.5,
       .antialias = true,
       .exclude_outside = true},
      x);
  add("area", {.size = {3, 4}, .interpolation = "area"}, x);
  add("one axis", {.scale = {2.5}}, {2, 5, 3});
  add("three axes", {.size = {2, 5, 4}}, {1, 3, 4, 2, 2});
  add("cubic of a half, outside excluded",
      {.size = {9, 4},
       .interpolation = "cubic",
       .cubic_coefficient = -0.5,
       .exclude_outside = true},
      x);
  add("region",
      {.size = {4, 3},
       .coordinates = "tf_crop_and_resize",
       .start = {0.2, -0.1},
       .end = {0.9, 0.7},
       .extrapolation = 10},
      x);
  add("half_pixel_symmetric", {.scale = {0.7}, .axes = {1}, .coordinates = "half_pixel_symmetric"},
      x);
  add("asymmetric", {.scale = {1.5}, .axes = {2}, .coordinates = "asymmetric"}, x);
  add("one element", {.size = {1}, .axes = {1}, .coordinates = "pytorch_half_pixel"}, x);
  add("channels first", {.size = {9, 4}, .data_format = "channels_first"}, {2, 3, 5, 7});
  add("empty batch", {.size = {9, 4}}, {0, 5, 7, 3});
  add("one column", {.size = {9}, .axes = {0}}, {4, 1});
  row.errors = {
      throws<ValueError>("resize: expected sizes or scales",
                         [] {
                           resize(ones({1, 2, 2, 1}));
                         }),
      throws<ValueError>("resize: size: expected one number for each of 2 axes, got 1",
                         [] {
                           resize(ones({1, 2, 2, 1}), {.size = {3}});
                         }),
      throws<ValueError>("resize: scale: expected a number above 0, got -1.000000",
                         [] {
                           resize(ones({1, 2, 2, 1}), {.scale = {-1, 1}});
                         }),
      throws<ShapeError>("resize: axis 1 has no element",
                         [] {
                           resize(ones({1, 0, 2, 1}), {.size = {3, 3}});
                         }),
      throws<ShapeError>("resize: expected batch, channels and spatial axes, got [2, 2]",
                         [] {
                           resize(ones({2, 2}), {.size = {3}});
                         }),
      throws<ValueError>(
          "interpolation: expected one of \"nearest\", \"linear\", \"bilinear\", \"trilinear\", "
          "\"cubic\", \"bicubic\", \"area\", got \"bicubik\"\n  hint: did you mean \"bicubic\"?",
          [] { Interpolation::parse("bicubik"); }),
  };
  return row;
}

std::vector<Row> pixel_rows() {
  return {
      {.op = "resample_transpose",
       .tolerance = kSums,
       .samples = {{"plain",
                    {in({2, 4, 3})},
                    raw("resample_transpose", {{"axis", int64_t{1}},
                                               {"size", int64_t{4}},
                                               {"from", int64_t{3}},
                                               {"scale", 4 / 3.},
                                               {"method", std::string("linear")},
                                               {"coordinates", std::string("align_corners")},
                                               {"rounding", std::string("floor")},
                                               {"cubic_coefficient", -0.75},
                                               {"antialias", false},
                                               {"exclude_outside", false},
                                               {"start", 0.},
                                               {"end", 1.}}),
                    // Elements at 0, 2/3, 4/3 and 2 of three.
                    [](const Plains& x) -> Plains {
                      Plain y{{2, 3, 3}, {}};
                      const double w[3][4] = {
                          {1, 1 / 3., 0, 0}, {0, 2 / 3., 2 / 3., 0}, {0, 0, 1 / 3., 1}};
                      for (size_t b = 0; b < 2; ++b)
                        for (const auto& row : w)
                          for (size_t c = 0; c < 3; ++c) {
                            double sum = 0;
                            for (size_t i = 0; i < 4; ++i) sum += row[i] * x[0][b * 12 + i * 3 + c];
                            y.v.push_back(sum);
                          }
                      return {y};
                    }}}},
      {.op = "depth_to_space",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({1, 2, 3, 8})},
                    [](const Tensors& x) -> Tensors { return depth_to_space(x[0], 2); }}},
       .errors = {throws<ShapeError>(
           "depth_to_space: 6 channels are no multiple of the block's 4 pixels",
           [] {
             depth_to_space(ones({1, 2, 2, 6}), 2);
           })}},
      {.op = "space_to_depth",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({1, 4, 6, 2})},
                    [](const Tensors& x) -> Tensors { return space_to_depth(x[0], 2); }}}},
      {.op = "pixel_shuffle",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({1, 2, 3, 8})},
                    [](const Tensors& x) -> Tensors { return pixel_shuffle(x[0], 2); }}}},
      {.op = "pixel_unshuffle",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({1, 4, 6, 2})},
                    [](const Tensors& x) -> Tensors { return pixel_unshuffle(x[0], 2); }}}},
      {.op = "center_crop_pad",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({2, 6, 4})},
                    [](const Tensors& x) -> Tensors {
                      return center_crop_pad(x[0], {3, 7}, {.axes = {1, -1}});
                    }}}},
      {.op = "blur_pool",
       .dtypes = kAll,
       .tolerance = kSums,
       .samples = {{"plain",
                    {in({1, 5, 6, 3})},
                    [](const Tensors& x) -> Tensors { return blur_pool(x[0]); }},
                   {"channels first",
                    {in({1, 2, 4, 5})},
                    [](const Tensors& x) -> Tensors {
                      return blur_pool(x[0], {.size = 4, .data_format = "channels_first"});
                    }}}},
  };
}

std::vector<Row> window_rows() {
  const UnfoldOptions first{.strides = {1, 2},
                            .dilation = {2, 1},
                            .padding = {{1, 1}, {0, 0}},
                            .data_format = "channels_first"};
  return {
      {.op = "sliding_windows",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({2, 8, 3})},
                    [](const Tensors& x) -> Tensors {
                      return sliding_windows(x[0], {3}, {.axes = {1}, .strides = {2}});
                    }},
                   {"two axes, apart",
                    {in({5, 2, 7})},
                    [](const Tensors& x) -> Tensors {
                      return sliding_windows(x[0], {2, 3}, {.axes = {0, 2}, .dilation = {3, 1}});
                    }}},
       .errors = {throws<ShapeError>("sliding_windows: window 4 is larger than axis 0 of [3]",
                                     [] { sliding_windows(ones({3}), {4}); })}},
      {.op = "overlap_add",
       .dtypes = kAll,
       .tolerance = kSums,
       .samples = {{"frames",
                    {in({2, 3, 4})},
                    [](const Tensors& x) -> Tensors {
                      return overlap_add(x[0], {8}, {.axes = {1}, .strides = {2}});
                    },
                    [](const Plains& x) -> Plains {
                      Plain y{{2, 8}, std::vector<double>(16)};
                      for (size_t b = 0; b < 2; ++b)
                        for (size_t p = 0; p < 3; ++p)
                          for (size_t t = 0; t < 4; ++t)
                            y[b * 8 + p * 2 + t] += x[0][b * 12 + p * 4 + t];
                      return {y};
                    }},
                   {"two axes, dilated and padded",
                    {in({4, 2, 3, 2, 2})},
                    [](const Tensors& x) -> Tensors {
                      return overlap_add(x[0], {4, 5},
                                         {.axes = {0, 2},
                                          .strides = {1, 2},
                                          .dilation = {2, 1},
                                          .padding = {{1, 1}, {1, 0}}});
                    }}}},
      {.op = "unfold",
       .dtypes = kAll,
       .samples = {{"plain",
                    {in({1, 4, 4, 2})},
                    [](const Tensors& x) -> Tensors {
                      return unfold(x[0], {2, 2});
                    }},
                   {"channels first",
                    {in({2, 3, 5, 6})},
                    [first](const Tensors& x) -> Tensors {
                      return unfold(x[0], {2, 3}, first);
                    }}}},
      {.op = "fold",
       .dtypes = kAll,
       .tolerance = kSums,
       .samples = {{"channels first",
                    {in({2, 12, 10})},
                    [first](const Tensors& x) -> Tensors {
                      return fold(x[0], {2, 3}, {5, 6}, first);
                    }},
                   {"plain",
                    {in({1, 3, 3, 8})},
                    [](const Tensors& x) -> Tensors {
                      return fold(x[0], {2, 2}, {4, 4});
                    }},
                   {"three axes",
                    {in({1, 2, 2, 3, 8})},
                    [](const Tensors& x) -> Tensors {
                      return fold(x[0], {2, 2, 2}, {3, 3, 4});
                    }}},
       .errors = {throws<ShapeError>("fold: [1, 3, 3, 8] has not the 4x4 positions of windows 2x2 "
                                     "over 5x5",
                                     [] {
                                       fold(ones({1, 3, 3, 8}), {2, 2}, {5, 5});
                                     })}},
  };
}

/// adaptive_max_pool_with_indices of channels-last images, by its definition.
Plains adaptive_places(const Plain& x, int64_t rows, int64_t columns) {
  const int64_t batch = x.shape[0], h = x.shape[1], w = x.shape[2], channels = x.shape[3];
  Plain values{Shape{batch, rows, columns, channels}, {}}, places = values;
  for (int64_t at = 0; at < values.shape.size(); ++at) {
    const int64_t c = at % channels, j = at / channels % columns,
                  i = at / channels / columns % rows, b = at / channels / columns / rows;
    const auto end = [](int64_t k, int64_t n, int64_t parts) {
      return ((k + 1) * n + parts - 1) / parts;
    };
    int64_t place = -1;
    double best = 0;
    for (int64_t y = i * h / rows; y < end(i, h, rows); ++y) {
      for (int64_t z = j * w / columns; z < end(j, w, columns); ++z) {
        const double v = x.v[static_cast<size_t>(((b * h + y) * w + z) * channels + c)];
        if (place >= 0 && !(v > best)) continue;
        best = v;
        place = y * w + z;
      }
    }
    values.v.push_back(best);
    places.v.push_back(static_cast<double>(place));
  }
  return {values, places};
}

std::vector<Row> pooling_rows() {
  const Shape x{2, 6, 7, 3};
  const MaxPoolOptions<2> window{.window = {2, 3}, .strides = 2, .padding = 1};
  const auto places = [=](const PlaceOptions& p) -> Call {
    return [=](const Tensors& t) -> Tensors {
      const auto y = max_pool2d_with_indices(t[0], window, p);
      return {y.values, y.indices};
    };
  };
  return {{.op = "lp_pool2d",
           .dtypes = kAll,
           .tolerance = {.ulp = 16, .sums = true},
           .samples = {{"plain",
                        {in(x)},
                        [](const Tensors& t) -> Tensors {
                          return lp_pool2d(t[0], {.window = {2, 3}, .strides = 2});
                        }},
                       {"cubes",
                        {in(x)},
                        [](const Tensors& t) -> Tensors { return lp_pool2d(t[0], {.order = 3}); }},
                       {"sums over the end",
                        {in({1, 5, 5, 2})},
                        [](const Tensors& t) -> Tensors {
                          return lp_pool2d(t[0], {.order = 1, .ceil_mode = true});
                        }}}},
          {.op = "max_pool2d_with_indices",
           .dtypes = kNumbers,
           .samples = {{"plain", {in(x, -100, 100)}, places({})},
                       {"whole, column-major",
                        {in(x, -100, 100)},
                        places({.column_major = true, .whole = true})}}},
          {.op = "max_unpool",
           .dtypes = kNumbers,
           .samples = {{"pooled",
                        {in(x, -100, 100)},
                        [](const Tensors& t) -> Tensors {
                          const auto y = max_pool2d_with_indices(t[0]);
                          return max_unpool(y.values, y.indices, {6, 7});
                        }},
                       {"whole, column-major, channels first",
                        {in({2, 3, 6, 4}, -100, 100)},
                        [](const Tensors& t) -> Tensors {
                          const PlaceOptions p{.column_major = true, .whole = true};
                          const auto y =
                              max_pool2d_with_indices(t[0], {.data_format = "channels_first"}, p);
                          return max_unpool(y.values, y.indices, {6, 4},
                                            {.data_format = "channels_first", .places = p});
                        }}}},
          {.op = "adaptive_average_pool",
           .dtypes = kAll,
           .tolerance = kWeighted,
           .samples = {{"uneven",
                        {in(x)},
                        [](const Tensors& t) -> Tensors {
                          return adaptive_average_pool(t[0], {4, 3});
                        }}}},
          {.op = "adaptive_max_pool",
           .dtypes = kAll,
           .samples = {{"uneven",
                        {in(x, -100, 100)},
                        [](const Tensors& t) -> Tensors {
                          return adaptive_max_pool(t[0], {4, 3});
                        }}}},
          {.op = "adaptive_max_pool_with_indices",
           .dtypes = kAll,
           .samples = {{"uneven",
                        {in(x, -100, 100)},
                        [](const Tensors& t) -> Tensors {
                          const auto y = adaptive_max_pool_with_indices(t[0], {4, 3});
                          return {y.values, y.indices};
                        },
                        [](const Plains& p) { return adaptive_places(p[0], 4, 3); }},
                       {"whole, column-major, channels first",
                        {in({2, 3, 6, 5}, -100, 100)},
                        [](const Tensors& t) -> Tensors {
                          const auto y = adaptive_max_pool_with_indices(
                              t[0], {4, 5}, {.data_format = "channels_first"},
                              {.column_major = true, .whole = true});
                          return {y.values, y.indices};
                        }}}}};
}

std::vector<Row> normalization_rows() {
  const auto local = [](const LocalResponseNormOptions& o) -> Call {
    return [o](const Tensors& x) -> Tensors { return local_response_norm(x[0], o); };
  };
  return {
      {.op = "instance_norm",
       .dtypes = kAll,
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"plain",
                    {in({2, 3, 4, 3}), in({3}), in({3})},
                    [](const Tensors& x) -> Tensors {
                      return instance_norm(x[0], {.scale = x[1], .offset = x[2]});
                    }},
                   {"channels first",
                    {in({2, 3, 4, 3})},
                    [](const Tensors& x) -> Tensors { return instance_norm(x[0], {.axis = 1}); }}},
       .errors = {throws<ShapeError>(
           "instance_norm: expected batch, channels and spatial axes, got [2, 3]",
           [] {
             instance_norm(ones({2, 3}));
           })}},
      {.op = "rms_norm",
       .dtypes = kAll,
       .tolerance = {.ulp = 16, .largest = 8},
       .samples = {{"plain",
                    {in({2, 3, 5}), in({5})},
                    [](const Tensors& x) -> Tensors { return rms_norm(x[0], {.scale = x[1]}); }},
                   {"two axes",
                    {in({2, 3, 5})},
                    [](const Tensors& x) -> Tensors {
                      return rms_norm(x[0], {.axes = {1, 2}, .epsilon = 0.1});
                    }}}},
      {.op = "local_response_norm",
       .dtypes = kAll,
       .tolerance = {.ulp = 32, .largest = 8},
       .samples = {
           {"plain", {in({2, 3, 2, 7})}, local({.size = 3, .alpha = 0.5, .bias = 2})},
           {"many channels", {in({1, 2, 2, 40})}, local({.size = 21, .alpha = 0.5, .bias = 2})},
           {"even size", {in({3, 7})}, local({.size = 4, .alpha = 0.5})},
           {"wider than the channels",
            {in({2, 5, 3})},
            local({.size = 64, .alpha = 1, .axis = 1})}}}};
}

}  // namespace

std::vector<Row> spatial_samples() {
  std::vector<Row> all{resample_row()};
  for (auto family : {pixel_rows(), window_rows(), pooling_rows(), normalization_rows()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace varve::samples
