// Tile programs, arrays for them, and their plainest evaluation: one element at a time.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "backend/cpu/tile_interpreter.h"

namespace varve::cpu::cases {

using tiling::Strides;
using tiling::TileProgram;
using tiling::Type;

/// A value of any computing type: floats as double, integers as int64.
struct Value {
  double f = 0;
  int64_t i = 0;
};

/// The element type of a computing type.
inline DType native(Type type) {
  constexpr DType kTypes[] = {DType::f32, DType::f64, DType::i32, DType::i64};
  return kTypes[static_cast<int>(type)];
}

/// The element at `p`, converted as a load converts it.
Value load_value(const void* p, DType from, Type to);

/// Arrays with room around them; what no element covers is filled with 0xff bytes (NaN, -1), and
/// must still be there afterwards.
struct Array {
  DType dtype = DType::f32;
  Strides strides{};
  std::vector<uint8_t> bytes;
  int64_t origin = 0;  // byte of element [0, 0, 0]

  Array(DType t, Strides s, std::array<int64_t, 3> extents) : dtype(t), strides(s) {
    int64_t low = 0, high = 0;
    for (size_t a = 0; a < 3; ++a) {
      const int64_t reach = s[a] * std::max<int64_t>(extents[a] - 1, 0);
      (reach < 0 ? low : high) += reach;
    }
    const int64_t size = size_of(t);
    origin = 3 * size - low * size;  // 3 elements of margin: misaligned, too
    bytes.assign(static_cast<size_t>((high - low + 1 + 6) * size), 0xff);
  }
  uint8_t* data() { return bytes.data() + origin; }
  uint8_t* at(int64_t o, int64_t m, int64_t i) {
    return data() + (o * strides[0] + m * strides[1] + i * strides[2]) * size_of(dtype);
  }
};

/// A program and what it reads.
struct Case {
  TileProgram program;
  std::vector<Array> operands;
};

/// A case without instructions or outputs; its operands are not filled.
Case make(std::array<int64_t, 3> extents, const std::vector<tiling::Operand>& operands);
inline Strides row_major(std::array<int64_t, 3> e) { return {e[1] * e[2], e[2], 1}; }

/// Draws the operands' elements; a u64 operand becomes a key.
void fill(Case& c, uint32_t seed);

/// Fresh arrays for a program's outputs.
std::vector<Array> outputs_of(const TileProgram& program);
/// Runs a kernel in scratch of its own that is full of NaN.
void run(const TileKernel& kernel, const std::vector<const void*>& in,
         const std::vector<void*>& out, int threads);
/// Runs a kernel into fresh arrays.
std::vector<Array> run(Case& c, const TileKernel& kernel, int threads);

/// Fills the case and holds a kernel's outputs against the plainest evaluation: on every
/// instruction set, and the same bits with 1, 2 and 3 threads.
void check_case(Case c, uint32_t seed = 1);

}  // namespace varve::cpu::cases
