// room: ops
// What detectors need: regions of an image pooled to one size, and boxes thinned out.
#pragma once
#include <optional>
#include <string_view>

#include "varve/ops/indexing.h"
#include "varve/ops/padding.h"
#include "varve/tensor.h"

namespace varve {

struct RoiAlignOptions {
  Extents<2> size = 1;  ///< rows and columns of the output
  /// Samples a row and column of a bin, at most 1024 (and 2^20 of all bins); 0: ceil(region /
  /// size).
  Dim sampling_ratio = 0;
  Real spatial_scale = 1;  ///< of the regions' coordinates to those of x
  bool maximum =
      false;  ///< the largest of the samples' weighted corners (ONNX' "max"), not the mean
  bool half_pixel =
      true;  ///< coordinates name pixels' corners (ONNX' half_pixel, torchvision's aligned)
  DataFormat data_format = "channels_last";
};
/// Regions of images, each pooled to the same size: every bin is the mean of samples that are read
/// linearly between the pixels. `regions` are x1, y1, x2, y2; batch_indices say of which image.
/// Shapes: x [batch, height, width, channels], regions [n, 4], batch_indices [n] -> [n, size...,
/// channels]. The gradient goes to x alone.
/// Throws ShapeError, ValueError; an image that is not there is an IndexError when computed.
/// Source: He et al. 2017, "Mask R-CNN"; ONNX' RoiAlign.
Tensor roi_align(const Operand& x, const Operand& regions, const Operand& batch_indices,
                 const RoiAlignOptions& options = {});

struct SuppressionOptions {
  Dim max_output = 0;      ///< boxes for each class of each image
  Real iou_threshold = 0;  ///< boxes that overlap a chosen one by more are left out
  std::optional<double> score_threshold = {};  ///< boxes must be above
  bool center_point = false;                   ///< boxes are x, y (of the centre), width, height
  std::optional<int64_t> size = {};  ///< how many results to keep room for, inside a trace
};
struct SuppressionResult {
  Tensor indices;  ///< i64 [n, 3]: image, class and box; by image and class, best first
  Tensor count;    ///< i64 []: how many there are; rows of `indices` from there on are 0
};
/// Non-maximum suppression: of each class of each image, takes the box of the best score, leaves
/// out those that overlap it, and so on. Of equal scores the first box is taken. Shapes: boxes
/// [batch, boxes, 4] as y1, x1, y2, x2 (either pair of corners), scores [batch, classes, boxes].
/// Without a bound the count is evaluated at once, which a trace refuses. Throws ShapeError,
/// ValueError. Source: ONNX' NonMaxSuppression.
SuppressionResult non_max_suppression(const Operand& boxes, const Operand& scores,
                                      const SuppressionOptions& options = {});

}  // namespace varve
