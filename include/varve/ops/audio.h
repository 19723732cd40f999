// room: ops
// Windows, mel scales and what speech and music models take: mel spectrograms and MFCCs.
#pragma once
#include <string_view>
#include <vector>

#include "varve/ops/fourier.h"
#include "varve/tensor.h"

namespace varve {

struct WindowOptions {
  bool periodic = true;  ///< for spectra: the first `size` of a symmetric window of size + 1
  DType dtype = f32;
};
/// sum_k (-1)^k coefficients[k] cos(2 pi k n / N), N = size (periodic) or size - 1 (symmetric).
/// A window of size 1 is 1. Throws ValueError for a negative size.
Tensor cosine_window(Dim size, const std::vector<double>& coefficients,
                     const WindowOptions& options = {});
Tensor hann_window(Dim size, const WindowOptions& options = {});      ///< 0.5, 0.5
Tensor hamming_window(Dim size, const WindowOptions& options = {});   ///< 0.54, 0.46
Tensor blackman_window(Dim size, const WindowOptions& options = {});  ///< 0.42, 0.5, 0.08

/// Scales on which equal steps sound equal. "htk": 2595 log10(1 + f / 700); "slaney": linear below
/// 1000 Hz, logarithmic above (Slaney's Auditory Toolbox; librosa's default).
struct MelScale {
  enum class Kind { htk, slaney };
  Kind kind;
  consteval MelScale(const char* name) : kind(read(name)) {}
  /// Throws ValueError with the choices.
  static MelScale parse(std::string_view name);

  double to_mel(double hertz) const;  ///< the scale's place of a frequency
  double to_hertz(double mel) const;  ///< the frequency at a place

 private:
  explicit constexpr MelScale(Kind k) : kind(k) {}
  static void mel_scale_must_be_htk_or_slaney();
  static constexpr Kind read(std::string_view n) {
    if (n == "slaney") return Kind::slaney;
    if (n != "htk") mel_scale_must_be_htk_or_slaney();
    return Kind::htk;
  }
};

struct MelOptions {
  Dim mels = 128;
  Real low = 0;   ///< Hz
  Real high = 0;  ///< Hz; 0: half the sample rate
  MelScale scale = "slaney";
  bool normalized = true;  ///< each filter divided by its width in Hz, so that its area is 1
  DType dtype = f32;       ///< of the filter bank; mel_spectrogram takes the signal's
};
/// Triangular filters [fft_length / 2 + 1, mels]: filter m rises from mel point m to m + 1 and
/// falls to m + 2, the mels + 2 points being even on the scale. librosa's filters.mel (transposed);
/// with {.scale = "htk", .normalized = false} torchaudio's default.
/// Throws ValueError unless 0 <= low < high <= sample_rate / 2 and counts are positive.
Tensor mel_filter_bank(Dim fft_length, Real sample_rate, const MelOptions& options = {});
/// ONNX's MelWeightMatrix (opset 17): the same triangles between whole frequency bins.
Tensor mel_weight_matrix(Dim mels, Dim dft_length, Dim sample_rate, Real low, Real high,
                         DType dtype = f32);

struct MelSpectrogramOptions {
  StftOptions stft = {};  ///< its window: Hann's where none is given
  MelOptions mel = {};
  Real power = 2;  ///< of the magnitudes: 2 energy, 1 amplitude
};
/// |stft(x)|^power times the filter bank: [..., n] -> [..., frames, mels].
Tensor mel_spectrogram(const Operand& x, Real sample_rate,
                       const MelSpectrogramOptions& options = {});

struct DecibelOptions {
  Real floor = 1e-10;  ///< smaller powers count as it
  Real range = 80;     ///< what is further below the loudest of all is raised to it; 0: off
};
/// 10 log10 of powers, against 1 (librosa's power_to_db).
Tensor power_to_decibels(const Operand& power, const DecibelOptions& options = {});

struct MfccOptions {
  Dim coefficients = 20;
  MelSpectrogramOptions spectrogram = {};
  DecibelOptions decibels = {};
};
/// Mel-frequency cepstral coefficients (Davis & Mermelstein 1980): the first cosine coefficients
/// (orthonormal DCT-II) of the mel spectrogram in decibels: [..., n] -> [..., frames,
/// coefficients].
Tensor mfcc(const Operand& x, Real sample_rate, const MfccOptions& options = {});

struct DctOptions {
  int axis = -1;
  bool orthonormal = true;  ///< else 2 sum_n x[n] cos(pi k (2 n + 1) / (2 N)), as SciPy's default
};
/// Discrete cosine transform, type II. By a matrix: for short axes.
Tensor dct(const Operand& x, const DctOptions& options = {});
/// Its inverse (type III).
Tensor idct(const Operand& x, const DctOptions& options = {});

}  // namespace varve
