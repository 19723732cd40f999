// Rows of segments and sparse products. Values are NumPy's and SciPy's (tests/golden/algebra.json).
#include "samples.h"
#include "varve/ops/segment.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

using Extreme = Tensor (*)(const Operand&, const Operand&, Dim, const SegmentOptions&);

// Segment 1 is empty, segment 2 has three elements.
In segments() { return given({5}, {2, 0, 2, 3, 2}, i64); }

Row extreme(const char* op, Extreme f) {
  return {
      .op = op,
      .dtypes = kNumbers,
      .samples = {{"rows",
                   {in({5, 3}), segments()},
                   [f](const Tensors& x) -> Tensors { return f(x[0], x[1], 4, {}); }},
                  {"vector",
                   {in({5}), segments()},
                   [f](const Tensors& x) -> Tensors { return f(x[0], x[1], 4, {.empty = 1}); }},
                  {"nothing", {in({0, 2}), given({0}, {}, i64)}, [f](const Tensors& x) -> Tensors {
                     return f(x[0], x[1], 2, {});
                   }}}};
}

std::vector<Row> segment_rows() {
  return {
      extreme("segment_max", segment_max),
      extreme("segment_min", segment_min),
      {.op = "segment_mean",
       .dtypes = kAll,
       .tolerance = {.ulp = 8, .sums = true},
       .samples = {{"rows",
                    {in({5, 3}), segments()},
                    [](const Tensors& x) -> Tensors { return segment_mean(x[0], x[1], 4); }}}},
      {.op = "segment_softmax",
       .dtypes = kAll,
       .tolerance = {.ulp = 16, .largest = 8},
       .samples = {{"rows",
                    {in({5, 3}), segments()},
                    [](const Tensors& x) -> Tensors { return segment_softmax(x[0], x[1], 4); }}},
       .errors = {throws<ShapeError>("segment_softmax: x is [2], segments [3], count 2\n"
                                     "  hint: expected x [n, ...], segments [n], count 0 or more",
                                     [] { segment_softmax(ones({2}), zeros({3}, i64), 2); })}},
  };
}

// [4, 6], row 1 empty, one place twice.
const std::vector<double> kStarts = {0, 2, 2, 6, 7}, kColumns = {1, 4, 0, 5, 5, 2, 3};

Call product(bool transpose) {
  return [transpose](const Tensors& x) -> Tensors {
    return sparse_matmul({.values = x[0], .columns = x[1], .row_starts = x[2], .width = 6}, x[3],
                         {.transpose = transpose});
  };
}

std::vector<Row> sparse_rows() {
  const In columns = given({7}, kColumns, i64), starts = given({5}, kStarts, i32);
  const auto bad = [](std::vector<int64_t> c, std::vector<int64_t> s) {
    return sparse_matmul({.values = ones({2}),
                          .columns = tensor(c, Shape{c.size()}),
                          .row_starts = tensor(s, Shape{s.size()}),
                          .width = 3},
                         ones({3, 2}))
        .evaluate();
  };
  return {
      {.op = "sparse_matmul",
       .dtypes = kNumbers,
       .tolerance = {.ulp = 8, .sums = true},
       .samples = {{"plain", {in({7}), columns, starts, in({6, 3})}, product(false)},
                   {"transposed", {in({7}), columns, starts, in({4, 3})}, product(true)},
                   {"vector", {in({7}), columns, starts, in({6})}, product(false)},
                   {"wide", {in({7}), columns, starts, in({6, 131})}, product(false)},
                   {"no features", {in({7}), columns, starts, in({6, 0})}, product(false)},
                   {"nothing",
                    {in({0}), given({0}, {}, i64), given({1}, {0}, i64), in({6, 2})},
                    product(false)}},
       .errors = {throws<IndexError>("sparse_matmul: index[1] = 3, expected 0..2",
                                     [bad] {
                                       bad({0, 3}, {0, 1, 2});
                                     }),
                  throws<IndexError>("sparse_matmul: index[1] = 3, expected 0..2",
                                     [bad] {
                                       bad({0, 1}, {0, 3, 2});
                                     }),
                  throws<ShapeError>(
                      "sparse_matmul: a sparse matrix [1, 3] with values [2] does not fit "
                      "[4, 1]",
                      [] {
                        sparse_matmul({.values = ones({2}),
                                       .columns = zeros({2}, i64),
                                       .row_starts = zeros({2}, i64),
                                       .width = 3},
                                      ones({4}));
                      })}},
      {.op = "sparse_matrix",
       .call = [](const Tensors& x) -> Tensors {
         return to_dense(sparse_matrix(x[0], x[1], x[2], 3, 4));
       },
       .dtypes = kNumbers,
       .samples = {{"places",
                    {given({5}, {2, 0, 2, 0, 2}, i64), given({5}, {3, 1, 0, 2, 3}, i64), in({5})}}},
       .errors = {throws<ShapeError>(
           "sparse_matrix: expected rows, columns and values of one length, got [2], [2] and [3]",
           [] { sparse_matrix(zeros({2}, i64), zeros({2}, i64), ones({3}), 2, 2); })}},
  };
}

}  // namespace

std::vector<Row> sparse_samples() {
  std::vector<Row> rows = segment_rows();
  for (Row& row : sparse_rows()) rows.push_back(std::move(row));
  return rows;
}

}  // namespace varve::samples
