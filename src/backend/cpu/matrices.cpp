#include "backend/cpu/matrices.h"

#include <utility>

namespace varve::backend::cpu {
namespace {

/// Steps of axes of size 1 mean nothing: give them values that libraries take. False where no axis
/// is contiguous or rows overlap.
bool canonical(Matrix& m) {
  if (m.columns == 1) m.column = 1;
  if (m.rows == 1 && m.column != 1) m.row = 1;
  if (m.column == 1) {
    if (m.rows == 1) m.row = m.columns;
    return m.row >= m.columns;
  }
  if (m.row == 1) {
    if (m.columns == 1) m.column = m.rows;
    return m.column >= m.rows;
  }
  return false;
}

Matrix matrix_of(const Shape& shape, const ir::Strides& strides, bool transpose) {
  const size_t n = strides.size();
  Matrix m{shape[-2], shape[-1], strides[n - 2], strides[n - 1], {}};
  if (transpose) {
    std::swap(m.rows, m.columns);
    std::swap(m.row, m.column);
  }
  for (size_t i = 0; i + 2 < n; ++i) m.lead.push_back(shape.dims()[i] == 1 ? 0 : strides[i]);
  return m;
}

/// The operand, or what it is once it is copied to row-major elements.
Matrix operand(const Layout& l, bool transpose, bool& copy) {
  Matrix m = matrix_of(l.shape, l.strides, transpose);
  bool fits = canonical(m);
  for (int64_t step : m.lead) fits &= step >= 0;
  if (fits) return m;
  copy = true;
  m = matrix_of(l.shape, ir::row_major(l.shape), transpose);
  canonical(m);
  return m;
}

/// Merges neighbouring leading axes that all operands step through as one.
void merge(MatmulProblem& p) {
  std::vector<int64_t>& sizes = p.stack.sizes;
  Matrix* all[] = {&p.a, &p.b, &p.y};
  for (size_t i = sizes.size(); i-- > 0;) {
    const bool inner = i + 1 < sizes.size();
    bool joins = inner;
    for (const Matrix* m : all) joins = joins && m->lead[i] == m->lead[i + 1] * sizes[i + 1];
    if (sizes[i] != 1 && !joins) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    if (sizes[i] != 1) sizes[i + 1] *= sizes[i];
    sizes.erase(sizes.begin() + at);
    for (Matrix* m : all) m->lead.erase(m->lead.begin() + at);
  }
}

}  // namespace

MatmulProblem matmul_problem(const Request& r) {
  MatmulProblem p;
  p.a = operand(r.inputs[0], r.attributes.flag("transpose_a"), p.copy_a);
  p.b = operand(r.inputs[1], r.attributes.flag("transpose_b"), p.copy_b);
  p.y = operand(r.outputs[0], false, p.strided_y);
  p.has_bias = r.inputs.size() == 3;
  p.stack.sizes.assign(r.outputs[0].shape.begin(), r.outputs[0].shape.end() - 2);
  merge(p);
  return p;
}

}  // namespace varve::backend::cpu
