// Rows of sampling between elements and of regions. Their values are those of
// tests/golden/spatial.py.
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/detection.h"
#include "varve/ops/sampling.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

constexpr Tolerance kSums{.sums = true};
// Weights of both signs, and several roundings on the way: not of a sum of absolute values.
constexpr Tolerance kWeighted{.ulp = 8, .largest = 8}, kPoints{.ulp = 8, .largest = 64};

/// A raw node that makes an output like the sample's calls take it back.
Call raw(const char* op, const ir::Attributes& a) {
  return [=](const Tensors& x) -> Tensors { return ir::apply(ops::get(op), x.list(), a); };
}

std::vector<Row> sampling_rows() {
  const In indices = given({4, 2}, {0, -1, 4, 2, 3, 3, -1, -1}, i64);
  Row grid{.op = "grid_sample", .dtypes = kAll, .tolerance = kPoints};
  const auto add = [&](const char* name, const GridSampleOptions& o) {
    grid.samples.push_back({name,
                            {in({2, 4, 5, 3}), in({2, 3, 2, 2})},
                            [o](const Tensors& x) -> Tensors { return grid_sample(x[0], x[1], o); },
                            {},
                            // Halves of the grid fall elsewhere, and "nearest" jumps.
                            {f32, f64}});
  };
  const auto each = [&](const char* const(&names)[4], Interpolation i) {
    add(names[0], {.interpolation = i});
    add(names[1], {.interpolation = i, .border = "border", .align_corners = true});
    add(names[2], {.interpolation = i, .border = "reflection"});
    add(names[3], {.interpolation = i, .border = "reflection", .align_corners = true});
  };
  each({"linear, zeros", "linear, border, corners", "linear, reflection",
        "linear, reflection, corners"},
       "linear");
  each({"nearest, zeros", "nearest, border, corners", "nearest, reflection",
        "nearest, reflection, corners"},
       "nearest");
  each(
      {"cubic, zeros", "cubic, border, corners", "cubic, reflection", "cubic, reflection, corners"},
      "cubic");
  grid.samples.push_back({"volume",
                          {in({1, 3, 2, 4, 2}), in({1, 2, 3, 2, 3}, -1, 1)},
                          [](const Tensors& x) -> Tensors { return grid_sample(x[0], x[1]); }});
  const auto deform = [](const DeformConvOptions& o) -> Call {
    return [o](const Tensors& x) -> Tensors {
      DeformConvOptions with = o;
      with.mask = x[3];
      return deform_conv(x[0], x[1], x[2], with);
    };
  };
  Row deformed{.op = "deform_conv", .dtypes = kAll, .tolerance = kPoints};
  deformed.samples = {{"small",
                       {in({1, 3, 3, 2}), in({2, 2, 2, 1}), in({1, 2, 2, 8}), in({1, 2, 2, 4})},
                       deform({})},
                      {"groups",
                       {in({2, 4, 6, 4}), in({2, 3, 2, 6}), in({2, 5, 2, 24}), in({2, 5, 2, 12})},
                       deform({.strides = {1, 2},
                               .padding = {{1, 1}, {0, 1}},
                               .dilation = {1, 2},
                               .groups = 2,
                               .offset_groups = 2}),
                       {},
                       {f32, f64}}};
  const auto affine = [](const std::vector<int64_t>& size, bool corners) -> Call {
    return [=](const Tensors& x) -> Tensors {
      return affine_grid(x[0], size, {.align_corners = corners});
    };
  };
  return {grid,
          deformed,
          {.op = "affine_grid",
           .dtypes = kAll,
           .tolerance = kWeighted,
           .samples = {{"plane", {in({2, 2, 3})}, affine({3, 4}, false)},
                       {"corners", {in({2, 2, 3})}, affine({3, 4}, true)},
                       {"volume", {in({1, 3, 4})}, affine({2, 3, 4}, false)}}},
          {.op = "gather_sum",
           .dtypes = kAll,
           .tolerance = kSums,
           .samples = {{"plain",
                        {in({5, 3}), indices, in({4, 2})},
                        [](const Tensors& x) -> Tensors { return gather_sum(x[0], x[1], x[2]); }},
                       {"wide",
                        {in({6, 37}), index({11, 4}, 6), in({11, 4})},
                        [](const Tensors& x) -> Tensors { return gather_sum(x[0], x[1], x[2]); }}},
           .errors = {throws<IndexError>(
               "gather_sum: index[1] = 5, expected 0..4",
               [] {
                 gather_sum(ones({5, 3}), tensor<int64_t>({0, 5}, {1, 2}), ones({1, 2})).evaluate();
               })}},
          {.op = "scatter_sum",
           .tolerance = kSums,
           .samples = {{"plain",
                        {in({4, 3}), indices, in({4, 2})},
                        raw("scatter_sum", {{"rows", int64_t{5}}})},
                       {"wide",
                        {in({11, 37}), index({11, 4}, 6), in({11, 4})},
                        raw("scatter_sum", {{"rows", int64_t{6}}})}}},
          {.op = "gather_dot",
           .tolerance = kSums,
           .samples = {
               {"plain", {in({5, 3}), indices, in({4, 3})}, raw("gather_dot", {})},
               {"wide", {in({6, 37}), index({11, 4}, 6), in({11, 37})}, raw("gather_dot", {})}}}};
}

std::vector<Row> region_rows() {
  const In rois =
      given({3, 4}, {0.3, 1.2, 4.1, 3.9, -2.0, -1.5, 3.0, 9.0, 2.2, 0.1, 2.9, 0.8}, f64).fixed();
  const In images = given({3}, {1, 0, 1}, i64);
  const auto call = [](const RoiAlignOptions& o) -> Call {
    return [o](const Tensors& x) -> Tensors { return roi_align(x[0], x[1], x[2], o); };
  };
  const RoiAlignOptions sampled{.size = {2, 3}, .sampling_ratio = 2};
  RoiAlignOptions largest = sampled;
  largest.maximum = true;
  const ir::Attributes back{{"size", ir::Ints{2, 3}},
                            {"sampling_ratio", int64_t{2}},
                            {"scale", 1.},
                            {"half_pixel", true},
                            {"image", ir::Ints{2, 4, 5}}};
  Row nms{.op = "non_max_suppression",
          .dtypes = kAll,
          .samples = {{"bounded",
                       {in({2, 6, 4}, 0, 4), in({2, 2, 6}, 0, 1)},
                       [](const Tensors& x) -> Tensors {
                         const auto y = non_max_suppression(x[0], x[1],
                                                            {.max_output = 3,
                                                             .iou_threshold = 0.3,
                                                             .score_threshold = 0.1,
                                                             .size = 14});
                         return {y.indices, y.count};
                       }}},
          .skips = {{Check::reverse, "places have no derivative"},
                    {Check::forward, "places have no derivative"},
                    {Check::second_order, "places have no derivative"}}};
  return {
      {.op = "roi_align",
       .dtypes = kAll,
       .tolerance = kSums,
       .samples = {{"sampled", {in({2, 4, 5, 2}), rois, images}, call(sampled)},
                   {"as many as fit",
                    {in({2, 4, 5, 2}), rois, images},
                    call({.size = 2, .spatial_scale = 0.8, .half_pixel = false})},
                   // Counting its samples never came to an end.
                   {"of a region beyond all numbers",
                    {in({1, 4, 5, 1}), given({1, 4}, {-1e30, -1e30, 1e30, 1e30}, f64).fixed(),
                     given({1}, {0}, i64)},
                    call({.size = 1})}},
       .errors =
           {throws<IndexError>(
                "roi_align: index[0] = 1, expected 0..0",
                [] {
                  roi_align(ones({1, 3, 3, 1}), ones({1, 4}), tensor<int64_t>({1})).evaluate();
                }),
            throws<ValueError>(
                "roi_align: sampling_ratio: expected 0 to 1024 samples along an axis of each "
                "of 1 bin, got 1025",
                [] {
                  roi_align(ones({1, 3, 3, 1}), ones({1, 4}), tensor<int64_t>({0}),
                            {.sampling_ratio = 1025});
                }),
            throws<ValueError>(
                "roi_align: sampling_ratio: expected 0 to 1 samples along an axis of each of "
                "1000000 bins, got 2",
                [] {
                  roi_align(ones({1, 3, 3, 1}), ones({1, 4}), tensor<int64_t>({0}),
                            {.size = {1, 1000000}, .sampling_ratio = 2});
                }),
            throws<ValueError>("roi_align: size: expected 1 to 1048576, got 1048577",
                               [] {
                                 roi_align(ones({1, 3, 3, 1}), ones({1, 4}), tensor<int64_t>({0}),
                                           {.size = {1048577, 1}});
                               })}},
      {.op = "roi_align_gradient",
       .tolerance = kWeighted,
       .samples = {{"sampled", {in({3, 2, 3, 2}), rois, images}, raw("roi_align_gradient", back)}}},
      {.op = "roi_align_max",
       .dtypes = kAll,
       .tolerance = kSums,
       .samples = {{"sampled", {in({2, 4, 5, 2}), rois, images}, call(largest)}}},
      nms};
}

}  // namespace

std::vector<Row> region_samples() {
  std::vector<Row> all = sampling_rows();
  for (Row& row : region_rows()) all.push_back(std::move(row));
  return all;
}

}  // namespace varve::samples
