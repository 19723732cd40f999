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
template <class T>
Complex<T> turn(int64_t k, int64_t n) {
  k %= n;
  const auto angle = [n](int64_t eighths) {  // of 8 n
    return std::numbers::pi * static_cast<double>(eighths) / (4. * static_cast<double>(n));
  };
  const int64_t octant = 8 * k / n, rest = 8 * k - octant * n;
  const double near = angle(octant % 2 ? n - rest : rest);
  double c = std::cos(near), s = std::sin(near);
  if ((octant + 1) / 2 % 2) std::swap(c, s);  // octants 1, 2, 5, 6
  const bool left = octant >= 2 && octant < 6, below = octant >= 4;
  return {static_cast<T>(left ? -c : c), static_cast<T>(below ? s : -s)};
}

template <class T>
Complex<T> by_minus_i(Complex<T> a) {
  return {a.im, -a.re};
}
template <class T>
Complex<T> scaled(Complex<T> a, T by) {
  return {a.re * by, a.im * by};
}

/// The transform of so few numbers, in place.
template <class T>
void butterfly2(Complex<T>* v) {
  const Complex<T> a = v[0];
  v[0] = a + v[1];
  v[1] = a - v[1];
}
template <class T>
void butterfly3(Complex<T>* v) {
  constexpr T kSin = static_cast<T>(0.866025403784438646763723170752936);
  const Complex<T> sum = v[1] + v[2], turned = by_minus_i(scaled(v[1] - v[2], kSin));
  const Complex<T> middle = v[0] - scaled(sum, T{0.5});
  v[0] = v[0] + sum;
  v[1] = middle + turned;
  v[2] = middle - turned;
}
template <class T>
void butterfly4(Complex<T>* v) {
  const Complex<T> a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = by_minus_i(v[1] - v[3]);
  v[0] = a + c;
  v[1] = b + d;
  v[2] = a - c;
  v[3] = b - d;
}
template <class T>
void butterfly5(Complex<T>* v) {
  constexpr T c1 = static_cast<T>(0.309016994374947424102293417182819),
              c2 = static_cast<T>(-0.809016994374947424102293417182819),
              s1 = static_cast<T>(0.951056516295153572116439333379382),
              s2 = static_cast<T>(0.587785252292473129168705954639073);
  const Complex<T> a = v[1] + v[4], b = v[2] + v[3], c = by_minus_i(v[1] - v[4]),
                   d = by_minus_i(v[2] - v[3]);
  const Complex<T> p = v[0] + scaled(a, c1) + scaled(b, c2),
                   q = v[0] + scaled(a, c2) + scaled(b, c1), r = scaled(c, s1) + scaled(d, s2),
                   s = scaled(c, s2) - scaled(d, s1);
  v[0] = v[0] + a + b;
  v[1] = p + r;
  v[2] = q + s;
  v[3] = q - s;
  v[4] = p - r;
}
template <class T>
void butterfly(int64_t radix, const std::vector<Complex<T>>& roots, Complex<T>* v) {
  Complex<T> out[kLargestRadix];
  for (int64_t k = 0; k < radix; ++k) {
    Complex<T> sum = v[0];
    for (int64_t j = 1, at = k; j < radix; ++j, at = (at + k) % radix)
      sum = sum + v[j] * roots[static_cast<size_t>(at)];
    out[k] = sum;
  }
  for (int64_t k = 0; k < radix; ++k) v[k] = out[k];
}

/// One pass: from x to y. `small` transforms `radix` numbers in place.
template <class T, class Small>
void pass(int64_t radix, int64_t rest, int64_t stride, const Complex<T>* turns, const Complex<T>* x,
          Complex<T>* y, Small small) {
  Complex<T> v[kLargestRadix];
  for (int64_t p = 0; p < rest; ++p) {
    const Complex<T>* w = turns + p * (radix - 1);
    for (int64_t q = 0; q < stride; ++q) {
      for (int64_t j = 0; j < radix; ++j) v[j] = x[q + stride * (p + rest * j)];
      small(v);
      Complex<T>* to = y + q + stride * radix * p;
      to[0] = v[0];
      for (int64_t k = 1; k < radix; ++k) to[k * stride] = v[k] * w[k - 1];
    }
  }
}

template <int64_t radix, class T>
void fixed_pass(int64_t rest, int64_t stride, const Complex<T>* turns, const Complex<T>* x,
                Complex<T>* y) {
  pass(radix, rest, stride, turns, x, y, [](Complex<T>* v) {
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

template <class T>
void exchange(Complex<T>* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::swap(x[i].re, x[i].im);
}

}  // namespace

template <class T>
Fft<T>::Fft(int64_t size) : size_(size) {
  if (size <= 1) return;
  const std::vector<int64_t> radices = radices_of(size);
  int64_t length = size, stride = 1;
  for (int64_t radix : radices) {
    Pass pass{radix, length / radix, stride, {}, {}};
    for (int64_t p = 0; p < pass.rest; ++p) {
      for (int64_t k = 1; k < radix; ++k) pass.turns.push_back(turn<T>(p * k, length));
    }
    if (radix > 5) {
      for (int64_t j = 0; j < radix; ++j) pass.roots.push_back(turn<T>(j, radix));
    }
    passes_.push_back(std::move(pass));
    length /= radix;
    stride *= radix;
  }
  if (!radices.empty()) return;
  int64_t n = 1;
  while (n < 2 * size - 1) n *= 2;
  auto longer = std::make_shared<Fft>(n);
  std::vector<Complex<double>> filter(static_cast<size_t>(n), Complex<double>{0, 0});
  for (int64_t i = 0, square = 0; i < size; ++i) {
    chirp_.push_back(turn<T>(square, 2 * size));
    const Complex<double> c = turn<double>(square, 2 * size);
    const Complex<double> value{c.re / static_cast<double>(n), -c.im / static_cast<double>(n)};
    filter[static_cast<size_t>(i)] = value;
    if (i) filter[static_cast<size_t>(n - i)] = value;
    square = (square + 2 * i + 1) % (2 * size);
  }
  const Fft<double> exact(n);
  std::vector<Complex<double>> work(static_cast<size_t>(exact.scratch()));
  exact.run(filter.data(), work.data());
  for (const auto& f : filter) filter_.push_back({static_cast<T>(f.re), static_cast<T>(f.im)});
  longer_ = std::move(longer);
}

template <class T>
int64_t Fft<T>::scratch() const {
  return longer_ ? longer_->size() + longer_->scratch() : size_;
}

template <class T>
void Fft<T>::run(Complex<T>* x, Complex<T>* scratch) const {
  if (longer_) {
    chirped(x, scratch);
  } else {
    mixed(x, scratch);
  }
}

template <class T>
void Fft<T>::mixed(Complex<T>* x, Complex<T>* other) const {
  Complex<T>*from = x, *to = other;
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
             [&p](Complex<T>* v) { butterfly(p.radix, p.roots, v); });
    }
    std::swap(from, to);
  }
  if (from != x) std::copy(from, from + size_, x);
}

template <class T>
void Fft<T>::chirped(Complex<T>* x, Complex<T>* scratch) const {
  const int64_t n = longer_->size();
  Complex<T>*y = scratch, *rest = scratch + n;
  for (int64_t i = 0; i < size_; ++i) y[i] = x[i] * chirp_[static_cast<size_t>(i)];
  for (int64_t i = size_; i < n; ++i) y[i] = {T{0}, T{0}};
  longer_->run(y, rest);
  for (int64_t i = 0; i < n; ++i) y[i] = y[i] * filter_[static_cast<size_t>(i)];
  exchange(y, n);
  longer_->run(y, rest);
  exchange(y, n);
  for (int64_t i = 0; i < size_; ++i) x[i] = y[i] * chirp_[static_cast<size_t>(i)];
}

template <class T>
RealFft<T>::RealFft(int64_t size) : size_(size), plan_(size % 2 ? size : size / 2) {
  if (size % 2) return;
  for (int64_t k = 0; k <= size / 2; ++k) turns_.push_back(turn<T>(k, size ? size : 1));
}

template <class T>
void RealFft<T>::forward(const T* x, Complex<T>* y, Complex<T>* scratch) const {
  const int64_t n = plan_.size();
  Complex<T>*z = scratch, *rest = scratch + n + 1;
  if (size_ % 2) {
    for (int64_t i = 0; i < n; ++i) z[i] = {x[i], T{0}};
    plan_.run(z, rest);
    std::copy(z, z + n / 2 + 1, y);
    return;
  }
  for (int64_t i = 0; i < n; ++i) z[i] = {x[2 * i], x[2 * i + 1]};
  plan_.run(z, rest);
  z[n] = z[0];
  for (int64_t k = 0; k <= n; ++k) {
    const Complex<T> a = z[k], b{z[n - k].re, -z[n - k].im};
    const Complex<T> even = scaled(a + b, T{0.5}), odd = by_minus_i(scaled(a - b, T{0.5}));
    y[k] = even + odd * turns_[static_cast<size_t>(k)];
  }
  y[0].im = y[n].im = 0;
}

template <class T>
void RealFft<T>::inverse(const Complex<T>* y, T* x, Complex<T>* scratch) const {
  const int64_t n = plan_.size();
  Complex<T>*z = scratch, *rest = scratch + n + 1;
  if (size_ % 2) {
    z[0] = {T{0}, y[0].re};
    for (int64_t k = 1; k <= n / 2; ++k) {
      z[k] = {y[k].im, y[k].re};  // exchanged already
      z[n - k] = {-y[k].im, y[k].re};
    }
    plan_.run(z, rest);
    for (int64_t i = 0; i < n; ++i) x[i] = z[i].im;
    return;
  }
  const auto at = [&](int64_t k) { return k == 0 || k == n ? Complex<T>{y[k].re, T{0}} : y[k]; };
  for (int64_t k = 0; k < n; ++k) {
    const Complex<T> a = at(k), c = at(n - k), b{c.re, -c.im}, w = turns_[static_cast<size_t>(k)];
    const Complex<T> even = a + b, odd = (a - b) * Complex<T>{w.re, -w.im};
    // even + i odd, exchanged.
    z[k] = {even.im + odd.re, even.re - odd.im};
  }
  plan_.run(z, rest);
  for (int64_t i = 0; i < n; ++i) x[2 * i] = z[i].im, x[2 * i + 1] = z[i].re;
}

template class Fft<float>;
template class Fft<double>;
template class RealFft<float>;
template class RealFft<double>;

}  // namespace varve
