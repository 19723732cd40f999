#include "backend/cpu/matmul_costs.h"

#include <limits>
#include <string_view>

#include "backend/cpu/cost_distance.h"
#include "backend/cpu/instruction_set.h"

namespace varve::backend::cpu {
namespace {

struct ProductRow {
  std::string_view isa;
  int64_t rows, columns, depth;
  bool transposed_a, transposed_b;
  double onednn[2], openblas[2];  // billions of operations a second, with 1 thread and with 2
};

#include "backend/cpu/product_table.inc"

// A change of library has to be worth it beyond what measurements vary.
constexpr double kClearly = 1.06;
// Half as large or twice, and as much again: farther rows say nothing.
constexpr double kFarthest = 3;

/// Whole vectors or not decides which loops a kernel runs.
double unlike(int64_t a, int64_t b) { return (a % 16 == 0) == (b % 16 == 0) ? 0 : 1; }

double distance(const ProductRow& row, const MatmulProblem& p) {
  if (row.transposed_a != p.a.transposed() || row.transposed_b != p.b.transposed())
    return std::numeric_limits<double>::infinity();
  return square(octaves(row.rows, p.y.rows)) + square(octaves(row.columns, p.y.columns)) +
         square(octaves(row.depth, p.a.columns)) + unlike(row.rows, p.y.rows) +
         unlike(row.columns, p.y.columns) + unlike(row.depth, p.a.columns);
}

}  // namespace

bool openblas_is_faster(const MatmulProblem& p, int threads) {
  if (p.stack.count() != 1 || p.empty()) return false;
  const std::string_view isa = varve::cpu::instruction_set();
  double nearest = kFarthest;
  bool faster = false;
  for (const ProductRow& row : kProducts) {
    if (row.isa != isa) continue;
    const double d = distance(row, p);
    if (d >= nearest) continue;
    nearest = d;
    const size_t at = threads > 1;
    faster = row.openblas[at] > kClearly * row.onednn[at];
  }
  return faster;
}

}  // namespace varve::backend::cpu
