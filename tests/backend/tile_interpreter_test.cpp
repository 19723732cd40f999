// Tile programs run by the interpreter against the plainest evaluation: one element at a time.
#include "backend/cpu/tile_interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "backend/targets.h"
#include "backend/tile_cases.h"

namespace varve::cpu {
namespace {

using namespace cases;
using tiling::Opcode;
using tiling::Reduce;

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
      run(kernel, {shared[0].data(), shared[1].data()}, {shared[0].data(), shared[1].data()}, 2);
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
  run(kernel, {shared[0].data(), shared[1].data()}, {shared[0].data(), shared[1].data()}, 1);
  EXPECT_EQ(shared[0].bytes, c.operands[1].bytes);
  EXPECT_EQ(shared[1].bytes, c.operands[0].bytes);
}

}  // namespace
}  // namespace varve::cpu
