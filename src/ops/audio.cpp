#include "varve/ops/audio.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "ops/shape.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

Tensor in_type(const std::vector<double>& v, const Shape& shape, DType dtype) {
  return cast(tensor(v, shape), dtype);
}

}  // namespace

Tensor cosine_window(Dim size, const std::vector<double>& coefficients, const WindowOptions& o) {
  if (size < 0)
    throw ValueError("cosine_window: size: expected 0 or more, got " + std::to_string(size));
  if (!is_floating(o.dtype)) {
    throw DTypeError(std::string("cosine_window: dtype: expected a floating type, got ") +
                     name_of(o.dtype));
  }
  const int64_t period = o.periodic ? size.value : size - 1;
  std::vector<double> w(static_cast<size_t>(size.value));
  for (int64_t n = 0; n < size; ++n) {
    double& value = w[static_cast<size_t>(n)];
    for (size_t k = 0; k < coefficients.size(); ++k) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(k) * static_cast<double>(n) /
                           static_cast<double>(period);
      value += (k % 2 ? -1 : 1) * coefficients[k] * std::cos(angle);
    }
  }
  if (size == 1) w[0] = 1;
  return in_type(w, Shape{size}, o.dtype);
}

Tensor hann_window(Dim size, const WindowOptions& o) { return cosine_window(size, {0.5, 0.5}, o); }
Tensor hamming_window(Dim size, const WindowOptions& o) {
  return cosine_window(size, {0.54, 0.46}, o);
}
Tensor blackman_window(Dim size, const WindowOptions& o) {
  return cosine_window(size, {0.42, 0.5, 0.08}, o);
}

void MelScale::mel_scale_must_be_htk_or_slaney() {
  throw ValueError("mel scale: expected htk or slaney");
}
MelScale MelScale::parse(std::string_view name) { return MelScale(read(name)); }

namespace {

// Slaney's scale: 15 mels are 1000 Hz; from there a factor 6.4 takes 27 mels.
constexpr double kHertzPerMel = 200. / 3, kBreakHertz = 1000, kBreakMel = 15;
const double kLogStep = std::log(6.4) / 27;

}  // namespace

double MelScale::to_mel(double hertz) const {
  if (kind == Kind::htk) return 2595 * std::log10(1 + hertz / 700);
  return hertz < kBreakHertz ? hertz / kHertzPerMel
                             : kBreakMel + std::log(hertz / kBreakHertz) / kLogStep;
}
double MelScale::to_hertz(double mel) const {
  if (kind == Kind::htk) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < kBreakMel ? mel * kHertzPerMel
                         : kBreakHertz * std::exp(kLogStep * (mel - kBreakMel));
}

Tensor mel_filter_bank(Dim fft_length, Real sample_rate, const MelOptions& o) {
  const double high = o.high > 0 ? o.high.value : sample_rate / 2.;
  if (fft_length < 1 || o.mels < 1) {
    throw ValueError("mel_filter_bank: expected positive counts, got fft_length " +
                     std::to_string(fft_length) + ", mels " + std::to_string(o.mels));
  }
  if (!(o.low >= 0 && o.low < high && high <= sample_rate / 2.)) {
    throw ValueError("mel_filter_bank: expected 0 <= low < high <= sample_rate / 2, got low " +
                     std::to_string(o.low) + ", high " + std::to_string(high) + ", sample_rate " +
                     std::to_string(sample_rate));
  }
  const int64_t bins = fft_length / 2 + 1, mels = o.mels;
  const double first = o.scale.to_mel(o.low), last = o.scale.to_mel(high);
  std::vector<double> points;
  for (int64_t m = 0; m < mels + 2; ++m) {
    const double part = static_cast<double>(m) / static_cast<double>(mels + 1);
    points.push_back(o.scale.to_hertz(first + (last - first) * part));
  }
  std::vector<double> weights(static_cast<size_t>(bins * mels));
  for (int64_t k = 0; k < bins; ++k) {
    const double hertz =
        static_cast<double>(k) * sample_rate / static_cast<double>(fft_length.value);
    for (int64_t m = 0; m < mels; ++m) {
      const auto at = static_cast<size_t>(m);
      const double rise = (hertz - points[at]) / (points[at + 1] - points[at]),
                   fall = (points[at + 2] - hertz) / (points[at + 2] - points[at + 1]);
      const double height = o.normalized ? 2 / (points[at + 2] - points[at]) : 1;
      weights[static_cast<size_t>(k * mels + m)] = std::max(0., std::min(rise, fall)) * height;
    }
  }
  return in_type(weights, Shape{bins, mels}, o.dtype);
}

Tensor mel_weight_matrix(Dim mels, Dim dft_length, Dim sample_rate, Real low, Real high,
                         DType dtype) {
  if (mels < 1 || dft_length < 1 || sample_rate < 1 || !(low >= 0 && low < high && high <= 1e9)) {
    throw ValueError(
        "mel_weight_matrix: expected positive counts and 0 <= low < high <= 1e9, got mels " +
        std::to_string(mels) + ", dft_length " + std::to_string(dft_length) + ", sample_rate " +
        std::to_string(sample_rate) + ", low " + std::to_string(low) + ", high " +
        std::to_string(high));
  }
  const MelScale scale = "htk";
  const int64_t bins = dft_length / 2 + 1;
  const double first = scale.to_mel(low), last = scale.to_mel(high);
  const double step = (last - first) / static_cast<double>(mels + 2);
  std::vector<int64_t> points;
  for (int64_t m = 0; m < mels + 2; ++m) {
    const double hertz = scale.to_hertz(first + static_cast<double>(m) * step);
    points.push_back(static_cast<int64_t>(std::floor(static_cast<double>(dft_length + 1) * hertz /
                                                     static_cast<double>(sample_rate.value))));
  }
  std::vector<double> weights(static_cast<size_t>(bins * mels));
  for (int64_t m = 0; m < mels; ++m) {
    const auto at = static_cast<size_t>(m);
    const int64_t left = points[at], middle = points[at + 1], right = points[at + 2];
    const auto put = [&](int64_t k, double value) {
      if (k >= 0 && k < bins) weights[static_cast<size_t>(k * mels + m)] = value;
    };
    if (left == middle) {
      put(middle, 1);
    } else {
      for (int64_t k = left; k <= middle; ++k)
        put(k, static_cast<double>(k - left) / static_cast<double>(middle - left));
    }
    for (int64_t k = middle; right > middle && k < right; ++k)
      put(k, static_cast<double>(right - k) / static_cast<double>(right - middle));
  }
  return in_type(weights, Shape{bins, mels.value}, dtype);
}

Tensor mel_spectrogram(const Operand& x, Real sample_rate, const MelSpectrogramOptions& options) {
  const ir::CallerScope caller(x.where());
  MelSpectrogramOptions o = options;
  if (!o.stft.onesided) {
    throw ValueError("mel_spectrogram: the filters want onesided spectra", "",
                     x.where().to_string());
  }
  if (!(o.power > 0)) {
    throw ValueError(
        "mel_spectrogram: power: expected a number above 0, got " + std::to_string(o.power), "",
        x.where().to_string());
  }
  o.mel.dtype = is_floating(x.dtype()) ? x.dtype() : f32;
  if (!o.stft.window.defined())
    o.stft.window = hann_window(o.stft.frame_length, {.dtype = o.mel.dtype});
  const int64_t length = o.stft.fft_length ? o.stft.fft_length.value : o.stft.frame_length.value;
  const Tensor spectra = stft(x, o.stft);
  const Tensor size =
      o.power.value == 2 ? sum(square(spectra), {.axes = {-1}}) : norm(spectra, {.axes = {-1}});
  const Tensor powers =
      o.power.value == 1 || o.power.value == 2 ? size : power(size, o.power.value);
  return matmul(powers, mel_filter_bank(length, sample_rate, o.mel));
}

Tensor power_to_decibels(const Operand& power, const DecibelOptions& o) {
  const ir::CallerScope caller(power.where());
  if (!(o.floor > 0)) {
    throw ValueError(
        "power_to_decibels: floor: expected a number above 0, got " + std::to_string(o.floor), "",
        power.where().to_string());
  }
  const Tensor t = ops::floating(power);
  const Tensor d = (10 / std::numbers::ln10) * log(maximum(t, o.floor.value));
  return o.range > 0 && t.size() > 0 ? maximum(d, max(d) - o.range.value) : d;
}

namespace {

/// cos(pi k (2 n + 1) / (2 N)) as [n, k], k < count; orthonormal where asked, else times 2.
Tensor cosines(int64_t n, int64_t count, bool orthonormal, DType dtype) {
  std::vector<double> c;
  const auto size = static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < count; ++k) {
      const double scale = !orthonormal ? 2 : std::sqrt((k ? 2 : 1) / size);
      // Whole turns are taken off in integers: the angle keeps its digits.
      const auto step = static_cast<double>(k * (2 * i + 1) % (4 * n));
      c.push_back(scale * std::cos(std::numbers::pi * step / (2 * size)));
    }
  }
  return in_type(c, Shape{n, count}, dtype);
}

/// The matrix along an axis, which goes last meanwhile.
Tensor along(const Tensor& t, int axis, const Tensor& matrix) {
  return move_axis(matmul(move_axis(t, axis, -1), matrix), -1, axis);
}

}  // namespace

Tensor mfcc(const Operand& x, Real sample_rate, const MfccOptions& o) {
  const ir::CallerScope caller(x.where());
  const int64_t mels = o.spectrogram.mel.mels;
  if (o.coefficients < 1 || o.coefficients > mels) {
    throw ValueError("mfcc: coefficients: expected 1.." + std::to_string(mels) + ", got " +
                         std::to_string(o.coefficients),
                     "", x.where().to_string());
  }
  const Tensor d = power_to_decibels(mel_spectrogram(x, sample_rate, o.spectrogram), o.decibels);
  return matmul(d, cosines(mels, o.coefficients, true, d.dtype()));
}

Tensor dct(const Operand& x, const DctOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const int axis = ops::axis_at("dct", o.axis, t, x.where());
  const int64_t n = t.shape()[axis];
  return along(t, axis, cosines(n, n, o.orthonormal, t.dtype()));
}

Tensor idct(const Operand& x, const DctOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const int axis = ops::axis_at("idct", o.axis, t, x.where());
  const int64_t n = t.shape()[axis];
  // The orthonormal matrix is undone by its transpose; the other differs by a factor a coefficient.
  const Tensor back = along(o.orthonormal ? t : [&] {
    std::vector<double> scale;
    for (int64_t k = 0; k < n; ++k)
      scale.push_back(0.5 * std::sqrt((k ? 2 : 1) / static_cast<double>(n)));
    std::vector<int64_t> dims(static_cast<size_t>(t.rank()), 1);
    dims[static_cast<size_t>(axis)] = n;
    return t * in_type(scale, Shape(std::move(dims)), t.dtype());
  }(), axis, transpose(cosines(n, n, true, t.dtype())));
  return back;
}

}  // namespace varve
