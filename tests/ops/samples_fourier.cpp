// Rows of Fourier transforms, windows and mel scales. Their values are NumPy's and SciPy's
// (tests/golden/algebra.json); transforms are also held against their definition.
#include <cmath>
#include <numbers>

#include "samples.h"
#include "varve/ops/audio.h"
#include "varve/ops/fourier.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

// Each output is a sum of all inputs with weights of size 1.
constexpr Tolerance kSpectrum{.ulp = 8, .largest = 24};
const std::vector<DType> kWide = {f32, f64};

using Axis = Tensor (*)(const Operand&, const FftOptions&);
using Axes = Tensor (*)(const Operand&, const FftnOptions&);

Call with(Axis f, FftOptions o) {
  return [=](const Tensors& x) -> Tensors { return f(x[0], o); };
}
Call with(Axes f, FftnOptions o = {}) {
  return [=](const Tensors& x) -> Tensors { return f(x[0], o); };
}

/// The definition, along the last axis of complex numbers.
Reference by_definition(double sign, bool divided) {
  return [=](const Plains& in) -> Plains {
    const Plain& x = in[0];
    const auto n = static_cast<size_t>(x.shape[-2]);
    Plain y = x;
    for (size_t line = 0; line < x.v.size(); line += 2 * n) {
      for (size_t k = 0; k < n; ++k) {
        double re = 0, im = 0;
        for (size_t j = 0; j < n; ++j) {
          const double angle =
              sign * 2 * std::numbers::pi * static_cast<double>(k * j % n) / static_cast<double>(n);
          const double a = x[line + 2 * j], b = x[line + 2 * j + 1];
          re += a * std::cos(angle) - b * std::sin(angle);
          im += a * std::sin(angle) + b * std::cos(angle);
        }
        const double by = divided ? 1 / static_cast<double>(n) : 1;
        y[line + 2 * k] = re * by;
        y[line + 2 * k + 1] = im * by;
      }
    }
    return {y};
  };
}

std::vector<Sample> complex_samples(Axis f, double sign) {
  std::vector<Sample> out = {
      {"even", {in({8, 2})}, with(f, {})},
      {"odd", {in({2, 9, 2})}, with(f, {})},
      {"prime", {in({37, 2})}, with(f, {})},
      {"middle", {in({2, 6, 3, 2})}, with(f, {.axis = 1})},
      {"longer", {in({5, 2})}, with(f, {.length = 8})},
      {"shorter", {in({3, 7, 2})}, with(f, {.length = 4})},
      {"one", {in({3, 1, 2})}, with(f, {})},
      {"none", {in({0, 3, 2})}, with(f, {})},
      {"ortho", {in({6, 2})}, with(f, {.norm = "ortho"})},
      {"forward", {in({6, 2})}, with(f, {.norm = "forward"})},
  };
  for (int64_t n : {2, 3, 4, 5, 6, 7, 12, 16, 30, 31, 49, 53, 64, 100, 121, 210, 257}) {
    out.push_back({"of " + std::to_string(n),
                   {in({2, n, 2})},
                   with(f, {}),
                   by_definition(sign, sign > 0),
                   kWide});
  }
  return out;
}

std::vector<Row> transform_rows() {
  const Tensor z = ones({4, 2}), x = ones({4});
  return {
      {.op = "fft",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = complex_samples(fft, -1),
       .errors = {throws<ShapeError>("fft: expected complex numbers [..., 2], got [4]\n"
                                     "  hint: stack({real, imaginary}, -1) makes them",
                                     [x] { fft(x); }),
                  throws<IndexError>(
                      "fft: axis 1 out of range for rank 1 (-1..0)\n  hint: the operand is [4, 2]",
                      [z] { fft(z, {.axis = 1}); }),
                  throws<ValueError>("fft: length: expected 1 or more, got 0",
                                     [z] { fft(z, {.length = 0}); }),
                  throws<ShapeError>("fft: expected at least one point, got 0 (input [0, 2])",
                                     [] {
                                       fft(ones({0, 2}));
                                     })}},
      {.op = "ifft", .dtypes = kAll, .tolerance = kSpectrum, .samples = complex_samples(ifft, 1)},
      {.op = "rfft",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"even", {in({8})}, with(rfft, {})},
                   {"odd", {in({2, 9})}, with(rfft, {})},
                   {"prime", {in({37})}, with(rfft, {})},
                   {"first", {in({6, 3})}, with(rfft, {.axis = 0})},
                   {"longer", {in({5})}, with(rfft, {.length = 8})},
                   {"shorter", {in({3, 7})}, with(rfft, {.length = 4})},
                   {"one", {in({3, 1})}, with(rfft, {})},
                   {"ortho", {in({6})}, with(rfft, {.norm = "ortho"})},
                   {"forward", {in({6})}, with(rfft, {.norm = "forward"})},
                   {"many", {in({130, 64})}, with(rfft, {})}}},
      {.op = "irfft",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"even", {in({5, 2})}, with(irfft, {})},
                   {"odd", {in({2, 5, 2})}, with(irfft, {.length = 9})},
                   {"prime", {in({19, 2})}, with(irfft, {.length = 37})},
                   {"first", {in({4, 3, 2})}, with(irfft, {.axis = 0})},
                   {"longer", {in({3, 2})}, with(irfft, {.length = 12})},
                   {"shorter", {in({3, 7, 2})}, with(irfft, {.length = 4})},
                   {"one", {in({3, 1, 2})}, with(irfft, {.length = 1})},
                   {"ortho", {in({4, 2})}, with(irfft, {.norm = "ortho"})},
                   {"forward", {in({4, 2})}, with(irfft, {.norm = "forward"})}},
       .errors = {throws<ValueError>("irfft: length: expected 1 or more, got 0",
                                     [] {
                                       irfft(ones({1, 2}));
                                     })}},
      {.op = "fftn",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"all", {in({3, 4, 2})}, with(fftn)},
                   {"two of three", {in({2, 3, 4, 2})}, with(fftn, {.lengths = {4, 2}})}},
       .errors = {throws<ValueError>("fftn: 1 lengths for 2 axes",
                                     [] {
                                       fftn(ones({2, 2, 2}), {.lengths = {2}, .axes = {0, 1}});
                                     })}},
      {.op = "ifftn",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"all", {in({3, 4, 2})}, with(ifftn, {.norm = "ortho"})}}},
      {.op = "rfftn",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"all", {in({3, 5})}, with(rfftn)},
                   {"axes", {in({4, 2, 3})}, with(rfftn, {.axes = {2, 0}})}}},
      {.op = "irfftn",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"all", {in({3, 4, 2})}, with(irfftn)}}},
  };
}

std::vector<Row> other_transform_rows() {
  const auto by = [](DftOptions o) -> Call {
    return [o](const Tensors& x) -> Tensors { return dft(x[0], o); };
  };
  const auto cosine = [](Tensor (*f)(const Operand&, const DctOptions&), DctOptions o) -> Call {
    return [=](const Tensors& x) -> Tensors { return f(x[0], o); };
  };
  return {
      {.op = "dft",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"real", {in({2, 5, 1})}, by({})},
                   {"onesided", {in({5, 2, 1})}, by({.axis = 0, .onesided = true, .length = 6})},
                   {"inverse", {in({2, 5, 2})}, by({.inverse = true})},
                   {"inverse onesided", {in({2, 5, 2})}, by({.inverse = true, .onesided = true})}},
       .errors = {throws<ShapeError>(
                      "dft: expected a last axis of 1 (real) or 2 (complex), got [4, 3]",
                      [] {
                        dft(ones({4, 3}));
                      }),
                  throws<ShapeError>("dft: onesided wants real numbers [..., 1], got [4, 2]",
                                     [] {
                                       dft(ones({4, 2}), {.onesided = true});
                                     })}},
      {.op = "dct",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"orthonormal", {in({2, 7})}, cosine(dct, {})},
                   {"plain, first", {in({6, 2})}, cosine(dct, {.axis = 0, .orthonormal = false})}}},
      {.op = "idct",
       .dtypes = kAll,
       .tolerance = kSpectrum,
       .samples = {{"orthonormal", {in({2, 7})}, cosine(idct, {})},
                   {"plain, first",
                    {in({6, 2})},
                    cosine(idct, {.axis = 0, .orthonormal = false})}}},
  };
}

using Window = Tensor (*)(Dim, const WindowOptions&);

Row window_row(const char* op, Window f) {
  Row row{.op = op, .tolerance = {.ulp = 4, .largest = 4}};
  for (bool periodic : {true, false}) {
    for (int64_t n : {1, 2, 7, 10}) {
      row.samples.push_back({std::string(periodic ? "periodic " : "symmetric ") + std::to_string(n),
                             {in({n})},
                             [=](const Tensors& x) -> Tensors {
                               return x[0] * f(n, {.periodic = periodic, .dtype = x[0].dtype()});
                             }});
    }
  }
  return row;
}

std::vector<Row> frame_rows() {
  const auto framed = [](StftOptions o, bool window) -> Call {
    return [=](const Tensors& x) -> Tensors {
      StftOptions options = o;
      if (window) options.window = hann_window(o.frame_length, {.dtype = f64});
      return stft(x[0], options);
    };
  };
  return {
      {.op = "stft",
       .tolerance = kSpectrum,
       .samples = {{"plain",
                    {in({2, 21})},
                    framed({.frame_length = 8, .hop = 4, .center = false}, false),
                    {},
                    kWide},
                   {"window and centre",
                    {in({19})},
                    framed({.frame_length = 8, .hop = 2}, true),
                    {},
                    kWide},
                   {"two-sided, short window",
                    {in({20})},
                    framed({.frame_length = 5,
                            .hop = 3,
                            .fft_length = 8,
                            .center = false,
                            .onesided = false,
                            .normalized = true},
                           true),
                    {},
                    kWide}},
       .errors = {throws<ValueError>("stft: frame_length: expected 1 or more, got 0",
                                     [] { stft(ones({9}), {.frame_length = 0}); }),
                  throws<ValueError>("stft: fft_length 4 is below frame_length 8",
                                     [] { stft(ones({9}), {.frame_length = 8, .fft_length = 4}); }),
                  throws<ShapeError>(
                      "stft: window: expected [8], got [7]",
                      [] { stft(ones({9}), {.frame_length = 8, .window = ones({7})}); }),
                  throws<ShapeError>(
                      "stft: a signal of 7 is shorter than a frame of 8",
                      [] { stft(ones({7}), {.frame_length = 8, .center = false}); })}},
      {.op = "stft_complex",
       .tolerance = kSpectrum,
       .samples = {{"plain",
                    {in({20, 2})},
                    [](const Tensors& x) -> Tensors {
                      return stft_complex(x[0], {.frame_length = 8,
                                                 .hop = 4,
                                                 .window = hann_window(8, {.dtype = f64}),
                                                 .center = false});
                    },
                    {},
                    kWide}}},
      {.op = "istft",
       .tolerance = {.ulp = 16, .largest = 64},
       .samples = {{"centred",
                    {in({5, 5, 2})},
                    [](const Tensors& x) -> Tensors {
                      return istft(
                          x[0],
                          {.frame_length = 8, .hop = 2, .window = hann_window(8, {.dtype = f64})});
                    },
                    {},
                    kWide}},
       .errors = {throws<ShapeError>("istft: expected spectra [..., frames, 5, 2], got [3, 4, 2]",
                                     [] {
                                       istft(ones({3, 4, 2}), {.frame_length = 8});
                                     })}},
  };
}

std::vector<Row> sound_rows() {
  const MelSpectrogramOptions options{.stft = {.frame_length = 32, .hop = 8}, .mel = {.mels = 6}};
  return {
      {.op = "mel_filter_bank",
       .tolerance = {.ulp = 8, .largest = 8},
       .samples = {{"slaney",
                    {in({17, 6})},
                    [](const Tensors& x) -> Tensors {
                      return x[0] * mel_filter_bank(32, 16000, {.mels = 6, .dtype = x[0].dtype()});
                    },
                    {},
                    kWide}},
       .errors = {throws<ValueError>(
           "mel_filter_bank: expected 0 <= low < high <= sample_rate / 2, "
           "got low 0.000000, high 9000.000000, sample_rate 16000.000000",
           [] { mel_filter_bank(32, 16000, {.high = 9000}); })}},
      {.op = "mel_spectrogram",
       .tolerance = {.ulp = 32, .largest = 256},
       .samples = {{"energies",
                    {in({80})},
                    [=](const Tensors& x) -> Tensors {
                      return mel_spectrogram(x[0], 16000, options);
                    },
                    {},
                    kWide}}},
      {.op = "power_to_decibels",
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"plain",
                    {in({2, 4}).from(0)},
                    [](const Tensors& x) -> Tensors { return power_to_decibels(square(x[0])); },
                    {},
                    kWide},
                   {"quiet",
                    {given({4}, {1e-7, 0.1, 1, 100})},
                    [](const Tensors& x) -> Tensors { return power_to_decibels(square(x[0])); },
                    {},
                    kWide}}},
      {.op = "mfcc",
       .tolerance = {.ulp = 64, .largest = 256},
       .samples = {{"few",
                    {in({80})},
                    [=](const Tensors& x) -> Tensors {
                      return mfcc(x[0], 16000, {.coefficients = 4, .spectrogram = options});
                    },
                    {},
                    kWide}},
       .errors = {throws<ValueError>("mfcc: coefficients: expected 1..128, got 129",
                                     [] { mfcc(ones({80}), 16000, {.coefficients = 129}); })}},
  };
}

}  // namespace

std::vector<Row> fourier_samples() {
  std::vector<Row> rows{window_row("hann_window", hann_window),
                        window_row("hamming_window", hamming_window),
                        window_row("blackman_window", blackman_window)};
  for (auto family : {transform_rows, other_transform_rows, frame_rows, sound_rows}) {
    for (Row& row : family()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace varve::samples
