// Fourier transforms, windows, sums over named axes, determinants.
#include <algorithm>

#include "io/onnx/helpers.h"
#include "varve/ops/audio.h"
#include "varve/ops/contraction.h"
#include "varve/ops/fourier.h"
#include "varve/ops/linalg.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// The axis is an attribute before opset 20, an input from it on; real numbers are a last axis of 1.
Values dft_(Call& c) {
  const Tensor& x = c.tensor(0);
  const int rank = x.rank() - 1;
  const int64_t given = c.version() < 20 ? c.integer("axis", 1) : c.has(2) ? c.integer(2) : -2;
  // Counted with the last axis, which is no place for a transform.
  const int axis = c.axis(given, x.rank());
  if (axis >= rank) c.fail("axis: the last one holds real and imaginary parts");
  DftOptions options{.axis = axis,
                     .inverse = c.integer("inverse", 0) != 0,
                     .onesided = c.integer("onesided", 0) != 0};
  if (c.has(1)) {
    options.length = c.integer(1);
    if (*options.length < 1) {
      c.fail("dft_length: expected >= 1, got " + std::to_string(*options.length));
    }
    std::vector<int64_t> sizes = x.shape().dims();
    sizes[static_cast<size_t>(axis)] = *options.length;
    sizes.back() = 2;  // real and imaginary parts
    if (*options.length > x.shape()[axis]) c.limit(Shape(sizes), "dft_length");
  }
  // In f64, as the references are: where terms cancel, f32 leaves noise.
  return {as(dft(as(x, f64), options), x.dtype())};
}

Values stft_(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.rank() != 2 && x.rank() != 3) {
    c.fail("expected [batch, length, 1 or 2], got " + x.shape().to_string());
  }
  const int64_t step = c.integer(1);
  const int64_t length = c.has(3) ? c.integer(3) : c.has(2) ? c.shape(2).size() : 0;
  if (step < 1 || length < 1) c.fail("frame_step and frame_length: expected >= 1");
  if (length <= x.shape()[1]) {
    // Frames that overlap are more than the signal.
    const int64_t frames = (x.shape()[1] - length) / step + 1;
    c.limit(Shape({x.shape()[0], frames, length, 2}), "frame_step and frame_length");
  }
  StftOptions options{.frame_length = length,
                      .hop = step,
                      .window = c.has(2) ? c.tensor(2) : Tensor(),
                      .center = false,
                      .onesided = c.integer("onesided", 1) != 0};
  if (options.window.defined()) options.window = as(options.window, f64);
  const Tensor wide = as(x, f64);
  const bool complex = x.rank() == 3 && x.shape()[2] == 2;
  const Tensor y = complex ? stft_complex(wide, options)
                           : stft(x.rank() == 3 ? squeeze(wide, {2}) : wide, options);
  return {as(y, x.dtype())};
}

Values cosine(Call& c, const std::vector<double>& coefficients) {
  const int64_t size = c.integer(0);
  c.limit(Shape({size}));
  const Type type = c.type_attribute("output_datatype", Type::float32);
  const DType dtype = formats::onnx::held_as(type);
  const Tensor w = cosine_window(
      size, coefficients,
      {.periodic = c.integer("periodic", 1) != 0, .dtype = is_floating(dtype) ? dtype : f64});
  return {Value(as(w, dtype), type)};
}
Values hann(Call& c) { return cosine(c, {0.5, 0.5}); }
Values hamming(Call& c) { return cosine(c, {25. / 46, 21. / 46}); }
Values blackman(Call& c) { return cosine(c, {0.42, 0.5, 0.08}); }

Values mel(Call& c) {
  const int64_t mels = c.integer(0), length = c.integer(1);
  c.limit(Shape({mels, length}));
  const Type type = c.type_attribute("output_datatype", Type::float32);
  const DType dtype = formats::onnx::held_as(type);
  return {Value(as(mel_weight_matrix(mels, length, c.integer(2), c.number(3), c.number(4)), dtype),
                type)};
}

Values einsum_(Call& c) {
  std::vector<Tensor> operands;
  for (int i = 0; i < c.inputs(); ++i) operands.push_back(c.tensor(i));
  return {einsum(c.text("equation"), operands)};
}

Values det_(Call& c) { return {as(linalg::det(widened(c.tensor(0))), c.dtype(0))}; }

constexpr Row kRows[] = {
    {"BlackmanWindow", 17, blackman, ~0u},
    {"DFT", 17, dft_, input_bit(1) | input_bit(2)},
    {"Det", 11, det_},
    {"Einsum", 12, einsum_},
    {"HammingWindow", 17, hamming, ~0u},
    {"HannWindow", 17, hann, ~0u},
    {"MelWeightMatrix", 17, mel, ~0u},
    {"STFT", 17, stft_, input_bit(1) | input_bit(3)},
};

}  // namespace

std::span<const Row> signal_rows() { return kRows; }

}  // namespace varve::io::onnx
