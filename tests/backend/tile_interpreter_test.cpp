// Tile programs run by the interpreter against the plainest evaluation: one element at a time.
#include "backend/cpu/tile_interpreter.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "backend/targets.h"
#include "base/convert.h"
#include "base/philox.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

using tiling::Opcode;
using tiling::Reduce;
using tiling::Strides;
using tiling::TileProgram;
using tiling::Type;

/// Calls f with a zero of the C++ type of `dtype`.
template <class F>
auto with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::bool_:
      return f(bool{});
    case DType::u8:
      return f(uint8_t{});
    case DType::i8:
      return f(int8_t{});
    case DType::u16:
      return f(uint16_t{});
    case DType::i16:
      return f(int16_t{});
    case DType::u32:
      return f(uint32_t{});
    case DType::i32:
      return f(int32_t{});
    case DType::u64:
      return f(uint64_t{});
    case DType::i64:
      return f(int64_t{});
    case DType::f16:
      return f(Float16{});
    case DType::bf16:
      return f(BFloat16{});
    case DType::f32:
      return f(float{});
    case DType::f64:
      break;
  }
  return f(double{});
}
template <class F>
auto with_type(Type type, F f) {
  static constexpr DType kTypes[] = {DType::f32, DType::f64, DType::i32, DType::i64};
  return with_type(kTypes[static_cast<int>(type)], f);
}

/// A value of any computing type: floats as double, integers as int64.
struct Value {
  double f = 0;
  int64_t i = 0;
};
template <class T>
Value value_of(T v) {
  if constexpr (std::is_integral_v<T>) return {0, static_cast<int64_t>(v)};
  return {static_cast<double>(v), 0};
}
template <class T>
T in_type(Value v) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(v.i);
  return T(v.f);
}
Value convert_value(Value v, Type from, DType through) {
  return with_type(from, [&](auto a) {
    return with_type(
        through, [&](auto b) { return value_of(convert<decltype(b)>(in_type<decltype(a)>(v))); });
  });
}
Value load_value(const void* p, DType from, Type to) {
  return with_type(from, [&](auto a) {
    decltype(a) element;
    std::memcpy(&element, p, sizeof(element));
    return with_type(to, [&](auto b) { return value_of(convert<decltype(b)>(element)); });
  });
}
DType native(Type type) {
  return with_type(type, [](auto a) { return dtype_of<decltype(a)>; });
}

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

struct Case {
  TileProgram program;
  std::vector<Array> operands;
};

template <class F>
void for_each_element(const std::array<int64_t, 3>& e, F f) {
  for (int64_t o = 0; o < e[0]; ++o) {
    for (int64_t m = 0; m < e[1]; ++m) {
      for (int64_t i = 0; i < e[2]; ++i) f(o, m, i);
    }
  }
}

void fill(Case& c, uint32_t seed) {
  std::mt19937_64 random(seed);
  for (Array& array : c.operands) {
    if (array.dtype == DType::u64) {
      const uint64_t key[2] = {0x0123456789abcdef, 7};
      array.bytes.resize(array.bytes.size() + 16);
      std::memcpy(array.data(), key, 16);
      continue;
    }
    for_each_element(c.program.extents, [&](int64_t o, int64_t m, int64_t i) {
      const double v = static_cast<double>(static_cast<int64_t>(random() % 4001) - 2000) / 256;
      with_type(array.dtype, [&](auto a) {
        const auto element = convert<decltype(a)>(v * 8);
        std::memcpy(array.at(o, m, i), &element, sizeof(element));
      });
    });
  }
}

/// All slots of one element.
std::vector<Value> evaluate(Case& c, int64_t o, int64_t m, int64_t i) {
  std::vector<Value> slots;
  for (const tiling::Instruction& in : c.program.instructions) {
    const auto arg = [&](size_t k) { return slots[static_cast<size_t>(in.arguments[k])]; };
    Value v;
    switch (in.opcode) {
      case Opcode::load: {
        Array& array = c.operands[static_cast<size_t>(in.operand)];
        v = load_value(array.at(o, m, i), array.dtype, in.type);
        break;
      }
      case Opcode::constant:
        v = is_floating(in.type) ? Value{in.number, 0} : Value{0, in.integer};
        v = convert_value(v, in.type, native(in.type));
        break;
      case Opcode::cast: {
        const Type from = c.program.instructions[static_cast<size_t>(in.arguments[0])].type;
        const Value rounded = convert_value(arg(0), from, in.through);
        v = with_type(in.through, [&](auto a) {
          const auto element = in_type<decltype(a)>(rounded);
          return load_value(&element, in.through, in.type);
        });
        break;
      }
      case Opcode::random_bits:
      case Opcode::random_unit: {
        const auto* key =
            reinterpret_cast<const uint64_t*>(c.operands[static_cast<size_t>(in.operand)].data());
        const Strides& s = in.index_strides;
        const uint32_t word =
            philox::word(key[0], key[1], static_cast<uint64_t>(o * s[0] + m * s[1] + i * s[2]));
        v = in.opcode == Opcode::random_unit ? value_of(philox::unit_float(word))
                                             : value_of(static_cast<int32_t>(word));
        break;
      }
      case Opcode::call:
        v = with_type(in.type, [&](auto a) {
          using T = decltype(a);
          if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> ||
                        std::is_same_v<T, int32_t> || std::is_same_v<T, int64_t>) {
            const int n = info(in.function).arity;
            return value_of(plain_pointwise<T>(in.function)(in_type<T>(arg(0)),
                                                            n > 1 ? in_type<T>(arg(1)) : T{},
                                                            n > 2 ? in_type<T>(arg(2)) : T{}));
          } else {
            return Value{};
          }
        });
        break;
    }
    slots.push_back(v);
  }
  return slots;
}

/// Runs a kernel into fresh arrays.
std::vector<Array> run(Case& c, const TileKernel& kernel, int threads) {
  std::vector<Array> outputs;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (Array& a : c.operands) in.push_back(a.data());
  for (const tiling::Output& o : c.program.outputs) {
    outputs.emplace_back(o.dtype, o.strides, c.program.extents);
  }
  for (Array& a : outputs) out.push_back(a.data());
  const size_t bytes = kernel.scratch_bytes(threads);
  std::vector<std::byte> memory(bytes + 64, std::byte{0xff});
  void* scratch = memory.data();
  size_t room = memory.size();
  std::align(64, bytes, scratch, room);
  set_thread_count(threads);
  kernel.run(in.data(), out.data(), scratch, threads);
  return outputs;
}

double combine(Reduce reduce, double a, double b) {
  if (reduce == Reduce::sum) return a + b;
  if (reduce == Reduce::prod) return a * b;
  if (std::isnan(a) || std::isnan(b)) return std::nan("");
  return reduce == Reduce::max ? std::max(a, b) : std::min(a, b);
}

/// Where two arrays differ, margins included; NaN is NaN and zero is zero, whatever their bits.
std::string first_difference(Array& got, Array& want) {
  const auto size = static_cast<size_t>(size_of(want.dtype));
  for (size_t at = 0; at < want.bytes.size(); at += size) {
    if (std::memcmp(&got.bytes[at], &want.bytes[at], size) == 0) continue;
    const double a = load_value(&got.bytes[at], want.dtype, Type::f64).f;
    const double b = load_value(&want.bytes[at], want.dtype, Type::f64).f;
    if (is_floating(want.dtype) && (a == b || (std::isnan(a) && std::isnan(b)))) continue;
    const auto index = (static_cast<int64_t>(at) - want.origin) / static_cast<int64_t>(size);
    return "at offset " + std::to_string(index) + ": got " + std::to_string(a) + ", expected " +
           std::to_string(b);
  }
  return "";
}

/// What the outputs must hold. Reductions in double, with the sum of absolute values for the bound.
void expect_outputs(Case& c, std::vector<Array>& got) {
  const TileProgram& p = c.program;
  std::vector<Array> want;
  struct Sum {
    double value = 0, size = 0;
    int64_t count = 0;
  };
  std::vector<std::map<uint8_t*, Sum>> sums(p.outputs.size());
  for (const tiling::Output& o : p.outputs) want.emplace_back(o.dtype, o.strides, p.extents);
  for_each_element(p.extents, [&](int64_t o, int64_t m, int64_t i) {
    const std::vector<Value> slots = evaluate(c, o, m, i);
    for (size_t k = 0; k < p.outputs.size(); ++k) {
      const tiling::Output& out = p.outputs[k];
      const Type type = p.instructions[static_cast<size_t>(out.slot)].type;
      const Value v = slots[static_cast<size_t>(out.slot)];
      uint8_t* place = want[k].at(o, m, i);
      if (out.reduce != Reduce::none) {
        const double x = is_floating(type) ? v.f : static_cast<double>(v.i);
        auto [it, fresh] = sums[k].try_emplace(place, Sum{x, std::fabs(x), 1});
        if (!fresh) {
          it->second = {combine(out.reduce, it->second.value, x), it->second.size + std::fabs(x),
                        it->second.count + 1};
        }
      } else {
        const Value stored = convert_value(v, type, out.dtype);
        with_type(out.dtype, [&](auto a) {
          const auto element = in_type<decltype(a)>(stored);
          std::memcpy(place, &element, sizeof(element));
        });
      }
    }
  });
  for (size_t k = 0; k < p.outputs.size(); ++k) {
    const tiling::Output& out = p.outputs[k];
    for (auto& [place, sum] : sums[k]) {
      const auto offset = static_cast<size_t>(place - want[k].bytes.data());
      const double value = load_value(&got[k].bytes[offset], out.dtype, Type::f64).f;
      const bool exact = out.reduce == Reduce::max || out.reduce == Reduce::min ||
                         !is_floating(p.instructions[static_cast<size_t>(out.slot)].type);
      // 2 sqrt(K) 2^-24 of the sum of sizes; a product: as many roundings of its own size.
      const double bound = 2 * std::sqrt(static_cast<double>(sum.count)) * 0x1p-24 *
                           (out.reduce == Reduce::sum ? sum.size : std::fabs(sum.value));
      ASSERT_NEAR(value, sum.value, exact ? 0 : bound) << tiling::to_string(p) << "output " << k;
      std::memcpy(place, &got[k].bytes[offset], static_cast<size_t>(size_of(out.dtype)));
    }
    ASSERT_EQ(first_difference(got[k], want[k]), "") << tiling::to_string(p) << "output " << k;
  }
}

void check_case(Case c, uint32_t seed = 1) {
  fill(c, seed);
  for_each_target([&] {
    const TileKernel kernel(c.program);
    std::vector<Array> one = run(c, kernel, 1);
    expect_outputs(c, one);
    for (const int threads : {2, 3}) {
      std::vector<Array> many = run(c, kernel, threads);
      for (size_t k = 0; k < one.size(); ++k) ASSERT_EQ(one[k].bytes, many[k].bytes);
    }
  });
  set_thread_count(2);
}

Case make(std::array<int64_t, 3> extents, std::vector<tiling::Operand> operands) {
  Case c{{.extents = extents}, {}};
  for (const tiling::Operand& o : operands) {
    c.program.operands.push_back(o);
    c.operands.emplace_back(o.dtype, o.strides, extents);
  }
  return c;
}

Strides row_major(std::array<int64_t, 3> e) { return {e[1] * e[2], e[2], 1}; }

// Sizes that break loops: around a block (16), around a tile (1024), primes, nothing.
const std::vector<std::array<int64_t, 3>> kShapes = {
    {1, 1, 0},    {1, 1, 1},    {1, 1, 15},   {1, 1, 16},   {1, 1, 17},  {1, 1, 1023}, {1, 1, 1024},
    {1, 1, 1025}, {1, 1, 4099}, {1, 7, 1},    {1, 1031, 1}, {1, 37, 10}, {1, 300, 32}, {1, 5, 1500},
    {1, 3, 1024}, {3, 5, 7},    {2, 130, 33}, {5, 1, 1100}, {1, 0, 8},   {40, 3, 2}};

TEST(TileInterpreter, RunsAChainOverEverySize) {
  for (const auto& e : kShapes) {
    Case c = make(e, {{DType::f32, row_major(e)}, {DType::f32, {0, 0, 1}}, {DType::f32, {}}});
    TileProgram& p = c.program;
    const int x = p.load(0, Type::f32), bias = p.load(1, Type::f32), scale = p.load(2, Type::f32);
    const int y = p.call(Pointwise::add, x, bias);
    const int z = p.call(Pointwise::multiply, y, p.call(Pointwise::square, scale));
    const int r =
        p.call(Pointwise::relu, p.call(Pointwise::subtract, z, p.constant(1.5, Type::f32)));
    p.outputs = {{.slot = r, .dtype = DType::f32, .strides = row_major(e)},
                 {.slot = y, .dtype = DType::bf16, .strides = row_major(e)}};
    check_case(c);
  }
}

TEST(TileInterpreter, ReadsStridedReversedAndBroadcastOperands) {
  for (const auto& e : kShapes) {
    // Transposed, reversed with gaps, one a row, one an outer index.
    Case c = make(e, {{DType::f32, {e[1] * e[2], 1, e[1]}},
                      {DType::f32, {3 * e[1] * e[2], -3 * e[2], -3}},
                      {DType::f32, {e[1], 1, 0}},
                      {DType::f32, {1, 0, 0}},
                      {DType::f32, {e[2], 0, 1}}});
    TileProgram& p = c.program;
    int sum = p.load(0, Type::f32);
    for (int k = 1; k < 5; ++k) sum = p.call(Pointwise::add, sum, p.load(k, Type::f32));
    // Out transposed, and with gaps.
    p.outputs = {
        {.slot = sum, .dtype = DType::f32, .strides = {e[1] * e[2], 1, std::max<int64_t>(e[1], 1)}},
        {.slot = sum, .dtype = DType::f64, .strides = {2 * e[1] * e[2], 2 * e[2], 2}},
        {.slot = 0, .dtype = DType::f32, .strides = row_major(e)}};
    check_case(c);
  }
}

TEST(TileInterpreter, ReducesOverEveryChoiceOfAxes) {
  for (const auto& e : kShapes) {
    if (e[0] * e[1] * e[2] == 0) continue;
    for (int mask = 1; mask < 8; ++mask) {
      const tiling::Axes axes{(mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0};
      Strides out{};
      int64_t step = 1;
      for (size_t a = 3; a-- > 0;) {
        if (!axes[a]) out[a] = step, step *= std::max<int64_t>(e[a], 1);
      }
      Case c = make(e, {{DType::f32, row_major(e)}, {DType::i32, row_major(e)}});
      TileProgram& p = c.program;
      const int x = p.call(Pointwise::absolute, p.load(0, Type::f32));
      const int n = p.load(1, Type::i32);
      const int near_one =
          p.call(Pointwise::add, p.constant(1, Type::f64),
                 p.call(Pointwise::multiply, p.cast(x, Type::f64), p.constant(1e-7, Type::f64)));
      p.outputs = {
          {.slot = x, .reduce = Reduce::sum, .axes = axes, .dtype = DType::f32, .strides = out},
          {.slot = x, .reduce = Reduce::max, .axes = axes, .dtype = DType::f32, .strides = out},
          {.slot = n, .reduce = Reduce::sum, .axes = axes, .dtype = DType::i64, .strides = out},
          {.slot = n, .reduce = Reduce::min, .axes = axes, .dtype = DType::i32, .strides = out},
          {.slot = near_one,
           .reduce = Reduce::prod,
           .axes = axes,
           .dtype = DType::f64,
           .strides = out},
          {.slot = x, .dtype = DType::f32, .strides = row_major(e)}};
      check_case(c);
    }
  }
}

TEST(TileInterpreter, ManyPartsOfAReductionAreCombined) {
  for (const std::array<int64_t, 3>& e : {std::array<int64_t, 3>{1, 20011, 10},
                                          {1, 700, 401},
                                          {1, 1, 300007},
                                          {7, 11, 3001},
                                          {64, 9, 130}}) {
    Case c = make(e, {{DType::f32, row_major(e)}});
    TileProgram& p = c.program;
    const int x = p.load(0, Type::f32);
    p.outputs = {
        {.slot = x,
         .reduce = Reduce::sum,
         .axes = {true, true, false},
         .dtype = DType::f32,
         .strides = {0, 0, 1}},
        {.slot = x, .reduce = Reduce::sum, .axes = {true, true, true}, .dtype = DType::f32},
        {.slot = x,
         .reduce = Reduce::max,
         .axes = {false, true, true},
         .dtype = DType::f32,
         .strides = {1, 0, 0}},
        {.slot = x,
         .reduce = Reduce::sum,
         .axes = {false, false, true},
         .dtype = DType::f32,
         .strides = {e[1], 1, 0}}};
    check_case(c);
  }
}

TEST(TileInterpreter, ReductionsOverNothingGiveTheNeutralValue) {
  Case c = make({2, 0, 3}, {{DType::f32, {0, 3, 1}}});
  TileProgram& p = c.program;
  const int x = p.load(0, Type::f32), n = p.cast(x, Type::i32);
  const tiling::Axes axes{false, true, true};
  p.outputs = {
      {.slot = x, .reduce = Reduce::sum, .axes = axes, .dtype = DType::f32, .strides = {1, 0, 0}},
      {.slot = x, .reduce = Reduce::max, .axes = axes, .dtype = DType::f32, .strides = {1, 0, 0}},
      {.slot = n, .reduce = Reduce::prod, .axes = axes, .dtype = DType::i32, .strides = {1, 0, 0}},
      {.slot = n, .reduce = Reduce::min, .axes = axes, .dtype = DType::i32, .strides = {1, 0, 0}}};
  std::vector<Array> out = run(c, TileKernel(p), 1);
  for (int o = 0; o < 2; ++o) {
    EXPECT_EQ(load_value(out[0].at(o, 0, 0), DType::f32, Type::f64).f, 0);
    EXPECT_EQ(load_value(out[1].at(o, 0, 0), DType::f32, Type::f64).f, -INFINITY);
    EXPECT_EQ(load_value(out[2].at(o, 0, 0), DType::i32, Type::i64).i, 1);
    EXPECT_EQ(load_value(out[3].at(o, 0, 0), DType::i32, Type::i64).i, INT32_MAX);
  }
}

TEST(TileInterpreter, NanGoesThroughMaximaAndMinima) {
  Case c = make({1, 3, 100}, {{DType::f32, {0, 100, 1}}});
  fill(c, 1);
  const float nan = std::nanf("");
  std::memcpy(c.operands[0].at(0, 1, 57), &nan, 4);
  TileProgram& p = c.program;
  const int x = p.load(0, Type::f32);
  p.outputs = {{.slot = x,
                .reduce = Reduce::max,
                .axes = {false, false, true},
                .dtype = DType::f32,
                .strides = {0, 1, 0}},
               {.slot = x,
                .reduce = Reduce::min,
                .axes = {false, true, false},
                .dtype = DType::f32,
                .strides = {0, 0, 1}}};
  for_each_target([&] {
    std::vector<Array> out = run(c, TileKernel(p), 1);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(std::isnan(load_value(out[0].at(0, i, 0), DType::f32, Type::f64).f), i == 1);
    }
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(std::isnan(load_value(out[1].at(0, 0, i), DType::f32, Type::f64).f), i == 57);
    }
  });
}

TEST(TileInterpreter, ConvertsEveryTypeAtLoadAndStore) {
  for (const auto& e : {std::array<int64_t, 3>{1, 1, 1500}, {1, 30, 33}, {2, 3, 5}}) {
    for (int in = 0; in < kDTypeCount; ++in) {
      if (static_cast<DType>(in) == DType::u64) continue;  // a key here
      for (const Type type : {Type::f32, Type::f64, Type::i32, Type::i64}) {
        Case c = make(e, {{static_cast<DType>(in), row_major(e)}});
        const int x = c.program.load(0, type);
        const int y = c.program.call(Pointwise::add, x, c.program.constant(3, type));
        for (int out = 0; out < kDTypeCount; ++out) {
          c.program.outputs.push_back(
              {.slot = y, .dtype = static_cast<DType>(out), .strides = row_major(e)});
        }
        check_case(c);
      }
    }
  }
}

TEST(TileInterpreter, CastsBetweenComputingTypesThroughAnyType) {
  const std::array<int64_t, 3> e{1, 40, 33};
  for (const Type from : {Type::f32, Type::f64, Type::i32, Type::i64}) {
    for (const Type to : {Type::f32, Type::f64, Type::i32, Type::i64}) {
      Case c = make(e, {{DType::f64, row_major(e)}, {DType::f32, {}}});
      TileProgram& p = c.program;
      const int x = p.cast(p.load(0, Type::f64), from);
      for (int through = 0; through < kDTypeCount; ++through) {
        const int y = p.cast(x, to, static_cast<DType>(through));
        p.outputs.push_back({.slot = y, .dtype = native(to), .strides = row_major(e)});
      }
      const int scalar = p.cast(p.cast(p.load(1, Type::f32), from), to, DType::u8);
      p.outputs.push_back({.slot = scalar, .dtype = native(to), .strides = row_major(e)});
      check_case(c);
    }
  }
}

TEST(TileInterpreter, RandomWordsAreThoseOfTheLogicalIndex) {
  for (const auto& e : kShapes) {
    const std::vector<Strides> indices = {row_major(e), {e[2], 0, 1},           {0, 1, 0},
                                          {1, 0, 0},    {e[1] * e[2], 1, e[1]}, {0, 0, 3}};
    for (const Strides& index : indices) {
      Case c = make(e, {{DType::u64, {}}});
      TileProgram& p = c.program;
      const int bits = p.random(Opcode::random_bits, 0, index);
      const int unit = p.random(Opcode::random_unit, 0, index);
      p.outputs = {{.slot = bits, .dtype = DType::i32, .strides = row_major(e)},
                   {.slot = unit, .dtype = DType::f32, .strides = row_major(e)}};
      check_case(c);
    }
  }
}

TEST(TileInterpreter, AnOutputMayLieOnAnOperand) {
  for (const auto& e : kShapes) {
    Case c = make(e, {{DType::f32, row_major(e)}, {DType::f32, row_major(e)}});
    TileProgram& p = c.program;
    const int x = p.load(0, Type::f32), y = p.load(1, Type::f32);
    const int sum = p.call(Pointwise::add, x, y);
    const int product = p.call(Pointwise::multiply, sum, x);  // reads x after the sum is made
    p.outputs = {{.slot = sum, .dtype = DType::f32, .strides = row_major(e)},
                 {.slot = product, .dtype = DType::f32, .strides = row_major(e)}};
    fill(c, 1);
    for_each_target([&] {
      const TileKernel kernel(p);
      std::vector<Array> apart = run(c, kernel, 1);
      std::vector<Array> shared = c.operands;
      const void* in[] = {shared[0].data(), shared[1].data()};
      void* out[] = {shared[0].data(), shared[1].data()};
      std::vector<std::byte> memory(kernel.scratch_bytes(2) + 64);
      kernel.run(in, out, memory.data(), 2);
      for (size_t k = 0; k < 2; ++k) ASSERT_EQ(shared[k].bytes, apart[k].bytes);
    });
  }
}

TEST(TileInterpreter, TwoOperandsMaySwapPlaces) {
  const std::array<int64_t, 3> e{1, 1, 5000};
  Case c = make(e, {{DType::f32, row_major(e)}, {DType::f32, row_major(e)}});
  TileProgram& p = c.program;
  const int x = p.load(0, Type::f32), y = p.load(1, Type::f32);
  p.outputs = {{.slot = y, .dtype = DType::f32, .strides = row_major(e)},
               {.slot = x, .dtype = DType::f32, .strides = row_major(e)}};
  fill(c, 1);
  const TileKernel kernel(p);
  std::vector<Array> shared = c.operands;
  const void* in[] = {shared[0].data(), shared[1].data()};
  void* out[] = {shared[0].data(), shared[1].data()};
  std::vector<std::byte> memory(kernel.scratch_bytes(1) + 64);
  kernel.run(in, out, memory.data(), 1);
  EXPECT_EQ(shared[0].bytes, c.operands[1].bytes);
  EXPECT_EQ(shared[1].bytes, c.operands[0].bytes);
}

/// A program of a dozen exact instructions over random operands.
Case random_case(uint32_t seed) {
  std::mt19937 random(seed);
  const auto pick = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  std::array<int64_t, 3> e{1 + pick(3), 1 + pick(60), 1 + pick(60)};
  if (pick(4) == 0) e[0] = 1, e[1] = 1 + pick(3), e[2] = 1 + pick(2500);
  std::vector<tiling::Operand> operands;
  constexpr DType kTypes[] = {DType::f32, DType::f32, DType::f64,   DType::bf16,
                              DType::u8,  DType::i32, DType::bool_, DType::i64};
  for (int64_t k = 0, n = 1 + pick(4); k < n; ++k) {
    Strides s = row_major(e);
    for (int64_t& step : s) {
      if (pick(4) == 0) step = 0;
    }
    operands.push_back({kTypes[pick(8)], s});
  }
  Case c = make(e, operands);
  TileProgram& p = c.program;
  for (int k = 0; k < static_cast<int>(operands.size()); ++k) {
    p.load(k, tiling::compute_type(operands[static_cast<size_t>(k)].dtype));
  }
  constexpr Pointwise kExact[] = {Pointwise::add,         Pointwise::subtract, Pointwise::multiply,
                                  Pointwise::maximum,     Pointwise::less,     Pointwise::select,
                                  Pointwise::clip,        Pointwise::absolute, Pointwise::floor,
                                  Pointwise::logical_and, Pointwise::divide,   Pointwise::negative};
  while (p.instructions.size() < 16) {
    const auto slots = static_cast<int64_t>(p.instructions.size());
    const auto a = static_cast<int>(pick(slots));
    const Type type = p.instructions[static_cast<size_t>(a)].type;
    const auto same_type = [&] {
      const auto b = static_cast<int>(pick(slots));
      return p.instructions[static_cast<size_t>(b)].type == type ? b : a;
    };
    switch (pick(6)) {
      case 0:
        p.constant(static_cast<double>(pick(7)) - 3, type);
        break;
      case 1:
        p.cast(a, static_cast<Type>(pick(4)), kTypes[pick(8)]);
        break;
      default:
        p.call(kExact[pick(12)], a, same_type(), same_type());
    }
  }
  for (int64_t k = 0, n = 1 + pick(3); k < n; ++k) {
    const auto slot =
        static_cast<int32_t>(p.instructions.size()) - 1 - static_cast<int32_t>(pick(6));
    p.outputs.push_back({.slot = slot, .dtype = kTypes[pick(8)], .strides = row_major(e)});
  }
  return c;
}

TEST(TileInterpreter, RandomProgramsGiveWhatTheirElementsGive) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    check_case(random_case(seed), seed);
    if (HasFatalFailure()) return;
  }
}

TEST(TileInterpreter, SeveralProgramsGiveWhatEachGivesAlone) {
  for (const uint32_t seed : {1u, 2u, 3u, 4u}) {
    std::vector<Case> cases;
    std::vector<TileProgram> programs;
    for (uint32_t k = 0; k < 5; ++k) {
      cases.push_back(random_case(seed * 100 + k));
      fill(cases.back(), seed + k);
      programs.push_back(cases.back().program);
    }
    for (const int threads : {1, 2, 3}) {
      const TileKernel together(programs);
      std::vector<std::vector<Array>> alone, outputs;
      std::vector<const void*> in;
      std::vector<void*> out;
      for (Case& c : cases) {
        alone.push_back(run(c, TileKernel(c.program), 1));
        for (Array& a : c.operands) in.push_back(a.data());
        outputs.emplace_back();
        for (const tiling::Output& o : c.program.outputs)
          outputs.back().emplace_back(o.dtype, o.strides, c.program.extents);
      }
      for (std::vector<Array>& list : outputs) {
        for (Array& a : list) out.push_back(a.data());
      }
      const size_t bytes = together.scratch_bytes(threads);
      std::vector<std::byte> memory(bytes + 64, std::byte{0xff});
      void* scratch = memory.data();
      size_t room = memory.size();
      std::align(64, bytes, scratch, room);
      set_thread_count(threads);
      together.run(in.data(), out.data(), scratch, threads);
      for (size_t c = 0; c < cases.size(); ++c) {
        for (size_t k = 0; k < alone[c].size(); ++k)
          ASSERT_EQ(outputs[c][k].bytes, alone[c][k].bytes) << seed << " program " << c;
      }
    }
  }
  set_thread_count(2);
}

}  // namespace
}  // namespace varve::cpu
