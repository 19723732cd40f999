// Regions of interest and non-maximum suppression.
#include "varve/ops/detection.h"

#include <algorithm>
#include <cmath>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"
#include "ir/frame.h"
#include "ops/build.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "ops/window.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

void require_floating(const InferArguments& a, size_t i) {
  if (!is_floating(a[i].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[i].dtype)));
  }
}

// Kernels list a region's samples along an axis: this many take some 32 MiB. And a bin has the
// square of its samples along an axis.
constexpr int64_t kMostSamples = 1 << 20, kMostOfABin = 1 << 10;

/// Checks the attributes, and inputs 1 and 2: regions [n, 4] and batch_indices [n].
void require_regions(const InferArguments& a) {
  const int64_t samples = a.attributes.integer("sampling_ratio");
  const std::string most = std::to_string(kMostSamples);
  for (int64_t n : require_count(a, "size", 2)) {
    if (n < 1 || n > kMostSamples) {
      throw ValueError(
          text_of(a.op.name, "size: expected 1 to " + most + ", got " + std::to_string(n)));
    }
    const int64_t fit = std::min(kMostOfABin, kMostSamples / n);
    if (samples < 0 || samples > fit) {
      throw ValueError(text_of(a.op.name, "sampling_ratio: expected 0 to " + std::to_string(fit) +
                                              " samples along an axis of each of " +
                                              count_of(n, "bin") + ", got " +
                                              std::to_string(samples)));
    }
  }
  require_flags(a, {"half_pixel"});
  require_real(a, "scale");
  require_floating(a, 0);
  require_floating(a, 1);
  if (!is_integer(a[2].dtype)) {
    throw DTypeError(text_of(
        a.op.name, std::string("batch_indices: expected integers, got ") + name_of(a[2].dtype)));
  }
  if (a[0].shape.rank() != 4 || a[1].shape.rank() != 2 || a[1].shape[1] != 4 ||
      a[2].shape != Shape{a[1].shape[0]}) {
    throw ShapeError(text_of(a.op.name,
                             "expected an image batch, regions [n, 4] and "
                             "batch_indices [n], got " +
                                 a[0].shape.to_string() + ", " + a[1].shape.to_string() + " and " +
                                 a[2].shape.to_string()));
  }
}

Shape pooled(const InferArguments& a) {
  const ir::Ints& size = a.attributes.ints("size");
  return {a[1].shape[0], size[0], size[1], a[0].shape[3]};
}

Types roi_align_type(const InferArguments& a) {
  require_regions(a);
  return {{a[0].dtype, pooled(a)}};
}

Types roi_align_max_type(const InferArguments& a) {
  require_regions(a);
  const Shape y = pooled(a);
  return {{a[0].dtype, y}, {i64, y}, {a[0].dtype, y}};
}

Types roi_gradient_type(const InferArguments& a) {
  require_regions(a);
  const ir::Ints& image = require_count(a, "image", 3);
  const Shape x{image[0], image[1], image[2], a[0].shape[3]};
  for (int64_t n : image) {
    if (n < 0) throw ShapeError(text_of(a.op.name, "sizes are not negative"));
  }
  if (pooled(a) != a[0].shape) {
    throw ShapeError(text_of(
        a.op.name, "expected " + pooled(a).to_string() + ", got " + a[0].shape.to_string()));
  }
  return {{a[0].dtype, x}};
}

Slots roi_back(const Local& at, std::span<const Tensor> ct) {
  Attributes back = at.attributes;
  const Shape& x = at.x().shape();
  back.set("image", ir::Ints{x[0], x[1], x[2]});
  return {make("roi_align_gradient", {ct[0], at.x(1), at.x(2)}, back), Tensor(), Tensor()};
}
Slots roi_gradient_back(const Local& at, std::span<const Tensor> ct) {
  Attributes forward;
  for (const auto& [name, value] : at.attributes) {
    if (name != "image") forward.set(name, value);
  }
  return {make("roi_align", {ct[0], at.x(1), at.x(2)}, forward), Tensor(), Tensor()};
}

/// The weights of the largest samples depend on the regions alone.
Tensor weights_of(const Local& at) { return make("stop_gradient", {at.y(2)}); }

Slots roi_max_vjp(const Local& at, std::span<const Tensor> ct) {
  const Tensor zero = full(0, at.x().dtype(), Shape{at.x().size()});
  const Tensor places = reshape(at.y(1), {-1}), parts = reshape(ct[0] * weights_of(at), {-1});
  return {reshape(scatter_add(zero, places, parts, 0), at.x().shape()), Tensor(), Tensor()};
}
Slots roi_max_jvp(const Local& at, std::span<const Tensor> t) {
  if (!t[0].defined()) return {full_like(at.y(), 0), Tensor(), Tensor()};
  return {take(reshape(t[0], {-1}), at.y(1), 0) * weights_of(at), Tensor(), Tensor()};
}

Types suppression_type(const InferArguments& a) {
  require_floating(a, 0);
  require_flags(a, {"center_point", "thresholded"});
  require_real(a, "iou_threshold");
  require_real(a, "score_threshold");
  const int64_t size = a.attributes.integer("size");
  if (size < 0 || a.attributes.integer("max_output") < 0)
    throw ValueError(text_of(a.op.name, "size and max_output are 0 or more"));
  if (a[0].dtype != a[1].dtype)
    throw DTypeError(text_of(a.op.name, "boxes and scores are of different types"));
  const Shape &boxes = a[0].shape, &scores = a[1].shape;
  if (boxes.rank() != 3 || boxes[2] != 4 || scores.rank() != 3 || scores[0] != boxes[0] ||
      scores[2] != boxes[1]) {
    throw ShapeError(text_of(a.op.name,
                             "expected boxes [batch, n, 4] and scores [batch, classes, "
                             "n], got " +
                                 boxes.to_string() + " and " + scores.to_string()));
  }
  return {{i64, {size, 3}}, {i64, {}}};
}

}  // namespace

std::span<const ir::OpDef> detection_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "roi_align",
       .doc =
           "The mean of linear samples of x in each of attribute size bins of each region. Inputs "
           "x [batch, height, width, channels], regions [n, 4] (x1, y1, x2, y2), batch_indices "
           "[n]. Attributes sampling_ratio (0: as many as fit), scale, half_pixel.",
       .min_inputs = 3,
       .max_inputs = 3,
       .infer = roi_align_type,
       .derivative = ir::Multilinear{1, roi_back},
       .traits = {.faults = true}},
      {.name = "roi_align_gradient",
       .doc = "The transpose of roi_align; attribute image is x's batch, height and width.",
       .min_inputs = 3,
       .max_inputs = 3,
       .infer = roi_gradient_type,
       .derivative = ir::Multilinear{1, roi_gradient_back},
       .traits = {.faults = true}},
      {.name = "roi_align_max",
       .doc = "As roi_align, but the largest of the samples' weighted corners: outputs it, its "
              "row-major place in x, and its weight.",
       .min_inputs = 3,
       .max_inputs = 3,
       .infer = roi_align_max_type,
       .derivative = ir::Custom{roi_max_vjp, roi_max_jvp},
       .traits = {.faults = true, .residuals = 2}},
      {.name = "non_max_suppression",
       .doc =
           "Image, class and box of the best boxes that do not overlap by more than attribute "
           "iou_threshold: [size, 3], zeros after the last, and their count. Inputs boxes [batch, "
           "n, 4], scores [batch, classes, n]; attributes max_output (of each class), "
           "score_threshold (where thresholded), center_point.",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = suppression_type,
       .derivative = ir::NotDifferentiable{"its outputs are places, not values"}},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

Tensor roi_align(const Operand& operand, const Operand& regions, const Operand& batch_indices,
                 const RoiAlignOptions& o) {
  const std::string at = operand.where().to_string();
  Tensor x = ops::floating(operand);
  const Tensor boxes = ops::floating(regions), images = batch_indices.tensor();
  if (x.rank() != 4) {
    throw ShapeError("roi_align: expected an image batch of rank 4, got " + x.shape().to_string(),
                     "", at);
  }
  const auto check = [&](const char* name, int64_t value, int64_t least) {
    if (value < least) {
      throw ValueError("roi_align: " + std::string(name) + ": expected at least " +
                           std::to_string(least) + ", got " + std::to_string(value),
                       "", at);
    }
  };
  check("size[0]", o.size[0], 1);
  check("size[1]", o.size[1], 1);
  check("sampling_ratio", o.sampling_ratio, 0);
  const bool first = o.data_format.channels_first;
  if (first) x = ops::channels_last(x, operand.where());
  const ir::Attributes attributes{{"size", o.size.list()},
                                  {"sampling_ratio", o.sampling_ratio.value},
                                  {"scale", o.spatial_scale.value},
                                  {"half_pixel", o.half_pixel}};
  const std::vector<Tensor> inputs{x, boxes, images};
  const Tensor y = ir::apply(ops::get(o.maximum ? "roi_align_max" : "roi_align"), inputs,
                             attributes, operand.where())[0];
  return first ? ops::channels_first(y, operand.where()) : y;
}

SuppressionResult non_max_suppression(const Operand& boxes, const Operand& scores,
                                      const SuppressionOptions& o) {
  const std::string at = boxes.where().to_string();
  const Tensor b = ops::floating(boxes), s = ops::floating(scores);
  const DType d = promote(b.dtype(), s.dtype());
  const bool known = b.cell()->computed() && s.cell()->computed();
  if (!o.size && ir::tracing() && !known) {
    throw ValueError(
        "non_max_suppression: the number of results depends on the elements, which a trace does "
        "not have",
        "give a bound: non_max_suppression(boxes, scores, {.max_output = m, .size = n})", at);
  }
  if (o.max_output < 0 || o.size.value_or(0) < 0)
    throw ValueError("non_max_suppression: max_output and size are 0 or more", "", at);
  // At most max_output, or all boxes, of each class.
  int64_t most = 0;
  if (o.size) {
    most = *o.size;
  } else if (s.rank() == 3) {
    most = s.shape()[0] * s.shape()[1] * std::min<int64_t>(o.max_output, s.shape()[2]);
  }
  const std::vector<Tensor> inputs{cast(Operand(b, boxes.where()), d),
                                   cast(Operand(s, boxes.where()), d)};
  const auto out = ir::apply(ops::get("non_max_suppression"), inputs,
                             {{"max_output", o.max_output.value},
                              {"iou_threshold", o.iou_threshold.value},
                              {"score_threshold", o.score_threshold.value_or(0)},
                              {"thresholded", o.score_threshold.has_value()},
                              {"center_point", o.center_point},
                              {"size", most}},
                             boxes.where());
  if (o.size) return {out[0], out[1]};
  return {ops::narrow(out[0], 0, 0, out[1].item<int64_t>()), out[1]};
}

}  // namespace varve
