// Tile programs: chains of pointwise functions with broadcast and reductions, as plain data that
// the CPU interprets strip by strip and from which CUDA source is generated.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/pointwise.h"
#include "varve/types.h"

namespace varve::tiling {

/// What a slot holds while it is computed. Every dtype but u64 is exact in one of them; a u64
/// loaded as i64 keeps its bits, so only functions that `keeps_u64` accepts are right for it.
enum class Type : uint8_t { f32, f64, i32, i64 };
inline constexpr int kTypeCount = 4;
const char* name_of(Type type);
/// The type in which values of `dtype` are computed: f32 for halves, i32 for bool and up to i32,
/// i64 for u32 and 64-bit integers.
Type compute_type(DType dtype);
constexpr bool is_floating(Type type) { return type <= Type::f64; }
/// Is the function right modulo 2^64, so that u64 may pass as i64?
bool keeps_u64(Pointwise function);

/// Steps in elements along [outer, middle, inner]; 0 where the value is the same (broadcast).
using Strides = std::array<int64_t, 3>;
using Axes = std::array<bool, 3>;

/// An array in memory that is read. The pointer given at run time is that of element [0, 0, 0];
/// steps may be negative.
struct Operand {
  DType dtype = DType::f32;
  Strides strides{};
  bool operator==(const Operand&) const = default;
};

enum class Opcode : uint8_t {
  load,         // operand `operand`, converted to `type` (rules: base/convert.h)
  constant,     // `number` (floating types) or `integer`
  call,         // `function` of the slots `arguments`, all of this `type`
  cast,         // slot arguments[0], of any type, rounded to `through`, then converted to `type`
  random_bits,  // type i32: the bits of Philox word (key, stream, index); see index_strides
  random_unit,  // type f32: philox::unit_float of the same word: uniform in [0, 1)
};

/// Instruction i defines slot i and reads earlier slots only.
struct Instruction {
  Opcode opcode = Opcode::load;
  Type type = Type::f32;
  Pointwise function = Pointwise::identity;
  std::array<int32_t, 3> arguments{-1, -1, -1};
  /// load: the operand. random: an operand of two u64, {key, stream}, whose steps mean nothing.
  int32_t operand = -1;
  double number = 0;
  int64_t integer = 0;
  DType through = DType::f32;
  /// random: index of the word at (o, m, i) = o * s[0] + m * s[1] + i * s[2], never negative; the
  /// row-major steps of the tensor that the op makes, 0 along axes over which it is broadcast.
  Strides index_strides{};
};

enum class Reduce : uint8_t { none, sum, prod, max, min };
const char* name_of(Reduce reduce);

/// An array in memory that is written: a slot, or its reduction over the marked axes (steps 0
/// there). Sum and prod over nothing are 0 and 1, max and min the least and greatest value of the
/// type (floating: the infinities); max and min hand NaN on. Outputs never overlap one another; one
/// may be the very array of an operand (same pointer, element size and steps), where it reduces
/// nothing.
struct Output {
  int32_t slot = -1;
  Reduce reduce = Reduce::none;
  Axes axes{};
  DType dtype = DType::f32;
  Strides strides{};
};

struct TileProgram {
  std::array<int64_t, 3> extents{1, 1, 1};  // [outer, middle, inner]
  std::vector<Operand> operands{};
  std::vector<Instruction> instructions{};
  std::vector<Output> outputs{};

  /// Each adds an instruction and returns its slot.
  int load(int operand, Type type);
  int constant(double value, Type type);
  int constant_integer(int64_t value, Type type);
  int call(Pointwise function, int a, int b = -1, int c = -1);
  int cast(int slot, Type type);
  /// Rounds to `through` on the way: what storing and loading again would give.
  int cast(int slot, Type type, DType through);
  int random(Opcode bits_or_unit, int key_operand, Strides index_strides);

  int64_t size() const { return extents[0] * extents[1] * extents[2]; }
};

/// Throws InternalError, naming the instruction or output, where a program is not well formed.
void validate(const TileProgram& program);

/// For example
///   tile [1, 128, 10]
///     in0: f32 [0, 10, 1]
///     %0 = load.f32 in0
///     %1 = constant.f32 0.5
///     %2 = multiply.f32 %0, %1
///     out0: f32 [0, 10, 1] = %2
///     out1: f32 [0, 0, 1] = sum[0, 1] %2
std::string to_string(const TileProgram& program);

/// An iteration space of any rank, and one set of steps for each array in it.
struct Space {
  std::vector<int64_t> extents;
  std::vector<std::vector<int64_t>> strides;
};
/// Joins neighbouring axes wherever every array allows it (step of the outer one = step of the
/// inner one times its extent), drops axes of extent 1, and fills up with axes of extent 1 at the
/// front. `kinds[axis]` keeps apart axes that must not be joined although their steps allow it
/// (reduced and kept ones). False where more than three axes remain.
bool collapse(Space& space, std::vector<int> kinds);

}  // namespace varve::tiling
