#include "backend/cpu/convolution_costs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "backend/cpu/instruction_set.h"
#include "base/error.h"

namespace varve::backend::cpu {
namespace {

struct ConvolutionRow {
  std::string_view isa;
  ConvolutionShape shape;
  /// Billions of operations a second: [pass][plain, blocks][1 thread, 2 threads]; 0 where there is
  /// no kernel.
  double speed[3][2][2];
};
struct RelayRow {
  std::string_view isa;
  int64_t bytes;
  double gigabytes[2];  // a second, with 1 thread and with 2
};

#include "backend/cpu/cost_table.inc"

std::string_view table_isa() {
  const std::string_view isa = varve::cpu::instruction_set();
  return isa == "avx512" ? isa : "avx2";
}

double square(double x) { return x * x; }
/// In octaves; nothing counts as one.
double ratio(int64_t a, int64_t b) {
  return std::log2(static_cast<double>(std::max<int64_t>(a, 1))) -
         std::log2(static_cast<double>(b));
}

/// Channels and taps decide which loops a kernel runs; the size of the maps and the batch only how
/// long.
double distance(const ConvolutionShape& a, const ConvolutionShape& b) {
  return square(ratio(a.in, b.in)) + square(ratio(a.out, b.out)) + square(ratio(a.taps, b.taps)) +
         square(ratio(a.positions, b.positions)) / 2 + square(ratio(a.batch, b.batch)) / 8 +
         (a.strided != b.strided ? 4 : 0);
}

}  // namespace

double convolution_seconds(ConvolutionPass pass, const ConvolutionShape& shape, ir::Format format,
                           int threads) {
  const size_t at = threads > 1, blocked = format != ir::Format::plain;
  double nearest = std::numeric_limits<double>::infinity(), speed = 0;
  for (const ConvolutionRow& row : kConvolutions) {
    if (row.isa != table_isa()) continue;
    const double measured = row.speed[static_cast<size_t>(pass)][blocked][at];
    if (measured == 0) continue;
    const double d = distance(shape, row.shape);
    if (d < nearest) nearest = d, speed = measured;
  }
  check(speed > 0, "the table has rows for every instruction set");
  return shape.operations() / (speed * 1e9);
}

double relay_seconds(int64_t bytes, int threads) {
  double nearest = std::numeric_limits<double>::infinity(), speed = 0;
  for (const RelayRow& row : kRelays) {
    if (row.isa != table_isa()) continue;
    const double d = std::abs(ratio(bytes, row.bytes));
    if (d < nearest) nearest = d, speed = row.gigabytes[threads > 1];
  }
  check(speed > 0, "the table has rows for every instruction set");
  // A kernel more to start, and what it writes drives something else out of the cache.
  return 2e-6 + static_cast<double>(bytes) / (speed * 1e9);
}

}  // namespace varve::backend::cpu
