#include "backend/cpu/tile_loops.h"

namespace varve::cpu {

const LoopTable& loop_table(tiling::Type type) {
  switch (type) {
    case tiling::Type::f32:
      return float_loop_table();
    case tiling::Type::f64:
      return double_loop_table();
    case tiling::Type::i32:
      return int32_loop_table();
    case tiling::Type::i64:
      break;
  }
  return int64_loop_table();
}

}  // namespace varve::cpu
