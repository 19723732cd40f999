// The equations that define factors and solutions, on random matrices of many sizes and both kernel
// sets; signs, ranks, singular matrices, integers.
#include "varve/ops/linalg.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "runtime/evaluate.h"
#include "varve/derivatives.h"
#include "varve/error.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/threads.h"

namespace varve::linalg {
namespace {

constexpr double kEpsilon = 0x1p-52;

double largest(const Tensor& x) { return x.size() ? max(abs(x)).to_double() : 0; }
double distance(const Tensor& a, const Tensor& b) { return largest(a - b); }
Tensor t(const Tensor& a) { return swap_axes(a, -1, -2); }
Tensor normal(const Shape& shape, uint64_t seed = 1) {
  return random::normal(Key(seed), shape, {.dtype = f64}).evaluate();
}
Tensor identity(const Tensor& a, int64_t n) { return eye(n, n, 0, a.dtype()); }

/// What rounding leaves of an equation between matrices of size n, with room for a factor 100.
double rounding(int64_t n) { return 100 * kEpsilon * static_cast<double>(std::max<int64_t>(n, 1)); }

constexpr int64_t kSizes[] = {0, 1, 2, 3, 17, 64};

/// f(lead, kernels) for single matrices and stacks, on the reference kernels and on all.
template <class F>
void everywhere(F f) {
  for (auto kernels : {backend::KernelSet::ref, backend::KernelSet::all}) {
    const runtime::ExecuteScope scope({.kernels = kernels});
    for (const std::vector<int64_t>& lead : {std::vector<int64_t>{}, {3}, {2, 2}}) {
      SCOPED_TRACE(std::string(kernels == backend::KernelSet::ref ? "ref" : "all") +
                   ", stack of rank " + std::to_string(lead.size()));
      f(lead);
    }
  }
}
Shape shape_of(std::vector<int64_t> lead, int64_t m, int64_t n) {
  lead.insert(lead.end(), {m, n});
  return Shape(std::move(lead));
}

TEST(Linalg, SolutionsAndInversesSatisfyTheirEquations) {
  everywhere([](const std::vector<int64_t>& lead) {
    for (int64_t n : kSizes) {
      const Tensor a = normal(shape_of(lead, n, n)) + static_cast<double>(n) * eye(n, n, 0, f64),
                   b = normal(shape_of(lead, n, 5), 2);
      EXPECT_LT(distance(matmul(a, solve(a, b)), b), rounding(n) * 10) << n;
      EXPECT_LT(distance(matmul(a, inverse(a)), identity(a, n)), rounding(n) * 10) << n;
      const Tensor lower = tril(a), upper = triu(a);
      EXPECT_LT(distance(matmul(lower, triangular_solve(a, b)), b), rounding(n) * 100) << n;
      EXPECT_LT(
          distance(matmul(t(upper), triangular_solve(a, b, {.lower = false, .transpose = true})),
                   b),
          rounding(n) * 100)
          << n;
    }
  });
}

TEST(Linalg, FactorsMultiplyToTheMatrixAndAreOrthogonal) {
  everywhere([](const std::vector<int64_t>& lead) {
    for (int64_t m : kSizes) {
      for (int64_t n : kSizes) {
        SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n));
        const Tensor a = normal(shape_of(lead, m, n));
        const int64_t k = std::min(m, n);
        const double room = rounding(std::max(m, n));
        for (bool complete : {false, true}) {
          const Qr f = qr(a, {.complete = complete});
          EXPECT_LT(distance(matmul(f.q, f.r), a), room * 4);
          EXPECT_LT(distance(matmul(t(f.q), f.q), identity(a, f.q.shape()[-1])), room);
          EXPECT_EQ(largest(tril(f.r, -1)), 0);
          const Tensor d = diagonal(f.r, {.axis1 = -2, .axis2 = -1});
          EXPECT_TRUE(all(d >= 0).item<bool>());
        }
        for (bool full : {false, true}) {
          const Svd f = svd(a, {.full = full});
          EXPECT_EQ(f.u.shape()[-1], full ? m : k);
          EXPECT_EQ(f.vh.shape()[-2], full ? n : k);
          const Tensor s = f.s;
          const Tensor thin = index(f.u, {ellipsis, Slice{0, k}}),
                       rows = index(f.vh, {ellipsis, Slice{0, k}, Slice{}});
          EXPECT_LT(distance(matmul(thin * expand_dims(s, -2), rows), a), room * 10);
          EXPECT_LT(distance(matmul(t(f.u), f.u), identity(a, f.u.shape()[-1])), room);
          EXPECT_LT(distance(matmul(f.vh, t(f.vh)), identity(a, f.vh.shape()[-2])), room);
          EXPECT_LT(distance(singular_values(a), s), room * 10);
        }
        EXPECT_LT(distance(matmul(matmul(a, pinv(a)), a), a), room * 1000);
      }
    }
  });
}

TEST(Linalg, CholeskyAndEigenvectorsMultiplyToTheMatrix) {
  everywhere([](const std::vector<int64_t>& lead) {
    for (int64_t n : kSizes) {
      const Tensor r = normal(shape_of(lead, n, n));
      const Tensor a = matmul(r, t(r)) + static_cast<double>(n) * eye(n, n, 0, f64);
      const double room = rounding(n) * static_cast<double>(8 * n + 1);
      const Tensor l = cholesky(a);
      EXPECT_LT(distance(matmul(l, t(l)), a), room) << n;
      EXPECT_EQ(largest(triu(l, 1)), 0);
      const Eigh f = eigh(a);
      EXPECT_LT(distance(matmul(f.vectors * expand_dims(f.values, -2), t(f.vectors)), a), room)
          << n;
      EXPECT_LT(distance(matmul(t(f.vectors), f.vectors), identity(a, n)), rounding(n)) << n;
      if (n > 1) {
        const Tensor below = index(f.values, {ellipsis, Slice{0, n - 1}}),
                     above = index(f.values, {ellipsis, Slice{1, n}});
        EXPECT_TRUE(all(below <= above).item<bool>());
      }
    }
  });
}

TEST(Linalg, DeterminantsAgreeWithEigenvalues) {
  everywhere([](const std::vector<int64_t>& lead) {
    for (int64_t n : {0, 1, 2, 3, 17}) {
      const Tensor r = normal(shape_of(lead, n, n)), a = r + t(r);
      const Tensor expected = prod(eigh(a).values, {.axes = {-1}});
      EXPECT_LT(distance(det(a) / expected, ones_like(expected)), 1e-10) << n;
      const Slogdet s = slogdet(a);
      EXPECT_LT(distance(s.sign * exp(s.log) / expected, ones_like(expected)), 1e-10) << n;
    }
  });
}

TEST(Linalg, DeterminantOfASingularMatrixHasItsGradient) {
  // d det = the cofactors; here of rank 2 and of rank 1.
  const Tensor a = tensor({1., 2., 3., 4., 5., 6., 7., 8., 9.}, {3, 3});
  const auto g = grad([](const Tensor& x) { return det(x); })(a);
  const Tensor expected = tensor({-3., 6., -3., 6., -12., 6., -3., 6., -3.}, {3, 3});
  EXPECT_LT(distance(g, expected), 1e-12);
  EXPECT_LT(largest(grad([](const Tensor& x) { return det(x); })(ones({3, 3}, f64))), 1e-12);
}

TEST(Linalg, ColumnsThatCompleteAddsHaveNoDerivative) {
  const Tensor a = normal({5, 3}), wide = normal({3, 5});
  const auto factors = [](const Tensors& x) -> Tensors {
    const Qr f = qr(x[0], {.complete = true});
    return {f.q, f.r};
  };
  const std::string expected =
      "qr: complete of more rows than columns [5, 3] has no derivative: the columns that are added "
      "to Q are any basis";
  const auto refused = [&](const auto& f) {
    try {
      f();
      ADD_FAILURE() << "not refused";
    } catch (const UnsupportedError& e) {
      EXPECT_EQ(e.message(), expected);
    }
  };
  refused([&] { vjp(factors, a, Tensors{ones({5, 5}, f64), ones({5, 3}, f64)}); });
  refused([&] { jvp(factors, a, ones({5, 3}, f64)); });
  // With no column added, complete changes nothing.
  const auto g = vjp(factors, wide, Tensors{ones({3, 3}, f64), ones({3, 5}, f64)}).cotangents[0];
  EXPECT_TRUE(all(is_finite(g)).item<bool>());
  // What the singular vectors' basis is completed by counts as constant.
  const auto full = [](const Tensors& x) -> Tensors {
    const Svd f = svd(x[0], {.full = true});
    return {f.u, f.s};
  };
  const auto thin = [](const Tensors& x) -> Tensors {
    const Svd f = svd(x[0]);
    return {f.u, f.s};
  };
  const auto moved = jvp(full, a, ones({5, 3}, f64)).tangents,
             plain = jvp(thin, a, ones({5, 3}, f64)).tangents;
  EXPECT_EQ(distance(slice(moved[0], {{}, {0, 3}}), plain[0]), 0);
  EXPECT_EQ(largest(slice(moved[0], {{}, {3, 5}})), 0);
}

TEST(Linalg, OfAStackOrASmallMatrixDoesNotDependOnTheNumberOfThreads) {
  const int before = thread_count();
  for (const Shape& shape : {Shape{3, 100, 100}, Shape{40, 40}, Shape{2, 7, 7}}) {
    set_thread_count(1);
    const Tensor a = normal(shape), b = normal(shape, 2),
                 spd = (matmul(a, t(a)) + identity(a, shape[-1])).evaluate();
    const auto results = [&] {
      const Qr f = qr(a);
      const Svd s = svd(a);
      const Eigh e = eigh(spd);
      std::vector<std::vector<double>> out;
      for (const Tensor& y : {cholesky(spd), f.q, f.r, s.u, s.s, s.vh, e.values, e.vectors,
                              solve(a, b), triangular_solve(spd, b), det(a)})
        out.push_back(y.to_doubles());
      return out;
    };
    const auto expected = results();
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      const auto got = results();
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_TRUE(got[i] == expected[i])
            << shape.to_string() << ", " << threads << " threads, result " << i;
      }
    }
  }
  set_thread_count(before);
}

TEST(Linalg, SignsOfVectorsAreChosen) {
  everywhere([](const std::vector<int64_t>& lead) {
    // Components of one size: rounding must not choose.
    const Tensor a = broadcast_to(tensor({2., -1., -1., 2.}, {2, 2}), shape_of(lead, 2, 2));
    const Tensor v = eigh(a).vectors;
    const double h = std::sqrt(0.5);
    EXPECT_LT(distance(v, tensor({h, h, h, -h}, {2, 2})), 1e-15);
    EXPECT_LT(distance(svd(a).u, tensor({h, h, -h, h}, {2, 2})), 1e-15);
  });
}

TEST(Linalg, RankCountsSingularValues) {
  const Tensor a = normal({7, 2}), b = normal({2, 5}, 3);
  EXPECT_EQ(matrix_rank(matmul(a, b)).item<int64_t>(), 2);
  EXPECT_EQ(matrix_rank(zeros({3, 4})).item<int64_t>(), 0);
  EXPECT_EQ(matrix_rank(eye(5)).item<int64_t>(), 5);
  EXPECT_EQ(matrix_rank(eye(5), {.tolerance = 2}).item<int64_t>(), 0);
  // The pseudo-inverse leaves them out, too: Penrose's equations hold.
  const Tensor m = matmul(a, b), p = pinv(m);
  EXPECT_LT(distance(matmul(matmul(p, m), p), p), 1e-12);
  EXPECT_LT(distance(matmul(m, p), t(matmul(m, p))), 1e-12);
}

TEST(Linalg, TakesIntegersAndGivesNaNForNaN) {
  EXPECT_EQ(det(tensor({1, 2, 3, 4}, {2, 2})).dtype(), f32);
  EXPECT_FLOAT_EQ(det(tensor({1, 2, 3, 4}, {2, 2})).item<float>(), -2);
  const Tensor bad = full({2, 2}, std::nan(""), f64);
  for (const Tensor& x : {svd(bad).u, svd(bad).s, eigh(bad).values, matrix_exp(bad), pinv(bad)})
    EXPECT_TRUE(all(is_nan(x)).item<bool>());
}

TEST(Linalg, ErrorsOfTheDataNameTheLine) {
  const Tensor x = solve(ones({2, 2}), ones({2}));
  try {
    x.evaluate();
    FAIL();
  } catch (const NumericError& e) {
    EXPECT_NE(e.at().find("linalg_test.cpp"), std::string::npos) << e.what();
  }
}

// Inventory B15: theta = (X'X)^-1 X'y = pinv(X) y.
TEST(LinearRegression, ByTheNormalEquationAndByThePseudoInverseIsOne) {
  const Tensor x = concat({ones({50, 1}, f64), normal({50, 3})}, 1);
  const Tensor truth = tensor({0.5, -1., 2., 3.});
  const Tensor y = matmul(x, truth) + 0.1 * normal({50}, 5);
  const Tensor normal_equation = solve(matmul(t(x), x), matmul(t(x), y));
  EXPECT_LT(distance(normal_equation, lstsq(x, y)), 1e-12);
  EXPECT_LT(distance(normal_equation, truth), 0.1);
  // What is left over is orthogonal to every column.
  EXPECT_LT(largest(matmul(t(x), y - matmul(x, normal_equation))), 1e-12);
}

// Inventory B29: the principal components are the eigenvectors of the covariance, and the right
// singular vectors of the centred data.
TEST(PrincipalComponents, BySvdAndByTheCovarianceAreOne) {
  const Tensor scale = tensor({5., 2., 1., 0.1}), mix = qr(normal({4, 4}, 9)).q;
  const Tensor data = matmul(normal({200, 4}) * scale, mix) + 10.;
  const Tensor centred = data - mean(data, {.axes = {0}, .keep_dims = true});
  const Svd f = svd(centred);
  const Eigh e = eigh(matmul(t(centred), centred) / 199);
  const Tensor variances = flip(e.values);
  EXPECT_LT(distance(square(f.s) / 199 / variances, ones({4}, f64)), 1e-10);
  // One line each, whichever way it points.
  const Tensor cosines = abs(sum(f.vh * flip(t(e.vectors), {0}), {.axes = {1}}));
  EXPECT_LT(distance(cosines, ones({4}, f64)), 1e-10);
  // Two components keep the variance that theirs have.
  const Tensor kept = matmul(centred, t(index(f.vh, {Slice{0, 2}})));
  const double share = sum(square(kept)).to_double() / sum(square(centred)).to_double();
  const Tensor s2 = square(f.s);
  EXPECT_NEAR(share, (sum(index(s2, {Slice{0, 2}})) / sum(s2)).to_double(), 1e-12);
  EXPECT_GT(share, 0.9);
}

}  // namespace
}  // namespace varve::linalg
