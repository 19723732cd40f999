// room: ops
// Fourier transforms. Complex numbers are a trailing axis of 2 (real, imaginary part), which the
// options' axes do not count: of z [3, 4, 2], axis -1 is the one of size 4.
// Any length goes; lengths without large prime factors are the fastest. Half types are computed in
// f32 at least. All are linear, and so are their derivatives, of every order.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "varve/ops/shape.h"
#include "varve/tensor.h"

namespace varve {

/// Which direction divides by the number of points N: "backward" the inverse (by N), "forward" the
/// other (by N), "ortho" both (by sqrt(N)).
struct FftNorm {
  enum class Kind { backward, ortho, forward };
  Kind kind;
  consteval FftNorm(const char* name) : kind(read(name)) {}
  /// Throws ValueError with the choices.
  static FftNorm parse(std::string_view name);

 private:
  explicit constexpr FftNorm(Kind k) : kind(k) {}
  static void norm_must_be_backward_ortho_or_forward();
  static constexpr Kind read(std::string_view n) {
    if (n == "ortho") return Kind::ortho;
    if (n == "forward") return Kind::forward;
    if (n != "backward") norm_must_be_backward_ortho_or_forward();
    return Kind::backward;
  }
};

struct FftOptions {
  std::optional<int64_t> length = {};  ///< of the axis: zeros are put behind, or elements cut off
  int axis = -1;
  FftNorm norm = "backward";
};
/// y[k] = sum_n z[n] exp(-2 pi i k n / N) along an axis of complex numbers [..., N, ..., 2].
/// Throws ShapeError for a last axis other than 2 or no points, IndexError for the axis, DTypeError
/// for types that are not floating.
Tensor fft(const Operand& z, const FftOptions& options = {});
/// Its inverse: y[n] = sum_k z[k] exp(2 pi i k n / N) / N.
Tensor ifft(const Operand& z, const FftOptions& options = {});
/// Of real numbers [..., N, ...] (integers as f32), the first N / 2 + 1 of N (the others are their
/// conjugates): [..., N / 2 + 1, ..., 2].
Tensor rfft(const Operand& x, const FftOptions& options = {});
/// Its inverse: `length` real numbers (2 (K - 1) where not given) of K = length / 2 + 1 complex
/// ones; zeros are put behind these, or some cut off. The imaginary part of the first one, and of
/// the one at an even length / 2, counts as 0.
Tensor irfft(const Operand& z, const FftOptions& options = {});

struct FftnOptions {
  std::vector<int64_t> lengths = {};  ///< one an axis; empty: as they are
  std::vector<int> axes = {};         ///< empty: all (of lengths, if given: the last ones)
  FftNorm norm = "backward";
};
/// fft along several axes, one after the other. (fft2: `.axes = {-2, -1}`.)
Tensor fftn(const Operand& z, const FftnOptions& options = {});
Tensor ifftn(const Operand& z, const FftnOptions& options = {});  ///< Its inverse.
/// rfft along the last of the axes, then fft along the others.
Tensor rfftn(const Operand& x, const FftnOptions& options = {});
Tensor irfftn(const Operand& z, const FftnOptions& options = {});  ///< Its inverse.

struct DftOptions {
  int axis = -1;                       ///< without the trailing axis
  bool inverse = false;                ///< divides by N
  bool onesided = false;               ///< the first N / 2 + 1 alone
  std::optional<int64_t> length = {};  ///< as FftOptions
};
/// ONNX's DFT (opsets 17 and 20) on [..., N, ..., 1] (real) or [..., N, ..., 2] (complex): fft or
/// ifft, as [..., 2]. Onesided, forward: of real numbers, rfft; inverse: irfft, as [..., 1].
/// Throws ShapeError for another last axis, or for complex numbers forward and onesided.
Tensor dft(const Operand& x, const DftOptions& options = {});

struct StftOptions {
  Dim frame_length = 2048;
  Dim hop = 0;              ///< from a frame to the next; 0: frame_length / 4
  Dim fft_length = 0;       ///< 0: frame_length; longer: the window in the middle of zeros
  Tensor window = {};       ///< [frame_length]; none: ones
  bool center = true;       ///< frame t is centred at t * hop: half a frame is put on both sides
  PadMode pad = "reflect";  ///< how; "constant" puts zeros (librosa's default)
  bool onesided = true;     ///< the first fft_length / 2 + 1 frequencies alone
  bool normalized = false;  ///< divided by sqrt(fft_length)
};
/// Short-time Fourier transform: frames of x [..., n], times the window, as spectra
/// [..., frames, frequencies, 2]. Without `center`, frames = (n - fft_length) / hop + 1, as in
/// ONNX; with it, as in librosa and PyTorch (which have frequencies before frames).
/// Throws ValueError for lengths below 1, ShapeError for a window that does not fit or a signal
/// shorter than a frame.
Tensor stft(const Operand& x, const StftOptions& options = {});
/// The same of complex signals [..., n, 2]; gives all frequencies.
Tensor stft_complex(const Operand& z, const StftOptions& options = {});
/// The signal of a onesided stft (with the same options), by overlapping and adding: the signal
/// whose stft is nearest (Griffin & Lim 1984). `length`: of the result, cut or filled with zeros.
/// Places that no window covers are 0. Spectra must have fft_length / 2 + 1 frequencies
/// (ShapeError).
Tensor istft(const Operand& spectra, const StftOptions& options = {},
             std::optional<int64_t> length = {});

}  // namespace varve
