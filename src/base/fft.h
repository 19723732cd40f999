// Discrete Fourier transforms of one line, any length: y[k] = sum_n x[n] exp(-2 pi i k n / N).
// Lengths whose prime factors are small go by mixed radices (Stockham's form: no bit reversal, each
// pass reads and writes in order); the others as a convolution with a chirp (Bluestein 1970).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace varve {

/// As pairs in memory. Not std::complex, whose product asks for infinities each time.
struct Complex {
  double re, im;
};
inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/// A plan for one length; immutable, so that threads share it.
class Fft {
 public:
  explicit Fft(int64_t size);
  int64_t size() const { return size_; }
  /// Complex numbers of working memory that `run` needs.
  int64_t scratch() const;
  /// In place. The inverse (without 1 / N) is this with real and imaginary parts exchanged, before
  /// and after.
  void run(Complex* x, Complex* scratch) const;

 private:
  struct Pass {
    int64_t radix, rest, stride;  // length here = radix * rest; stride = product of radices before
    std::vector<Complex> turns;   // exp(-2 pi i p k / length), k = 1 .. radix-1 for each p
    std::vector<Complex> roots;   // exp(-2 pi i j / radix), of radices without a rule
  };
  void mixed(Complex* x, Complex* other) const;
  void chirped(Complex* x, Complex* scratch) const;

  int64_t size_;
  std::vector<Pass> passes_;
  std::shared_ptr<const Fft> longer_;    // of the convolution, where chirped
  std::vector<Complex> chirp_, filter_;  // exp(-pi i n^2 / N), and its transform / length
};

/// A plan for transforms between `size` real numbers and size / 2 + 1 complex ones: even sizes as a
/// complex transform of half the length.
class RealFft {
 public:
  explicit RealFft(int64_t size);
  int64_t scratch() const { return plan_.scratch() + plan_.size() + 1; }
  /// y[k], k <= size / 2.
  void forward(const double* x, Complex* y, Complex* scratch) const;
  /// x[n] = sum_k y[k] exp(2 pi i k n / N) over all N, those above N / 2 being conjugates of the
  /// given ones; imaginary parts of y[0] and (even N) y[N / 2] are taken as 0.
  void inverse(const Complex* y, double* x, Complex* scratch) const;

 private:
  int64_t size_;
  Fft plan_;
  std::vector<Complex> turns_;  // exp(-2 pi i k / N), even sizes
};

}  // namespace varve
