#include "base/fft.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace varve {
namespace {

// Up to here a radix costs less than the three transforms of a chirp.
constexpr int64_t kLargestRadix = 31;

/// exp(-2 pi i k / n), with an angle below pi / 4 so that no digit is lost.
Complex turn(int64_t k, int64_t n) {
  k %= n;
  const auto angle = [n](int64_t eighths) {  // of 8 n
    return std::numbers::pi * static_cast<double>(eighths) / (4. * static_cast<double>(n));
  };
  const int64_t octant = 8 * k / n, rest = 8 * k - octant * n;
  const double near = angle(octant % 2 ? n - rest : rest);
  double c = std::cos(near), s = std::sin(near);
  if ((octant + 1) / 2 % 2) std::swap(c, s);  // octants 1, 2, 5, 6
  const bool left = octant >= 2 && octant < 6, below = octant >= 4;
  return {left ? -c : c, below ? s : -s};
}

Complex by_minus_i(Complex a) { return {a.im, -a.re}; }
Complex scaled(Complex a, double by) { return {a.re * by, a.im * by}; }

/// The transform of so few numbers, in place.
void butterfly2(Complex* v) {
  const Complex a = v[0];
  v[0] = a + v[1];
  v[1] = a - v[1];
}
void butterfly3(Complex* v) {
  constexpr double kSin = 0.866025403784438646763723170752936;
  const Complex sum = v[1] + v[2], turned = by_minus_i(scaled(v[1] - v[2], kSin));
  const Complex middle = v[0] - scaled(sum, 0.5);
  v[0] = v[0] + sum;
  v[1] = middle + turned;
  v[2] = middle - turned;
}
void butterfly4(Complex* v) {
  const Complex a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = by_minus_i(v[1] - v[3]);
  v[0] = a + c;
  v[1] = b + d;
  v[2] = a - c;
  v[3] = b - d;
}
void butterfly5(Complex* v) {
  constexpr double c1 = 0.309016994374947424102293417182819,
                   c2 = -0.809016994374947424102293417182819,
                   s1 = 0.951056516295153572116439333379382,
                   s2 = 0.587785252292473129168705954639073;
  const Complex a = v[1] + v[4], b = v[2] + v[3], c = by_minus_i(v[1] - v[4]),
                d = by_minus_i(v[2] - v[3]);
  const Complex p = v[0] + scaled(a, c1) + scaled(b, c2), q = v[0] + scaled(a, c2) + scaled(b, c1),
                r = scaled(c, s1) + scaled(d, s2), s = scaled(c, s2) - scaled(d, s1);
  v[0] = v[0] + a + b;
  v[1] = p + r;
  v[2] = q + s;
  v[3] = q - s;
  v[4] = p - r;
}
void butterfly(int64_t radix, const std::vector<Complex>& roots, Complex* v) {
  Complex out[kLargestRadix];
  for (int64_t k = 0; k < radix; ++k) {
    Complex sum = v[0];
    for (int64_t j = 1, at = k; j < radix; ++j, at = (at + k) % radix)
      sum = sum + v[j] * roots[static_cast<size_t>(at)];
    out[k] = sum;
  }
  for (int64_t k = 0; k < radix; ++k) v[k] = out[k];
}

/// One pass: from x to y. `small` transforms `radix` numbers in place.
template <class Small>
void pass(int64_t radix, int64_t rest, int64_t stride, const Complex* turns, const Complex* x,
          Complex* y, Small small) {
  Complex v[kLargestRadix];
  for (int64_t p = 0; p < rest; ++p) {
    const Complex* w = turns + p * (radix - 1);
    for (int64_t q = 0; q < stride; ++q) {
      for (int64_t j = 0; j < radix; ++j) v[j] = x[q + stride * (p + rest * j)];
      small(v);
      Complex* to = y + q + stride * radix * p;
      to[0] = v[0];
      for (int64_t k = 1; k < radix; ++k) to[k * stride] = v[k] * w[k - 1];
    }
  }
}

template <int64_t radix>
void fixed_pass(int64_t rest, int64_t stride, const Complex* turns, const Complex* x, Complex* y) {
  pass(radix, rest, stride, turns, x, y, [](Complex* v) {
    if constexpr (radix == 2) butterfly2(v);
    if constexpr (radix == 3) butterfly3(v);
    if constexpr (radix == 4) butterfly4(v);
    if constexpr (radix == 5) butterfly5(v);
  });
}

/// Radices of a length, fours first; empty where a prime factor is too large.
std::vector<int64_t> radices_of(int64_t n) {
  std::vector<int64_t> out;
  for (int64_t radix : {int64_t{4}, int64_t{2}, int64_t{3}, int64_t{5}}) {
    for (; n % radix == 0; n /= radix) out.push_back(radix);
  }
  for (int64_t radix = 7; radix <= kLargestRadix && n > 1; radix += 2) {
    for (; n % radix == 0; n /= radix) out.push_back(radix);
  }
  if (n > 1) out.clear();
  return out;
}

void exchange(Complex* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::swap(x[i].re, x[i].im);
}

}  // namespace

Fft::Fft(int64_t size) : size_(size) {
  if (size <= 1) return;
  const std::vector<int64_t> radices = radices_of(size);
  int64_t length = size, stride = 1;
  for (int64_t radix : radices) {
    Pass pass{radix, length / radix, stride, {}, {}};
    for (int64_t p = 0; p < pass.rest; ++p) {
      for (int64_t k = 1; k < radix; ++k) pass.turns.push_back(turn(p * k, length));
    }
    if (radix > 5) {
      for (int64_t j = 0; j < radix; ++j) pass.roots.push_back(turn(j, radix));
    }
    passes_.push_back(std::move(pass));
    length /= radix;
    stride *= radix;
  }
  if (!radices.empty()) return;
  int64_t n = 1;
  while (n < 2 * size - 1) n *= 2;
  auto longer = std::make_shared<Fft>(n);
  filter_.assign(static_cast<size_t>(n), {0, 0});
  for (int64_t i = 0, square = 0; i < size; ++i) {
    const Complex c = turn(square, 2 * size);
    chirp_.push_back(c);
    const auto by = static_cast<double>(n);
    filter_[static_cast<size_t>(i)] = {c.re / by, -c.im / by};
    if (i) filter_[static_cast<size_t>(n - i)] = filter_[static_cast<size_t>(i)];
    square = (square + 2 * i + 1) % (2 * size);
  }
  std::vector<Complex> work(static_cast<size_t>(longer->scratch()));
  longer->run(filter_.data(), work.data());
  longer_ = std::move(longer);
}

int64_t Fft::scratch() const { return longer_ ? longer_->size() + longer_->scratch() : size_; }

void Fft::run(Complex* x, Complex* scratch) const {
  if (longer_) {
    chirped(x, scratch);
  } else {
    mixed(x, scratch);
  }
}

void Fft::mixed(Complex* x, Complex* other) const {
  Complex *from = x, *to = other;
  for (const Pass& p : passes_) {
    switch (p.radix) {
      case 2:
        fixed_pass<2>(p.rest, p.stride, p.turns.data(), from, to);
        break;
      case 3:
        fixed_pass<3>(p.rest, p.stride, p.turns.data(), from, to);
        break;
      case 4:
        fixed_pass<4>(p.rest, p.stride, p.turns.data(), from, to);
        break;
      case 5:
        fixed_pass<5>(p.rest, p.stride, p.turns.data(), from, to);
        break;
      default:
        pass(p.radix, p.rest, p.stride, p.turns.data(), from, to,
             [&p](Complex* v) { butterfly(p.radix, p.roots, v); });
    }
    std::swap(from, to);
  }
  if (from != x) std::copy(from, from + size_, x);
}

void Fft::chirped(Complex* x, Complex* scratch) const {
  const int64_t n = longer_->size();
  Complex *y = scratch, *rest = scratch + n;
  for (int64_t i = 0; i < size_; ++i) y[i] = x[i] * chirp_[static_cast<size_t>(i)];
  for (int64_t i = size_; i < n; ++i) y[i] = {0., 0.};
  longer_->run(y, rest);
  for (int64_t i = 0; i < n; ++i) y[i] = y[i] * filter_[static_cast<size_t>(i)];
  exchange(y, n);
  longer_->run(y, rest);
  exchange(y, n);
  for (int64_t i = 0; i < size_; ++i) x[i] = y[i] * chirp_[static_cast<size_t>(i)];
}

RealFft::RealFft(int64_t size) : size_(size), plan_(size % 2 ? size : size / 2) {
  if (size % 2) return;
  for (int64_t k = 0; k <= size / 2; ++k) turns_.push_back(turn(k, size ? size : 1));
}

void RealFft::forward(const double* x, Complex* y, Complex* scratch) const {
  const int64_t n = plan_.size();
  Complex *z = scratch, *rest = scratch + n + 1;
  if (size_ % 2) {
    for (int64_t i = 0; i < n; ++i) z[i] = {x[i], 0.};
    plan_.run(z, rest);
    std::copy(z, z + n / 2 + 1, y);
    return;
  }
  for (int64_t i = 0; i < n; ++i) z[i] = {x[2 * i], x[2 * i + 1]};
  plan_.run(z, rest);
  z[n] = z[0];
  for (int64_t k = 0; k <= n; ++k) {
    const Complex a = z[k], b{z[n - k].re, -z[n - k].im};
    const Complex even = scaled(a + b, 0.5), odd = by_minus_i(scaled(a - b, 0.5));
    y[k] = even + odd * turns_[static_cast<size_t>(k)];
  }
  y[0].im = y[n].im = 0;
}

void RealFft::inverse(const Complex* y, double* x, Complex* scratch) const {
  const int64_t n = plan_.size();
  Complex *z = scratch, *rest = scratch + n + 1;
  if (size_ % 2) {
    z[0] = {0., y[0].re};
    for (int64_t k = 1; k <= n / 2; ++k) {
      z[k] = {y[k].im, y[k].re};  // exchanged already
      z[n - k] = {-y[k].im, y[k].re};
    }
    plan_.run(z, rest);
    for (int64_t i = 0; i < n; ++i) x[i] = z[i].im;
    return;
  }
  const auto at = [&](int64_t k) { return k == 0 || k == n ? Complex{y[k].re, 0.} : y[k]; };
  for (int64_t k = 0; k < n; ++k) {
    const Complex a = at(k), c = at(n - k), b{c.re, -c.im}, w = turns_[static_cast<size_t>(k)];
    const Complex even = a + b, odd = (a - b) * Complex{w.re, -w.im};
    // even + i odd, exchanged.
    z[k] = {even.im + odd.re, even.re - odd.im};
  }
  plan_.run(z, rest);
  for (int64_t i = 0; i < n; ++i) x[2 * i] = z[i].im, x[2 * i + 1] = z[i].re;
}

}  // namespace varve
