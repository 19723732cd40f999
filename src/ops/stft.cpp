// Short-time Fourier transform: frames gathered, windowed, transformed; and back by adding them up.
#include <cmath>

#include "base/error.h"
#include "base/math.h"
#include "ops/shape.h"
#include "varve/ops/fourier.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

/// The options with their defaults settled, and the window stretched to the transform's length.
struct Frames {
  const char* name;
  Where where;
  int64_t length = 0, hop = 0;
  Tensor window;  // of `length` elements

  template <class E>
  [[noreturn]] void fail(const std::string& text) const {
    throw E(ops::text_of(name, text), "", where.to_string());
  }

  Frames(const char* n, const StftOptions& o, DType dtype, Where w) : name(n), where(w) {
    const int64_t frame = o.frame_length;
    length = o.fft_length ? o.fft_length.value : frame;
    hop = o.hop ? o.hop.value : frame / 4;
    if (frame < 1)
      fail<ValueError>("frame_length: expected 1 or more, got " + std::to_string(frame));
    if (hop < 1) fail<ValueError>("hop: expected 1 or more, got " + std::to_string(hop));
    if (length < frame) {
      fail<ValueError>("fft_length " + std::to_string(length) + " is below frame_length " +
                       std::to_string(frame));
    }
    if (o.window.defined() && o.window.shape() != Shape{frame}) {
      fail<ShapeError>("window: expected [" + std::to_string(frame) + "], got " +
                       o.window.shape().to_string());
    }
    window = o.window.defined() ? cast(o.window, dtype) : ops::full(1, dtype, Shape{frame});
    const int64_t before = (length - frame) / 2;
    window = ops::padded(window, {before}, {length - frame - before}, {0});
  }

  int64_t count(int64_t samples) const { return (samples - length) / hop + 1; }
  /// Where each element of each frame lies: [frames, length].
  Tensor places(int64_t frames) const {
    return ops::reshaped(ops::counted(frames, i64, 0, hop), Shape{frames, 1}) +
           ops::counted(length, i64);
  }
  double scale(bool normalized) const {
    return normalized ? 1 / std::sqrt(static_cast<double>(length)) : 1;
  }
};

/// Frames of an axis: [..., frames, length, ...].
Tensor framed(const Frames& f, const Tensor& x, int axis, const StftOptions& o) {
  Tensor t = x;
  if (o.center) {
    std::vector<PadWidth> widths(static_cast<size_t>(t.rank()));
    widths[static_cast<size_t>(axis)] = {f.length / 2, f.length / 2};
    t = pad(Operand(t, f.where), widths, {.mode = o.pad});
  }
  const int64_t n = t.shape()[axis];
  if (n < f.length) {
    f.fail<ShapeError>("a signal of " + std::to_string(n) + " is shorter than a frame of " +
                       std::to_string(f.length));
  }
  return take(t, f.places(f.count(n)), axis);
}

}  // namespace

Tensor stft(const Operand& x, const StftOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const Frames f("stft", o, t.dtype(), x.where());
  if (t.rank() < 1) f.fail<ShapeError>("expected a signal [..., n], got a scalar");
  const Tensor y = framed(f, t, t.rank() - 1, o) * f.window;
  const Tensor spectra = o.onesided ? rfft(y) : dft(expand_dims(y, -1));
  return o.normalized ? spectra * f.scale(true) : spectra;
}

Tensor stft_complex(const Operand& z, const StftOptions& o) {
  const ir::CallerScope caller(z.where());
  const Tensor t = ops::floating(z);
  const Frames f("stft_complex", o, t.dtype(), z.where());
  if (t.rank() < 2 || t.shape()[-1] != 2)
    f.fail<ShapeError>("expected a signal [..., n, 2], got " + t.shape().to_string());
  const Tensor y = framed(f, t, t.rank() - 2, o) * expand_dims(f.window, -1);
  const Tensor spectra = fft(y);
  return o.normalized ? spectra * f.scale(true) : spectra;
}

Tensor istft(const Operand& spectra, const StftOptions& o, std::optional<int64_t> length) {
  const ir::CallerScope caller(spectra.where());
  const Tensor t = ops::floating(spectra);
  const Frames f("istft", o, t.dtype(), spectra.where());
  const int64_t bins = f.length / 2 + 1;
  if (t.rank() < 3 || t.shape()[-1] != 2 || t.shape()[-2] != bins || t.shape()[-3] < 1) {
    f.fail<ShapeError>("expected spectra [..., frames, " + std::to_string(bins) + ", 2], got " +
                       t.shape().to_string());
  }
  const int64_t frames = t.shape()[-3], all = (frames - 1) * f.hop + f.length;
  Tensor y = irfft(t, {.length = f.length}) * f.window;
  if (o.normalized) y = y * (1 / f.scale(true));
  std::vector<int64_t> dims(t.shape().begin(), t.shape().end() - 3);
  dims.push_back(all);
  const Tensor places = f.places(frames);
  const Tensor added = scatter_add(ops::full(0, t.dtype(), Shape(std::move(dims))), places, y, -1);
  const Tensor weight = scatter_add(ops::full(0, t.dtype(), Shape{all}), places,
                                    ops::stretched_to(square(f.window), places.shape()), 0);
  // What lies before the first frame's middle and behind the last one's is padding.
  const int64_t cut = o.center ? f.length / 2 : 0;
  const int64_t most = all - 2 * cut, want = length.value_or(most);
  if (want < 0) f.fail<ValueError>("length: expected 0 or more, got " + std::to_string(want));
  const int64_t kept = std::min(want, all - cut);
  const Tensor w = ops::narrow(weight, 0, cut, kept);
  const Tensor signal = ops::narrow(added, added.rank() - 1, cut, kept);
  // Where nothing was added there is nothing to divide.
  const Tensor bare = w == 0;
  const Tensor whole = signal / where(bare, 1, w);
  ir::Ints none(static_cast<size_t>(whole.rank()), 0), high = none;
  high.back() = want - kept;
  return ops::padded(whole, none, high, none);
}

}  // namespace varve
