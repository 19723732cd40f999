#include "backend/cpu/tile_loops.h"

namespace varve::cpu {

const LoopTable& loop_table(tile::Type type) {
  switch (type) {
    case tile::Type::f32:
      return float_loop_table();
    case tile::Type::f64:
      return double_loop_table();
    case tile::Type::i32:
      return int32_loop_table();
    case tile::Type::i64:
      break;
  }
  return int64_loop_table();
}

}  // namespace varve::cpu
