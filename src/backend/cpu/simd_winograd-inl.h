// The transforms of Winograd's minimal filtering F(4x4, 3x3), a vector of channels at a time.
//
// Four outputs of three taps along an axis are A' ((G g) * (B' d)) of the taps g and six inputs d
// (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016); the matrices follow
// from six points, here 0, a, -a, b, -b and infinity. Points 1 and 2 are usual; 5/8 and 3/2 are as
// cheap, as exact in binary, and halve the rounding errors (Barabasz et al., Error Analysis and
// Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020).
#if defined(VARVE_BACKEND_CPU_SIMD_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_WINOGRAD_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_WINOGRAD_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_WINOGRAD_INL_H_
#endif

#include "backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

constexpr int kOutputs = 4, kTaps = 3, kPoints = kOutputs + kTaps - 1;

constexpr float kA = 0.625F, kB = 1.5F, kA2 = kA * kA, kB2 = kB * kB;
// 1 over the product of a point's distances from the other finite ones.
constexpr float kOf0 = 1 / (kA2 * kB2), kOfA = 1 / (2 * kA2 * (kA2 - kB2)),
                kOfB = 1 / (2 * kB2 * (kB2 - kA2));

/// B' d.
struct InputTransform {
  static constexpr int kFrom = kPoints, kTo = kPoints;
  HWY_INLINE void operator()(const VF (&d)[kFrom], VF (&v)[kTo]) const {
    const VF a = constant(kA), b = constant(kB), a2 = constant(kA2), b2 = constant(kB2),
             product = constant(kA2 * kB2), sum = constant(kA2 + kB2);
    const VF even_a = hn::NegMulAdd(b2, d[2], d[4]), odd_a = hn::NegMulAdd(b2, d[1], d[3]),
             even_b = hn::NegMulAdd(a2, d[2], d[4]), odd_b = hn::NegMulAdd(a2, d[1], d[3]);
    v[0] = hn::MulAdd(product, d[0], hn::NegMulAdd(sum, d[2], d[4]));
    v[1] = hn::MulAdd(a, odd_a, even_a);
    v[2] = hn::NegMulAdd(a, odd_a, even_a);
    v[3] = hn::MulAdd(b, odd_b, even_b);
    v[4] = hn::NegMulAdd(b, odd_b, even_b);
    v[5] = hn::MulAdd(product, d[1], hn::NegMulAdd(sum, d[3], d[5]));
  }
};

/// G g.
struct FilterTransform {
  static constexpr int kFrom = kTaps, kTo = kPoints;
  HWY_INLINE void operator()(const VF (&g)[kFrom], VF (&u)[kTo]) const {
    const VF even_a = hn::Mul(constant(kOfA), hn::MulAdd(constant(kA2), g[2], g[0])),
             even_b = hn::Mul(constant(kOfB), hn::MulAdd(constant(kB2), g[2], g[0])),
             of_a = constant(kA * kOfA), of_b = constant(kB * kOfB);
    u[0] = hn::Mul(constant(kOf0), g[0]);
    u[1] = hn::MulAdd(of_a, g[1], even_a);
    u[2] = hn::NegMulAdd(of_a, g[1], even_a);
    u[3] = hn::MulAdd(of_b, g[1], even_b);
    u[4] = hn::NegMulAdd(of_b, g[1], even_b);
    u[5] = g[2];
  }
};

/// A' m.
struct OutputTransform {
  static constexpr int kFrom = kPoints, kTo = kOutputs;
  HWY_INLINE void operator()(const VF (&m)[kFrom], VF (&y)[kTo]) const {
    const VF even_a = hn::Add(m[1], m[2]), odd_a = hn::Sub(m[1], m[2]),
             even_b = hn::Add(m[3], m[4]), odd_b = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(hn::Add(m[0], even_a), even_b);
    y[1] = hn::MulAdd(constant(kB), odd_b, hn::Mul(constant(kA), odd_a));
    y[2] = hn::MulAdd(constant(kB2), even_b, hn::Mul(constant(kA2), even_a));
    y[3] = hn::MulAdd(constant(kB * kB2), odd_b, hn::MulAdd(constant(kA * kA2), odd_a, m[5]));
  }
};

/// A y: what the gradient of the outputs is to the products.
struct OutputGradientTransform {
  static constexpr int kFrom = kOutputs, kTo = kPoints;
  HWY_INLINE void operator()(const VF (&y)[kFrom], VF (&z)[kTo]) const {
    const VF a = constant(kA), b = constant(kB), a2 = constant(kA2), b2 = constant(kB2);
    const VF even_a = hn::MulAdd(a2, y[2], y[0]), odd_a = hn::MulAdd(a2, y[3], y[1]),
             even_b = hn::MulAdd(b2, y[2], y[0]), odd_b = hn::MulAdd(b2, y[3], y[1]);
    z[0] = y[0];
    z[1] = hn::MulAdd(a, odd_a, even_a);
    z[2] = hn::NegMulAdd(a, odd_a, even_a);
    z[3] = hn::MulAdd(b, odd_b, even_b);
    z[4] = hn::NegMulAdd(b, odd_b, even_b);
    z[5] = y[3];
  }
};

/// G' s: the gradient of the taps from that of what they became.
struct FilterGradientTransform {
  static constexpr int kFrom = kPoints, kTo = kTaps;
  HWY_INLINE void operator()(const VF (&s)[kFrom], VF (&g)[kTo]) const {
    const VF even_a = hn::Mul(constant(kOfA), hn::Add(s[1], s[2])),
             even_b = hn::Mul(constant(kOfB), hn::Add(s[3], s[4]));
    g[0] = hn::Add(hn::MulAdd(constant(kOf0), s[0], even_a), even_b);
    g[1] = hn::MulAdd(constant(kB * kOfB), hn::Sub(s[3], s[4]),
                      hn::Mul(constant(kA * kOfA), hn::Sub(s[1], s[2])));
    g[2] = hn::MulAdd(constant(kB2), even_b, hn::MulAdd(constant(kA2), even_a, s[5]));
  }
};

/// The numbers of a square with rows of n, `step` apart. Each row (or column) is reached from a
/// pointer that the compiler cannot know anything about: it would keep a pointer for each number,
/// most of them on the stack, and advance all.
template <class T, int n>
struct Square {
  T* p;
  int64_t step;

  HWY_INLINE T* row(int i) const { return unknown(p + i * n * step); }
  HWY_INLINE T* column(int j) const { return unknown(p + j * step); }

 private:
  static HWY_INLINE T* unknown(T* at) {
    asm("" : "+r"(at));
    return at;
  }
};

/// What transform_square loads and stores where the numbers lie in Squares.
template <int n>
struct LoadSquare {
  Square<const float, n> from;
  HWY_INLINE void operator()(int i, VF (&row)[n]) const {
    const float* p = from.row(i);
#pragma GCC unroll 6
    for (int j = 0; j < n; ++j, p += from.step) row[j] = hn::Load(F32(), p);
  }
};
template <int n>
struct StoreSquare {
  Square<float, n> to;
  HWY_INLINE void operator()(int j, const VF (&column)[n]) const {
    float* p = to.column(j);
#pragma GCC unroll 6
    for (int i = 0; i < n; ++i, p += n * to.step) hn::Store(column[i], F32(), p);
  }
};

/// The transform along both axes of a square: load(i, row) gives its row i, store(j, column) takes
/// column j of the result.
template <class Transform, class Load, class Store>
HWY_INLINE void transform_square(const Load& load, const Store& store) {
  constexpr int kFrom = Transform::kFrom, kTo = Transform::kTo;
  VF rows[kFrom][kTo];
#pragma GCC unroll 6
  for (int i = 0; i < kFrom; ++i) {
    VF row[kFrom];
    load(i, row);
    Transform()(row, rows[i]);
  }
#pragma GCC unroll 6
  for (int j = 0; j < kTo; ++j) {
    VF column[kFrom], result[kTo];
#pragma GCC unroll 6
    for (int i = 0; i < kFrom; ++i) column[i] = rows[i][j];
    Transform()(column, result);
    store(j, result);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
