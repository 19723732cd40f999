// room: ops
// Reading between the elements: weighted sums of rows, images at any points, deformable
// convolution.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "varve/ops/padding.h"
#include "varve/ops/resampling.h"
#include "varve/tensor.h"

namespace varve {

namespace detail {
void border_must_be_zeros_border_or_reflection();  // never defined, as in padding.h
}

/// Weighted sums of rows: out[r] = sum_k weights[r, k] * x[indices[r, k]]; a negative index adds
/// nothing. Linear in x and in the weights: what interpolation, and products of sparse matrices
/// with as many elements in each row, are made of. Shapes: x [n, channels], indices [r, k]
/// (integers), weights [r, k] -> [r, channels]. Throws ShapeError, DTypeError; an index of n or
/// more is an IndexError when computed.
Tensor gather_sum(const Operand& x, const Operand& indices, const Operand& weights);

/// What lies beyond an image's border: "zeros", "border" (the outermost element goes on) or
/// "reflection".
struct Border {
  enum class Kind : uint8_t { zeros, border, reflection };
  Kind kind = Kind::zeros;
  constexpr Border() = default;
  consteval Border(const char* name) : kind(read(name)) {
    if (kNames[static_cast<size_t>(kind)] != std::string_view(name))
      detail::border_must_be_zeros_border_or_reflection();
  }
  /// Throws ValueError with the choices.
  static Border parse(std::string_view name);
  const char* to_string() const { return kNames[static_cast<size_t>(kind)]; }
  bool operator==(const Border&) const = default;

 private:
  static constexpr const char* kNames[] = {"zeros", "border", "reflection"};
  static constexpr Kind read(std::string_view n) {
    return n == "border" ? Kind::border : n == "reflection" ? Kind::reflection : Kind::zeros;
  }
};

struct GridSampleOptions {
  Interpolation interpolation = "linear";  ///< "nearest", "linear" or "cubic" (a = -0.75)
  Border border = "zeros";
  bool align_corners = false;  ///< -1 and 1 are the outermost centres, not the edges around them
  DataFormat data_format = "channels_last";
};
/// x at the points of a grid. A point's last axis names its place along the spatial axes, the last
/// of them first (x, y, z), from -1 to 1 over the image.
/// Shapes: x [batch, spatial..., channels], grid [batch, points..., axes] -> [batch, points...,
/// channels]; channels first likewise. One to three spatial axes. Differentiable by both.
/// Throws ShapeError, ValueError ("area").
/// Source: Jaderberg et al. 2015, "Spatial transformer networks"; PyTorch's and ONNX' GridSample.
Tensor grid_sample(const Operand& x, const Operand& grid, const GridSampleOptions& options = {});

struct AffineGridOptions {
  bool align_corners = false;
};
/// The grid of an affine map of the output's points: theta [batch, 2, 3] and size {height, width},
/// or [batch, 3, 4] and {depth, height, width} -> [batch, size..., axes]. Throws ShapeError.
Tensor affine_grid(const Operand& theta, const std::vector<int64_t>& size,
                   const AffineGridOptions& options = {});

/// Options of deform_conv1d to 3d (N spatial axes).
struct DeformConvOptions {
  std::vector<int64_t> strides = {};  ///< one a spatial axis; empty: 1
  Padding padding = "valid";
  std::vector<int64_t> dilation = {};  ///< one a spatial axis; empty: 1
  Dim groups = 1;                      ///< of the kernel
  Dim offset_groups = 1;               ///< shares of the channels with offsets of their own
  Tensor mask = {};                    ///< factors of the taps (or empty)
  Tensor bias = {};                    ///< of shape [out] (or empty)
  DataFormat data_format = "channels_last";
};
/// Deformable convolution: as a convolution whose taps are moved, each at each position, by
/// offsets; between elements it reads linearly, outside of the image zeros. Shapes, channels last:
/// x [batch, spatial..., in], kernel [taps..., in / groups, out], offset [batch, positions...,
/// offset groups * taps * axes] (row-major; axes in the spatial axes' order), mask [batch,
/// positions..., offset groups * taps] -> [batch, positions..., out]. Channels first: [batch,
/// channels, ...] for all of them and kernel [out, in / groups, taps...] (as PyTorch's and ONNX'
/// DeformConv). Throws ShapeError, ValueError. Source: Dai et al. 2017, "Deformable convolutional
/// networks"; Zhu et al. 2019 (the mask).
Tensor deform_conv(const Operand& x, const Operand& kernel, const Operand& offset,
                   const DeformConvOptions& options = {});

}  // namespace varve
