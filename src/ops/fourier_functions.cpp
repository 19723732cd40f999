// The Fourier functions users call: lengths are fitted, one node an axis, then the scale.
#include <cmath>

#include "base/error.h"
#include "base/math.h"
#include "ops/shape.h"
#include "varve/ops/fourier.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {

void FftNorm::norm_must_be_backward_ortho_or_forward() {
  throw ValueError("fft: norm: expected backward, ortho or forward");
}
FftNorm FftNorm::parse(std::string_view name) { return FftNorm(read(name)); }

namespace {

/// A transform being put together: the name users called, for errors, and the caller's line.
struct Transform {
  const char* name;
  Where where;

  template <class E>
  [[noreturn]] void fail(const std::string& text, const std::string& hint = "") const {
    throw E(ops::text_of(name, text), hint, where.to_string());
  }

  Tensor complex(const Operand& z) const {
    const Tensor t = ops::floating(z);
    if (t.rank() < 2 || t.shape()[-1] != 2) {
      fail<ShapeError>("expected complex numbers [..., 2], got " + t.shape().to_string(),
                       "stack({real, imaginary}, -1) makes them");
    }
    return t;
  }
  /// Of `rank` axes, those of the transform alone.
  int axis(int given, int rank, const Tensor& t) const {
    try {
      return ops::normalize_axis(name, given, rank);
    } catch (const IndexError& e) {
      throw IndexError(e.message(), "the operand is " + t.shape().to_string(), where.to_string());
    }
  }
  /// Zeros behind, or elements cut off.
  Tensor fitted(const Tensor& t, int axis, int64_t length) const {
    if (length < 1) fail<ValueError>("length: expected 1 or more, got " + std::to_string(length));
    const int64_t n = t.shape()[axis];
    if (n > length) return ops::narrow(t, axis, 0, length);
    ir::Ints none(static_cast<size_t>(t.rank()), 0), high = none;
    high[static_cast<size_t>(axis)] = length - n;
    return ops::padded(t, none, high, none);
  }
  Tensor scaled(const Tensor& t, int64_t points, bool inverse, FftNorm norm) const {
    const auto n = static_cast<double>(points);
    if (norm.kind == FftNorm::Kind::ortho) return t * (1 / std::sqrt(n));
    return (norm.kind == FftNorm::Kind::backward) == inverse ? t * (1 / n) : t;
  }

  Tensor along(const Tensor& z, int axis, std::optional<int64_t> length, bool inverse,
               FftNorm norm) const {
    const Tensor t = length ? fitted(z, axis, *length) : z;
    const Tensor y = ops::make("fft", {t}, {{"axis", int64_t{axis}}, {"inverse", inverse}}, where);
    return scaled(y, t.shape()[axis], inverse, norm);
  }
  Tensor real(const Tensor& x, int axis, std::optional<int64_t> length, FftNorm norm) const {
    const Tensor t = length ? fitted(x, axis, *length) : x;
    return scaled(ops::make("rfft", {t}, {{"axis", int64_t{axis}}}, where), t.shape()[axis], false,
                  norm);
  }
  Tensor real_inverse(const Tensor& z, int axis, std::optional<int64_t> length,
                      FftNorm norm) const {
    const int64_t n = length ? *length : 2 * (z.shape()[axis] - 1);
    if (n < 1) fail<ValueError>("length: expected 1 or more, got " + std::to_string(n));
    const Tensor t = fitted(z, axis, n / 2 + 1);
    return scaled(ops::make("irfft", {t}, {{"axis", int64_t{axis}}, {"size", n}}, where), n, true,
                  norm);
  }

  struct Axes {
    std::vector<int> axes;
    std::vector<std::optional<int64_t>> lengths;
  };
  Axes axes_of(const FftnOptions& o, int rank, const Tensor& t) const {
    Axes out;
    if (!o.axes.empty()) {
      for (int a : o.axes) out.axes.push_back(axis(a, rank, t));
    } else {
      const int n = o.lengths.empty() ? rank : static_cast<int>(o.lengths.size());
      for (int a = -n; a < 0; ++a) out.axes.push_back(axis(a, rank, t));
    }
    out.lengths.assign(out.axes.size(), {});
    if (!o.lengths.empty() && o.lengths.size() != out.axes.size()) {
      fail<ValueError>(std::to_string(o.lengths.size()) + " lengths for " +
                       std::to_string(out.axes.size()) + " axes");
    }
    for (size_t i = 0; i < o.lengths.size(); ++i) out.lengths[i] = o.lengths[i];
    if (out.axes.empty()) fail<ValueError>("expected at least one axis");
    return out;
  }
};

Tensor complex_nd(const char* name, const Operand& z, const FftnOptions& o, bool inverse) {
  const ir::CallerScope caller(z.where());
  const Transform f{name, z.where()};
  Tensor t = f.complex(z);
  const auto over = f.axes_of(o, t.rank() - 1, t);
  for (size_t i = 0; i < over.axes.size(); ++i)
    t = f.along(t, over.axes[i], over.lengths[i], inverse, o.norm);
  return t;
}

}  // namespace

Tensor fft(const Operand& z, const FftOptions& o) {
  const ir::CallerScope caller(z.where());
  const Transform f{"fft", z.where()};
  const Tensor t = f.complex(z);
  return f.along(t, f.axis(o.axis, t.rank() - 1, t), o.length, false, o.norm);
}

Tensor ifft(const Operand& z, const FftOptions& o) {
  const ir::CallerScope caller(z.where());
  const Transform f{"ifft", z.where()};
  const Tensor t = f.complex(z);
  return f.along(t, f.axis(o.axis, t.rank() - 1, t), o.length, true, o.norm);
}

Tensor rfft(const Operand& x, const FftOptions& o) {
  const ir::CallerScope caller(x.where());
  const Transform f{"rfft", x.where()};
  const Tensor t = ops::floating(x);
  return f.real(t, f.axis(o.axis, t.rank(), t), o.length, o.norm);
}

Tensor irfft(const Operand& z, const FftOptions& o) {
  const ir::CallerScope caller(z.where());
  const Transform f{"irfft", z.where()};
  const Tensor t = f.complex(z);
  return f.real_inverse(t, f.axis(o.axis, t.rank() - 1, t), o.length, o.norm);
}

Tensor fftn(const Operand& z, const FftnOptions& o) { return complex_nd("fftn", z, o, false); }
Tensor ifftn(const Operand& z, const FftnOptions& o) { return complex_nd("ifftn", z, o, true); }

Tensor rfftn(const Operand& x, const FftnOptions& o) {
  const ir::CallerScope caller(x.where());
  const Transform f{"rfftn", x.where()};
  Tensor t = ops::floating(x);
  const auto over = f.axes_of(o, t.rank(), t);
  t = f.real(t, over.axes.back(), over.lengths.back(), o.norm);
  for (size_t i = over.axes.size() - 1; i-- > 0;)
    t = f.along(t, over.axes[i], over.lengths[i], false, o.norm);
  return t;
}

Tensor irfftn(const Operand& z, const FftnOptions& o) {
  const ir::CallerScope caller(z.where());
  const Transform f{"irfftn", z.where()};
  Tensor t = f.complex(z);
  const auto over = f.axes_of(o, t.rank() - 1, t);
  for (size_t i = 0; i + 1 < over.axes.size(); ++i)
    t = f.along(t, over.axes[i], over.lengths[i], true, o.norm);
  return f.real_inverse(t, over.axes.back(), over.lengths.back(), o.norm);
}

Tensor dft(const Operand& x, const DftOptions& o) {
  const ir::CallerScope caller(x.where());
  const Transform f{"dft", x.where()};
  const Tensor t = ops::floating(x);
  const int64_t parts = t.rank() ? t.shape()[-1] : 0;
  if (t.rank() < 2 || (parts != 1 && parts != 2)) {
    f.fail<ShapeError>("expected a last axis of 1 (real) or 2 (complex), got " +
                       t.shape().to_string());
  }
  const int last = t.rank() - 1, axis = f.axis(o.axis, last, t);
  if (o.onesided && !o.inverse) {
    if (parts == 2)
      f.fail<ShapeError>("onesided wants real numbers [..., 1], got " + t.shape().to_string());
    return f.real(ops::squeezed(t, {last}), axis, o.length, "backward");
  }
  ir::Ints none(static_cast<size_t>(t.rank()), 0), high = none;
  high.back() = 2 - parts;
  const Tensor z = ops::padded(t, none, high, none);
  if (o.onesided) return expand_dims(f.real_inverse(z, axis, o.length, "backward"), -1);
  return f.along(z, axis, o.length, o.inverse, "backward");
}

}  // namespace varve
