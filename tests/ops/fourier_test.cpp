// Round trips and laws of Fourier transforms, over many lengths; windows that add up.
#include "varve/ops/fourier.h"

#include <gtest/gtest.h>

#include <cmath>

#include "varve/ops/audio.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

double distance(const Tensor& a, const Tensor& b) { return max(abs(a - b)).to_double(); }
Tensor normal(const Shape& shape, uint64_t seed = 1) {
  return random::normal(Key(seed), shape, {.dtype = f64}).evaluate();
}

TEST(Fourier, InversesGiveBackWhatWasTransformed) {
  for (int64_t n = 1; n <= 130; ++n) {
    const Tensor z = normal({3, n, 2}), x = normal({3, n});
    EXPECT_LT(distance(ifft(fft(z)), z), 1e-13) << n;
    EXPECT_LT(distance(irfft(rfft(x), {.length = n}), x), 1e-13) << n;
    // Parseval: energies are the same.
    const double energy = sum(square(z)).to_double();
    EXPECT_NEAR(sum(square(fft(z, {.norm = "ortho"}))).to_double(), energy, 1e-13 * energy * 10)
        << n;
  }
  for (int64_t n : {1009, 4096, 6000, 10007}) {
    const Tensor z = normal({n, 2});
    EXPECT_LT(distance(ifft(fft(z)), z), 1e-12) << n;
  }
}

TEST(Fourier, ARealSignalHasHalfOfItsSpectrum) {
  for (int64_t n : {1, 2, 7, 8, 51, 64}) {
    const Tensor x = normal({n});
    const Tensor whole = fft(stack({x, zeros_like(x)}, -1));
    EXPECT_LT(distance(rfft(x), slice(whole, {{0, n / 2 + 1}})), 1e-13) << n;
  }
}

TEST(Fourier, AProductOfSpectraIsACircularConvolution) {
  const int64_t n = 45;
  const Tensor a = normal({n}), b = normal({n}, 2), p = rfft(a), q = rfft(b);
  const auto part = [](const Tensor& z, int64_t i) { return slice(z, {{}, {i, i + 1}}); };
  const Tensor product = concat({part(p, 0) * part(q, 0) - part(p, 1) * part(q, 1),
                                 part(p, 0) * part(q, 1) + part(p, 1) * part(q, 0)},
                                -1);
  std::vector<double> expected;
  const auto u = a.to_doubles(), v = b.to_doubles();
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < n; ++j)
      sum += u[static_cast<size_t>(j)] * v[static_cast<size_t>((i - j + n) % n)];
    expected.push_back(sum);
  }
  EXPECT_LT(distance(irfft(product, {.length = n}), tensor(expected, Shape{n})), 1e-12);
}

TEST(Stft, GoesBackToTheSignal) {
  const Tensor x = normal({2, 103});
  for (bool center : {true, false}) {
    for (bool normalized : {false, true}) {
      const StftOptions o{.frame_length = 16,
                          .hop = 4,
                          .fft_length = 20,
                          .window = hamming_window(16, {.dtype = f64}),
                          .center = center,
                          .normalized = normalized};
      const Tensor y = istft(stft(x, o), o, 103);
      // Without `center` the padding of the window leaves the first two uncovered, and frames end
      // before the signal does.
      const Slice covered = center ? Slice{0, 100} : Slice{2, 96};
      EXPECT_LT(distance(slice(y, {{}, covered}), slice(x, {{}, covered})), 1e-12);
    }
  }
}

TEST(Windows, OverlapToAConstant) {
  // Hann's at half its length, Blackman's at a third.
  const Tensor hann = hann_window(12, {.dtype = f64});
  EXPECT_LT(distance(slice(hann, {{0, 6}}) + slice(hann, {{6, 12}}), ones({6}, f64)), 1e-15);
  const Tensor blackman = reshape(blackman_window(12, {.dtype = f64}), {3, 4});
  EXPECT_LT(distance(sum(blackman, {.axes = {0}}), full({4}, 1.26, f64)), 1e-15);
}

TEST(Dct, IsOrthonormal) {
  const Tensor d = dct(eye(9, 9, 0, f64));
  EXPECT_LT(distance(matmul(d, transpose(d)), eye(9, 9, 0, f64)), 1e-14);
  const Tensor x = normal({4, 9});
  EXPECT_LT(distance(idct(dct(x)), x), 1e-14);
  EXPECT_LT(distance(idct(dct(x, {.orthonormal = false}), {.orthonormal = false}), x), 1e-14);
}

TEST(Mel, ScalesHaveTheirFixedPoints) {
  const MelScale htk = "htk", slaney = "slaney";
  EXPECT_NEAR(htk.to_mel(1000), 999.9855, 1e-4);
  EXPECT_DOUBLE_EQ(slaney.to_mel(1000), 15);
  EXPECT_NEAR(slaney.to_mel(6400), 42, 1e-12);
  for (double f : {0., 60., 999., 1000., 4321.}) {
    EXPECT_NEAR(htk.to_hertz(htk.to_mel(f)), f, 1e-9);
    EXPECT_NEAR(slaney.to_hertz(slaney.to_mel(f)), f, 1e-9);
  }
}

TEST(Mel, FiltersOfOnnxRiseAndFallBetweenWholeBins) {
  const Tensor w = mel_weight_matrix(8, 16, 8192, 0, 4096);
  EXPECT_EQ(w.shape(), (Shape{9, 8}));
  EXPECT_EQ(max(w).to_double(), 1);
  EXPECT_GE(min(w).to_double(), 0);
  // Each filter reaches 1 at its middle.
  for (double top : max(w, {.axes = {0}}).to_doubles()) EXPECT_EQ(top, 1);
}

}  // namespace
}  // namespace varve
