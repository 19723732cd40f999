// Fourier transforms along an axis of strided arrays, on the plans of base/fft.h. In double,
// whatever the elements: without vectors that takes no longer, and what cancels is 0 to the last
// digit of f32.
#pragma once
#include <algorithm>
#include <string_view>

#include "backend/kernel.h"
#include "base/convert.h"
#include "base/fft.h"
#include "base/math.h"
#include "base/threads.h"

namespace varve::backend {

/// Where the lines of an operand lie.
struct Lines {
  ir::Strides outer;  ///< of the axes beside the transform's
  int64_t step = 0;   ///< from point to point
  int64_t part = 0;   ///< from the real to the imaginary part

  int64_t at(const std::vector<int64_t>& sizes, int64_t line) const {
    int64_t offset = 0;
    for (size_t a = sizes.size(); a-- > 0;) {
      offset += line % sizes[a] * outer[a];
      line /= sizes[a];
    }
    return offset;
  }
};

enum class Fourier { complex, real, inverse_real };

/// Of elements E.
template <class E>
class FourierKernel final : public Kernel {
 public:
  explicit FourierKernel(const Request& r)
      : kind_(kind_of(r)),
        axis_(static_cast<size_t>(r.attributes.integer("axis"))),
        inverse_(kind_ == Fourier::complex && r.attributes.flag("inverse")),
        points_(kind_ == Fourier::inverse_real ? r.outputs[0].shape.dims()[axis_]
                                               : r.inputs[0].shape.dims()[axis_]),
        from_(lines(r.inputs[0], kind_ != Fourier::real)),
        to_(lines(r.outputs[0], kind_ != Fourier::inverse_real)),
        plan_(kind_ == Fourier::complex ? points_ : 1),
        real_(kind_ == Fourier::complex ? 1 : points_) {
    const auto& dims = r.inputs[0].shape.dims();
    const size_t rank = dims.size() - (kind_ != Fourier::real);
    for (size_t i = 0; i < rank; ++i) {
      if (i != axis_) sizes_.push_back(dims[i]), lines_ *= dims[i];
    }
    // A part of some 20 microseconds; not more parts than fit into little scratch.
    constexpr int64_t kPoints = 4096, kMostParts = 64;
    grain_ =
        std::max(ceil_div(lines_, kMostParts), ceil_div(kPoints, std::max<int64_t>(points_, 1)));
    grain_ = std::max<int64_t>(grain_, 1);
    // A line of complex numbers, one of real ones, the plan's own.
    per_part_ = points_ + 1 + (points_ + 1) / 2 + 1 +
                (kind_ == Fourier::complex ? plan_.scratch() : real_.scratch());
  }

  int64_t scratch_bytes() const override {
    return ceil_div(lines_, grain_) * per_part_ * static_cast<int64_t>(sizeof(Complex));
  }

  void run(const Arguments& a) const noexcept override {
    auto* scratch = reinterpret_cast<Complex*>(a.scratch);
    const E* x = static_cast<const E*>(a.inputs[0]);
    E* y = static_cast<E*>(a.outputs[0]);
    parallel_for(lines_, grain_, [&](int64_t begin, int64_t end) {
      Complex* own = scratch + begin / grain_ * per_part_;
      for (int64_t line = begin; line < end; ++line)
        transform(x + from_.at(sizes_, line), y + to_.at(sizes_, line), own);
    });
  }

 private:
  static Fourier kind_of(const Request& r) {
    const std::string_view op = r.op.name;
    return op == "fft" ? Fourier::complex : op == "rfft" ? Fourier::real : Fourier::inverse_real;
  }
  Lines lines(const Layout& l, bool complex) const {
    Lines out;
    const size_t rank = l.strides.size() - complex;
    for (size_t i = 0; i < rank; ++i) {
      if (i != axis_) out.outer.push_back(l.strides[i]);
    }
    out.step = l.strides[axis_];
    out.part = complex ? l.strides.back() : 0;
    return out;
  }

  void transform(const E* x, E* y, Complex* own) const {
    Complex* z = own;
    double* line = reinterpret_cast<double*>(own + points_ + 1);
    Complex* rest = own + points_ + 1 + (points_ + 1) / 2 + 1;
    const auto load = [&](int64_t count, int64_t real_part, int64_t other_part) {
      for (int64_t i = 0; i < count; ++i) {
        const E* at = x + i * from_.step;
        z[i] = {static_cast<double>(at[real_part]), static_cast<double>(at[other_part])};
      }
    };
    const auto store = [&](int64_t count, int64_t real_part, int64_t other_part) {
      for (int64_t i = 0; i < count; ++i) {
        E* at = y + i * to_.step;
        at[real_part] = convert<E>(z[i].re);
        at[other_part] = convert<E>(z[i].im);
      }
    };
    switch (kind_) {
      case Fourier::complex:
        // The inverse exchanges the parts on both sides.
        load(points_, inverse_ ? from_.part : 0, inverse_ ? 0 : from_.part);
        plan_.run(z, rest);
        store(points_, inverse_ ? to_.part : 0, inverse_ ? 0 : to_.part);
        break;
      case Fourier::real:
        for (int64_t i = 0; i < points_; ++i) line[i] = static_cast<double>(x[i * from_.step]);
        real_.forward(line, z, rest);
        store(points_ / 2 + 1, 0, to_.part);
        break;
      case Fourier::inverse_real:
        load(points_ / 2 + 1, 0, from_.part);
        real_.inverse(z, line, rest);
        for (int64_t i = 0; i < points_; ++i) y[i * to_.step] = convert<E>(line[i]);
        break;
    }
  }

  Fourier kind_;
  size_t axis_;
  bool inverse_;
  int64_t points_;
  Lines from_, to_;
  Fft plan_;
  RealFft real_;
  std::vector<int64_t> sizes_;
  int64_t lines_ = 1, grain_ = 1, per_part_ = 0;
};

}  // namespace varve::backend
