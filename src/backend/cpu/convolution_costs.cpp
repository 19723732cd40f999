#include "backend/cpu/convolution_costs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "backend/cpu/cost_distance.h"
#include "backend/cpu/instruction_set.h"
#include "base/error.h"

namespace varve::backend::cpu {
namespace {

struct ConvolutionRow {
  std::string_view isa;
  ConvolutionShape shape;
  /// Billions of operations a second: [pass][way][1 thread, 2 threads], Winograd's counted over
  /// whole tiles; 0 where there is no kernel.
  double speed[3][4][2];
};
/// The same of kernels that were laid out beforehand, forward: [way][threads].
struct PackedRow {
  std::string_view isa;
  ConvolutionShape shape;
  double speed[4][2];
};
struct RelayRow {
  std::string_view isa;
  int64_t bytes;
  double gigabytes[2];  // a second, with 1 thread and with 2
};

#include "backend/cpu/cost_table.inc"
#include "backend/cpu/packed_table.inc"

std::string_view table_isa() {
  const std::string_view isa = varve::cpu::instruction_set();
  return isa == "avx512" ? isa : "avx2";
}

/// Channels and taps decide which loops a kernel runs; the size of the maps and the batch only how
/// long.
double distance(const ConvolutionShape& a, const ConvolutionShape& b) {
  return square(octaves(a.in, b.in)) + square(octaves(a.out, b.out)) +
         square(octaves(a.taps, b.taps)) + square(octaves(a.positions, b.positions)) / 2 +
         square(octaves(a.batch, b.batch)) / 8 + (a.strided != b.strided ? 4 : 0);
}

/// Seconds by the rows that are most like a shape; speed_of(row, way) is 0 where none was measured.
template <class Rows, class Speed>
double seconds_by(const Rows& rows, const ConvolutionShape& shape, ConvolutionWay way,
                  const Speed& speed_of) {
  const bool by_another = way == ConvolutionWay::winograd || way == ConvolutionWay::product;
  const ConvolutionWay direct = by_another ? ConvolutionWay::plain : way;
  double nearest = std::numeric_limits<double>::infinity(), speed = 0;
  double both_nearest = nearest, gain = 0;  // over the direct kernel, where both were measured
  for (const auto& row : rows) {
    if (row.isa != table_isa() || speed_of(row, direct) == 0) continue;
    const double d = distance(shape, row.shape);
    if (d < nearest) nearest = d, speed = speed_of(row, direct);
    const double fast = speed_of(row, way);
    if (fast > 0 && d < both_nearest) both_nearest = d, gain = fast / speed_of(row, direct);
  }
  check(speed > 0, "the table has rows for every instruction set");
  const double seconds = shape.operations() / (speed * 1e9);
  if (!by_another) return seconds;
  const double waste = way == ConvolutionWay::winograd ? ratio(shape.tiled, shape.positions) : 1;
  return gain > 0 ? seconds / gain * waste : std::numeric_limits<double>::infinity();
}

}  // namespace

double convolution_seconds(ConvolutionPass pass, const ConvolutionShape& shape, ConvolutionWay way,
                           int threads) {
  const size_t at = threads > 1;
  if (shape.packed && pass == ConvolutionPass::forward) {
    return seconds_by(kPacked, shape, way, [&](const PackedRow& row, ConvolutionWay w) {
      return row.speed[static_cast<size_t>(w)][at];
    });
  }
  return seconds_by(kConvolutions, shape, way, [&](const ConvolutionRow& row, ConvolutionWay w) {
    return row.speed[static_cast<size_t>(pass)][static_cast<size_t>(w)][at];
  });
}

double relay_seconds(int64_t bytes, int threads) {
  double nearest = std::numeric_limits<double>::infinity(), speed = 0;
  for (const RelayRow& row : kRelays) {
    if (row.isa != table_isa()) continue;
    const double d = std::abs(octaves(bytes, row.bytes));
    if (d < nearest) nearest = d, speed = row.gigabytes[threads > 1];
  }
  check(speed > 0, "the table has rows for every instruction set");
  // A kernel more to start, and what it writes drives something else out of the cache.
  return 2e-6 + static_cast<double>(bytes) / (speed * 1e9);
}

}  // namespace varve::backend::cpu
