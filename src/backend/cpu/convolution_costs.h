// Predicted times of convolutions and of changes of format, from a table of measurements.
#pragma once
#include <cstdint>

namespace varve::backend::cpu {

enum class ConvolutionPass : uint8_t { forward, input_gradient, filter_gradient };
/// How pictures lie, and which kernels read them: direct ones on plain pictures and on blocks of
/// channels; on plain ones also Winograd's, and products of matrices.
enum class ConvolutionWay : uint8_t { plain, blocks, winograd, product };

/// What a convolution's speed depends on; `positions`: outputs of one picture, `taps`: elements of
/// the kernel's window, `tiled`: positions of one picture in whole tiles of 4x4, which Winograd's
/// kernels compute; `packed`: whether the kernel was laid out beforehand, which counts forward.
struct ConvolutionShape {
  int64_t batch = 1, positions = 1, in = 1, out = 1, taps = 1;
  bool strided = false;
  int64_t tiled = positions;
  bool packed = false;

  double operations() const {
    return 2. * static_cast<double>(batch * positions) * static_cast<double>(in * out * taps);
  }
};

/// Seconds by the speed of the nearest shape in the table that was measured for this instruction
/// set; infinity for Winograd's way and for products where the table has none. A pure function of
/// its arguments and the instruction set.
double convolution_seconds(ConvolutionPass pass, const ConvolutionShape& shape, ConvolutionWay way,
                           int threads);
/// Seconds to read and write that many bytes in another order.
double relay_seconds(int64_t bytes, int threads);

}  // namespace varve::backend::cpu
