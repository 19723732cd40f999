// Rows of linear algebra. Their values are NumPy's and SciPy's (tests/golden/algebra.json); the
// defining equations are held in linalg_test.cpp.
#include <cmath>

#include "base/philox.h"
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/linalg.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

// Conditions of these matrices are below 100.
const std::vector<DType> kDenseTypes = {f32, f64};
constexpr Tolerance kDense{.ulp = 16, .largest = 256};

/// Random elements with `diagonal`, times 1, 2, 3 ... where `spread`, added on the diagonals;
/// singular values and eigenvalues lie apart.
In matrix(const Shape& shape, double diagonal = 3, bool spread = false, bool symmetric = false) {
  const auto m = static_cast<size_t>(shape[-2]), n = static_cast<size_t>(shape[-1]);
  std::vector<double> v(static_cast<size_t>(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) {
    const size_t at = i % (m * n), row = at / n, column = at % n;
    v[i] = 2 * philox::unit_double(17, m, i) - 1;
    if (symmetric && column < row) v[i] = v[i - at + column * n + row];
    if (row == column) v[i] += diagonal * (spread ? 1 + static_cast<double>(row) : 1);
  }
  return given(shape, v);
}
In positive(const Shape& shape) { return matrix(shape, 4, true, true); }

Call call_of(Tensor (*f)(const Operand&)) { return call(f); }

std::vector<Row> solving_rows() {
  using namespace linalg;
  const auto triangular = [](TriangularOptions o) -> Call {
    return [o](const Tensors& x) -> Tensors { return triangular_solve(x[0], x[1], o); };
  };
  const Call pseudo = [](const Tensors& x) -> Tensors { return pinv(x[0]); };
  const Call least = [](const Tensors& x) -> Tensors { return lstsq(x[0], x[1]); };
  const auto fault = [](std::string text, auto f) {
    return throws<NumericError>(std::move(text), [f] { f().evaluate(); });
  };
  return {
      {.op = "solve",
       .call = call(solve),
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"vector", {matrix({4, 4}), in({4})}},
                   {"many", {matrix({2, 3, 3}), in({2, 3, 2})}},
                   {"broadcast", {matrix({3, 3}), in({2, 3, 1})}},
                   {"nothing", {in({0, 0}), in({0, 2})}},
                   {"no columns", {matrix({3, 3}), in({3, 0})}},
                   {"no matrices", {in({0, 2, 2}), in({0, 2, 1})}}},
       .errors = {fault("solve: the matrix is singular: pivot 1 of its elimination is 0",
                        [] {
                          return solve(ones({2, 2}), ones({2}));
                        }),
                  fault("solve: matrix 1 of the stack is singular: pivot 0 of its elimination is 0",
                        [] {
                          return solve(stack({eye(2), zeros({2, 2})}), ones({2, 2, 1}));
                        }),
                  throws<ShapeError>("solve: expected square matrices, got [2, 3]",
                                     [] {
                                       solve(ones({2, 3}), ones({2}));
                                     }),
                  throws<ShapeError>("solve: a is [2, 2], b [3]\n"
                                     "  hint: expected [..., N, N] and [..., N, K] or [N]",
                                     [] {
                                       solve(ones({2, 2}), ones({3}));
                                     }),
                  throws<DTypeError>("solve: expected f32 or f64, got f16\n"
                                     "  hint: cast it: halves do not hold the digits",
                                     [] {
                                       solve(ones({2, 2}, f16), ones({2}));
                                     })}},
      {.op = "triangular_solve",
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"lower", {matrix({4, 4}), in({4, 2})}, triangular({})},
                   {"upper", {matrix({4, 4}), in({4})}, triangular({.lower = false})},
                   {"turned unit",
                    {matrix({4, 4}), in({4, 2})},
                    triangular({.transpose = true, .unit_diagonal = true})},
                   {"turned upper",
                    {matrix({3, 3}), in({2, 3, 2})},
                    triangular({.lower = false, .transpose = true})}},
       .errors = {fault("triangular_solve: the matrix is singular: element 1 of its diagonal is 0",
                        [] {
                          return triangular_solve(tensor({1.f, 0.f, 1.f, 0.f}, {2, 2}), ones({2}));
                        })}},
      {.op = "inverse",
       .call = call_of(inverse),
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"one", {matrix({4, 4})}},
                   {"many", {matrix({2, 3, 3})}},
                   {"nothing", {in({2, 0, 0})}}},
       .errors = {fault("inverse: the matrix is singular: pivot 0 of its elimination is 0",
                        [] {
                          return inverse(zeros({2, 2}));
                        })}},
      {.op = "pinv",
       .call = pseudo,
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"tall", {matrix({5, 3})}},
                   {"wide", {matrix({3, 5})}},
                   {"square", {matrix({2, 4, 4})}}}},
      {.op = "lstsq",
       .call = least,
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"tall", {matrix({5, 3}), in({5, 2})}}, {"wide", {matrix({3, 5}), in({3})}}},
       .errors = {throws<ShapeError>("lstsq: a is [3, 2], b [2]\n"
                                     "  hint: expected [..., M, N] and [..., M, K] or [M]",
                                     [] {
                                       lstsq(ones({3, 2}), ones({2}));
                                     })}},
  };
}

std::vector<Row> number_rows() {
  using namespace linalg;
  const Call signs = [](const Tensors& x) -> Tensors {
    const Slogdet r = slogdet(x[0]);
    return {r.sign, r.log};
  };
  Row norms{.op = "matrix_norm", .dtypes = kDenseTypes, .tolerance = kDense};
  for (const char* name : {"frobenius", "nuclear", "spectral", "one", "infinity"}) {
    norms.samples.push_back({name, {matrix({3, 4})}, [name](const Tensors& x) -> Tensors {
                               return matrix_norm(x[0], MatrixNorm::parse(name));
                             }});
  }
  Row powers{.op = "matrix_power", .dtypes = kDenseTypes, .tolerance = kDense};
  for (int64_t n : {0, 1, 5, -2}) {
    powers.samples.push_back({"to " + std::to_string(n),
                              {matrix({3, 3})},
                              [n](const Tensors& x) -> Tensors { return matrix_power(x[0], n); }});
  }
  return {
      {.op = "det",
       .call = call_of(det),
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"one", {matrix({4, 4})}},
                   {"many", {matrix({3, 3, 3}, 0)}},
                   {"of nothing", {in({0, 0})}}},
       .errors = {throws<ShapeError>("det: expected matrices [..., M, N], got [3]",
                                     [] { det(ones({3})); })}},
      {.op = "slogdet",
       .call = signs,
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"many", {matrix({3, 3, 3}, 0)}}}},
      {.op = "condition_number",
       .call = call_of(condition_number),
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"square", {matrix({4, 4})}}}},
      norms,
      powers,
  };
}

std::vector<Row> factor_rows() {
  using namespace linalg;
  const auto factors = [](bool complete) -> Call {
    return [complete](const Tensors& x) -> Tensors {
      const Qr r = qr(x[0], {.complete = complete});
      return {r.q, r.r};
    };
  };
  const Call thin = [](const Tensors& x) -> Tensors {
    const Svd r = svd(x[0]);
    return {r.u, r.s, r.vh};
  };
  const Call both = [](const Tensors& x) -> Tensors {
    const Eigh r = eigh(x[0]);
    return {r.values, r.vectors};
  };
  return {
      {.op = "cholesky",
       .call = call_of(cholesky),
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"one", {positive({4, 4})}}, {"many", {positive({2, 3, 3})}}},
       .errors = {throws<NumericError>("cholesky: the matrix is not positive definite: its leading "
                                       "minor of order 2 is not above 0",
                                       [] {
                                         cholesky(tensor({1.f, 2.f, 2.f, 1.f}, {2, 2})).evaluate();
                                       })}},
      {.op = "qr",
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"tall", {matrix({5, 3})}, factors(false)},
                   {"wide", {matrix({3, 5})}, factors(false)},
                   {"square", {matrix({2, 4, 4})}, factors(false)},
                   {"complete", {matrix({5, 3}).fixed()}, factors(true)},
                   {"of nothing", {in({3, 0}).fixed()}, factors(true)}}},
      {.op = "svd",
       .call = thin,
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"tall", {matrix({5, 3}, 3, true)}},
                   {"wide", {matrix({3, 5}, 3, true)}},
                   {"square", {matrix({2, 4, 4}, 3, true)}},
                   {"of nothing", {in({0, 3})}}}},
      {.op = "singular_values",
       .call = call_of(singular_values),
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"tall", {matrix({5, 3}, 3, true)}},
                   {"wide", {matrix({3, 5}, 3, true)}},
                   {"square", {matrix({2, 4, 4}, 3, true)}}}},
      {.op = "eigh",
       .call = both,
       .dtypes = kDenseTypes,
       .tolerance = kDense,
       .samples = {{"one", {positive({4, 4})}}, {"many", {positive({2, 3, 3})}}}},
      {.op = "matrix_exp",
       .call = call_of(matrix_exp),
       .dtypes = kDenseTypes,
       .tolerance = {.ulp = 64, .largest = 256},
       .samples = {{"small", {matrix({4, 4}, 0)}}, {"large", {matrix({2, 3, 3}, 2)}}}},
  };
}

}  // namespace

std::vector<Row> linalg_samples() {
  std::vector<Row> rows;
  for (auto family : {solving_rows, number_rows, factor_rows}) {
    for (Row& row : family()) {
      // Integers are taken as f32; these matrices, cut to integers, would be singular.
      for (Sample& sample : row.samples) sample.dtypes = kDenseTypes;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace varve::samples
