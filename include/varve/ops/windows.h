// room: ops
// Windows that slide over axes, as axes of their own: views, their sums back, and the matrices of
// im2col and col2im.
#pragma once
#include <utility>
#include <vector>

#include "varve/ops/padding.h"
#include "varve/ops/shape.h"
#include "varve/tensor.h"

namespace varve {

struct WindowsOptions {
  std::vector<int> axes = {};          ///< over which windows slide; empty: all
  std::vector<int64_t> strides = {};   ///< one an axis; empty: 1
  std::vector<int64_t> dilation = {};  ///< steps between a window's elements; empty: 1
  std::vector<PadWidth> padding = {};  ///< zeros before and after each of the axes
};
/// Every position of a window over some axes: these axes become positions, and the window's own
/// axes stand at the end. A view, but for the padding.
/// Shapes: x [..., n, ...], window {k} -> [..., (n - dilation (k - 1) - 1) / stride + 1, ..., k].
/// Throws ShapeError where the window is larger than the axis, ValueError for sizes below 1,
/// IndexError for the axes.
/// Example: mean(sliding_windows(x, {5}, {.axes = {-1}}), {.axes = {-1}})  // moving average
Tensor sliding_windows(const Operand& x, const std::vector<int64_t>& window,
                       const WindowsOptions& options = {});
/// The transpose of sliding_windows: adds every window's elements where they were taken from. `x`
/// is
/// [..., positions, ..., window...]; `size` says how long the axes are without the padding.
Tensor overlap_add(const Operand& x, const std::vector<int64_t>& size,
                   const WindowsOptions& options = {});

struct UnfoldOptions {
  std::vector<int64_t> strides = {}, dilation = {};  ///< one a spatial axis; empty: 1
  std::vector<PadWidth> padding = {};                ///< one a spatial axis; empty: none
  DataFormat data_format = "channels_last";
};
/// im2col: the windows of an image as rows of a matrix, over any number of spatial axes.
/// Channels last: [batch, spatial..., channels] -> [batch, positions..., taps * channels], taps
/// before channels (as TensorFlow's extract_patches). Channels first: [batch, channels, spatial...]
/// -> [batch, channels * taps, positions], positions as one axis (as PyTorch's unfold).
/// Throws as sliding_windows.
Tensor unfold(const Operand& x, const std::vector<int64_t>& window,
              const UnfoldOptions& options = {});
/// col2im: the transpose of unfold; overlapping elements are added. `size` are the image's spatial
/// sizes. Throws ShapeError where the positions or the channels do not fit.
Tensor fold(const Operand& x, const std::vector<int64_t>& window, const std::vector<int64_t>& size,
            const UnfoldOptions& options = {});

/// Sizes and steps of one layer with windows.
struct WindowStep {
  Dim size = 1, stride = 1, dilation = 1;
};
/// How many input elements one output of a stack of convolutions and poolings sees, by r_k =
/// r_{k-1}
/// + (product of the strides before) * dilation (size - 1). Two of size 3 see 5.
/// Throws ValueError for sizes below 1.
int64_t receptive_field(const std::vector<WindowStep>& layers);

}  // namespace varve
