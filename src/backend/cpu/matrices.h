// A matmul node as libraries want it: stacks of matrices, each with one contiguous axis.
#pragma once
#include <vector>

#include "backend/kernel.h"

namespace varve::backend::cpu {

/// Leading axes of a stack of products, merged where all operands allow it.
struct Stack {
  std::vector<int64_t> sizes;
  int64_t count() const {
    int64_t n = 1;
    for (int64_t s : sizes) n *= s;
    return n;
  }
};

/// A matrix by its steps, transposes settled; one of `row` and `column` is 1.
struct Matrix {
  int64_t rows = 0, columns = 0, row = 0, column = 0;
  std::vector<int64_t> lead;  ///< steps along the stack; 0 where it is the same

  /// The distance between contiguous runs.
  int64_t pitch() const { return column == 1 ? row : column; }
  bool transposed() const { return column != 1; }
};

struct MatmulProblem {
  Stack stack;
  Matrix a, b, y;
  bool copy_a = false, copy_b = false;  ///< is to be copied to row-major elements first
  bool strided_y = false;               ///< the output has no contiguous axis: not for libraries
  bool has_bias = false;

  bool empty() const { return stack.count() * y.rows * y.columns * a.columns == 0; }
  double operations() const {
    return 2. * static_cast<double>(stack.count()) * static_cast<double>(y.rows) *
           static_cast<double>(y.columns) * static_cast<double>(a.columns);
  }
};

MatmulProblem matmul_problem(const Request& r);

}  // namespace varve::backend::cpu
