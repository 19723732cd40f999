// Rows of einsum and other contractions, and of distances. Their values are NumPy's and SciPy's
// (tests/golden/algebra.json).
#include <cmath>

#include "samples.h"
#include "varve/ops/contraction.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

Call sum_of(const char* equation) {
  return [equation](const Tensors& x) -> Tensors { return einsum(equation, x); };
}

Row einsum_row() {
  const Tensor a = ones({2, 3}), b = ones({4, 5});
  return {
      .op = "einsum",
      .dtypes = kNumbers,
      .tolerance = {.ulp = 8, .sums = true},
      .samples = {{"matrices", {in({3, 4}), in({4, 5})}, sum_of("ij,jk->ik")},
                  {"implicit", {in({3, 4}), in({4, 5})}, sum_of("ij,jk")},
                  {"alphabetic", {in({3, 4}), in({4, 2})}, sum_of("ba,ac")},
                  {"trace", {in({4, 4})}, sum_of("ii")},
                  {"diagonal", {in({4, 4})}, sum_of("ii->i")},
                  {"diagonals", {in({2, 3, 2, 3})}, sum_of("ijij->ji")},
                  {"transpose", {in({2, 3, 4})}, sum_of("ijk->kij")},
                  {"sums", {in({2, 3, 4})}, sum_of("ijk->j")},
                  {"all", {in({2, 3})}, sum_of("ij->")},
                  {"outer", {in({3}), in({4})}, sum_of("i,j->ij")},
                  {"inner", {in({5}), in({5})}, sum_of("i,i")},
                  {"products", {in({2, 3}), in({2, 3})}, sum_of("ij,ij->ij")},
                  {"with a scalar", {in({}), in({2, 3})}, sum_of(",ij->ij")},
                  {"stack", {in({2, 3, 4}), in({2, 4, 2})}, sum_of("bij,bjk->bik")},
                  {"attention", {in({2, 3, 2, 4}), in({2, 5, 2, 4})}, sum_of("bqhd,bkhd->bhqk")},
                  {"leading axes", {in({2, 1, 2, 3}), in({4, 3, 2})}, sum_of("...ij,...jk->...ik")},
                  {"leading axes implied", {in({2, 3}), in({3, 2})}, sum_of("...i,i...")},
                  {"leading axes last", {in({2, 3, 4})}, sum_of("i...->...i")},
                  {"three", {in({2, 3}), in({3, 4}), in({4, 2})}, sum_of("ij,jk,kl->il")},
                  {"star", {in({2, 4}), in({3, 4}), in({2, 4})}, sum_of("ai,bi,ci->abc")},
                  {"bilinear", {in({2, 3}), in({4, 3, 5}), in({2, 5})}, sum_of("bn,anm,bm->ba")},
                  {"some summed first", {in({2, 3, 4}), in({4, 2})}, sum_of("ijk,kl->l")},
                  {"spaces", {in({2, 3}), in({3, 4})}, sum_of(" i j , j k -> k i ")},
                  {"size 1", {in({3, 1}), in({4, 5})}, sum_of("ij,jk->ik")},
                  {"nothing", {in({2, 0}), in({0, 3})}, sum_of("ij,jk->ik")},
                  {"upper and lower", {in({2, 3}), in({3, 2})}, sum_of("aB,Bc")},
                  {"large", {in({33, 17}), in({17, 65})}, sum_of("ij,jk->ki")}},
      .errors = {
          throws<ValueError>("einsum: \"ij,jk\": names 2 operands, got 1",
                             [a] { einsum("ij,jk", a); }),
          throws<ValueError>("einsum: \"i1\": expected letters and at most one \"...\" an operand, "
                             "got \"i1\"",
                             [a] { einsum("i1", a); }),
          throws<ValueError>("einsum: \"ij->ik\": output axis \"k\" is in no operand",
                             [a] { einsum("ij->ik", a); }),
          throws<ValueError>("einsum: \"ij->ii\": output axis \"i\" is named twice",
                             [a] { einsum("ij->ii", a); }),
          throws<ShapeError>("einsum: \"ijk\": operand 0 is [2, 3], its axes are named \"ijk\"",
                             [a] { einsum("ijk", a); }),
          throws<ShapeError>("einsum: \"ij,jk\": axis \"j\" is 3 in one place and 4 in another",
                             [a, b] {
                               einsum("ij,jk", {a, b});
                             }),
          throws<ShapeError>("einsum: \"ii\": axis \"i\" is 2 in one place and 3 in another",
                             [a] { einsum("ii", a); }),
          throws<DTypeError>("einsum: bool has no arithmetic\n  hint: cast it first",
                             [] { einsum("i->", zeros({2}, DType::bool_)); })}};
}

std::vector<Row> product_rows() {
  const Tolerance sums{.ulp = 8, .sums = true};
  const auto over = [](auto how) -> Call {
    return [how](const Tensors& x) -> Tensors { return tensordot(x[0], x[1], how); };
  };
  const Tensor a = ones({2, 3});
  return {
      {.op = "tensordot",
       .dtypes = kNumbers,
       .tolerance = sums,
       .samples = {{"two axes", {in({2, 3, 4}), in({3, 4, 5})}, over(Dim(2))},
                   {"none", {in({2, 3}), in({2})}, over(Dim(0))},
                   {"given", {in({2, 3, 4}), in({4, 2, 5})}, over(TensordotAxes{{0, 2}, {1, 0}})}},
       .errors = {throws<ValueError>("tensordot: cannot sum over 3 axes of [2, 3] and [2, 3]",
                                     [a] { tensordot(a, a, 3); }),
                  throws<ShapeError>("tensordot: axis 1 of [2, 3] and axis 0 of [2, 3] differ",
                                     [a] { tensordot(a, a, 1); }),
                  throws<ValueError>("tensordot: an axis is given twice",
                                     [a] {
                                       tensordot(a, a, TensordotAxes{{0, 0}, {0, 0}});
                                     })}},
      {.op = "dot",
       .call = call(dot),
       .dtypes = kNumbers,
       .tolerance = sums,
       .samples = {{"vectors", {in({3}), in({3})}},
                   {"matrices", {in({2, 3}), in({3, 4})}},
                   {"many", {in({2, 3, 4}), in({5, 4, 2})}},
                   {"scalar", {in({}), in({2, 3})}}},
       .errors = {throws<ShapeError>("dot: axis 1 of [2, 3] and axis 0 of [2, 3] differ",
                                     [a] { dot(a, a); })}},
      {.op = "inner",
       .call = call(inner),
       .dtypes = kNumbers,
       .tolerance = sums,
       .samples = {{"vectors", {in({3}), in({3})}},
                   {"matrices", {in({2, 3}), in({4, 3})}},
                   {"scalar", {in({2}), in({})}}}},
      {.op = "outer",
       .call = call(outer),
       .dtypes = kNumbers,
       .samples = {{"vectors", {in({3}), in({4})}}, {"matrices", {in({2, 3}), in({2})}}}},
      {.op = "kron",
       .call = call(kron),
       .dtypes = kNumbers,
       .samples = {{"matrices", {in({2, 3}), in({4, 2})}}, {"ranks", {in({3}), in({2, 2})}}}},
      {.op = "meshgrid",
       .dtypes = kAll,
       .samples = {{"ij",
                    {in({2}), in({3}), in({4})},
                    [](const Tensors& x) -> Tensors { return meshgrid(x); }},
                   {"xy",
                    {in({2}), in({3}), in({})},
                    [](const Tensors& x) -> Tensors { return meshgrid(x, "xy"); }}},
       .errors = {throws<ShapeError>("meshgrid: expected vectors, got [2, 3]",
                                     [a] {
                                       meshgrid({a, a});
                                     })}},
      {.op = "trace",
       .dtypes = kAll,
       .tolerance = sums,
       .samples = {{"main", {in({3, 4})}, [](const Tensors& x) -> Tensors { return trace(x[0]); }},
                   {"above",
                    {in({2, 3, 4})},
                    [](const Tensors& x) -> Tensors {
                      return trace(x[0], {.offset = 1, .axis1 = 1, .axis2 = 2});
                    }}}},
  };
}

std::vector<Row> distance_rows() {
  const auto distances = [](double order) -> Call {
    return [order](const Tensors& x) -> Tensors {
      return pairwise_distances(x[0], x[1], {.order = order});
    };
  };
  return {
      {.op = "cosine_similarity",
       .call = [](const Tensors& x) -> Tensors { return cosine_similarity(x[0], x[1]); },
       .dtypes = kAll,
       .tolerance = {.ulp = 16, .largest = 8},
       .samples = {{"rows", {in({2, 5}, 0.5, 2), in({2, 5}, 0.5, 2)}},
                   {"broadcast", {in({2, 5}, 0.5, 2), in({5}, 0.5, 2)}}}},
      {.op = "pairwise_distances",
       .dtypes = kAll,
       .tolerance = {.ulp = 16, .largest = 8},
       .samples = {{"points", {in({3, 4}), in({5, 4})}, distances(2)},
                   {"city", {in({3, 4}), in({5, 4})}, distances(1)},
                   {"stacks", {in({2, 3, 4}), in({2, 4})}, distances(2)}},
       .errors = {throws<ShapeError>(
           "pairwise_distances: expected a [..., M, D] and b [..., N, D], got [2, 3] and [3]",
           [] {
             pairwise_distances(ones({2, 3}), ones({3}));
           })}},
      {.op = "logaddexp",
       .call = call(logaddexp),
       .dtypes = kAll,
       .tolerance = {.ulp = 8, .largest = 4},
       .samples = {{"plain", {in({2, 3}), in({3})}},
                   {"infinities",
                    {given({4}, {INFINITY, -INFINITY, INFINITY, 0}).fixed(),
                     given({4}, {INFINITY, -INFINITY, 0, -INFINITY}).fixed()},
                    {},
                    [](const Plains&) -> Plains {
                      return {{{4}, {INFINITY, -INFINITY, INFINITY, 0}}};
                    },
                    {f32, f64}}}},
      {.op = "l2_normalize",
       .call = [](const Tensors& x) -> Tensors { return l2_normalize(x[0]); },
       .dtypes = kAll,
       .tolerance = {.ulp = 16, .largest = 8},
       .samples = {{"rows", {in({3, 4}, 0.5, 2)}}}},
      {.op = "hardmax",
       .dtypes = kAll,
       .samples =
           {{"last", {in({3, 5})}, [](const Tensors& x) -> Tensors { return hardmax(x[0]); }},
            {"first", {in({5, 3})}, [](const Tensors& x) -> Tensors { return hardmax(x[0], 0); }}},
       .skips = {{Check::reverse, "it gives places"},
                 {Check::forward, "it gives places"},
                 {Check::second_order, "it gives places"}}},
  };
}

}  // namespace

std::vector<Row> contraction_samples() {
  std::vector<Row> rows{einsum_row()};
  for (auto family : {product_rows, distance_rows}) {
    for (Row& row : family()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace varve::samples
