#include "transform/tile_program.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "varve/error.h"

namespace varve::tiling {
namespace {

TileProgram scale_and_sum() {
  TileProgram p{.extents = {1, 128, 10}};
  p.operands = {{DType::f32, {0, 10, 1}}, {DType::u64, {}}};
  const int x = p.load(0, Type::f32);
  const int y = p.call(Pointwise::multiply, x, p.constant(0.5, Type::f32));
  const int r = p.random(Opcode::random_unit, 1, {0, 10, 1});
  const int kept = p.cast(p.call(Pointwise::less, r, y), Type::i32, DType::u8);
  p.outputs = {{.slot = y, .dtype = DType::f32, .strides = {0, 10, 1}},
               {.slot = kept,
                .reduce = Reduce::sum,
                .axes = {true, true, false},
                .dtype = DType::i64,
                .strides = {0, 0, 1}}};
  return p;
}

TEST(TileProgram, PrintsItself) {
  EXPECT_EQ(to_string(scale_and_sum()), R"(tile [1, 128, 10]
  in0: f32 [0, 10, 1]
  in1: u64 [0, 0, 0]
  %0 = load.f32 in0
  %1 = constant.f32 0.5
  %2 = multiply.f32 %0, %1
  %3 = random_unit.f32 key in1 index [0, 10, 1]
  %4 = less.f32 %3, %2
  %5 = cast.i32 %4 through u8
  out0: f32 [0, 10, 1] = %2
  out1: i64 [0, 0, 1] = sum[0, 1] %5
)");
}

std::string fault(const TileProgram& p) {
  return test::message_of<InternalError>([&] { validate(p); });
}

TEST(TileProgram, TheValidatorNamesTheBrokenRule) {
  EXPECT_EQ(fault(scale_and_sum()), "no error");
  TileProgram p = scale_and_sum();
  p.instructions[2].arguments[1] = 2;
  EXPECT_EQ(fault(p), "tile program, %2: broken rule: arguments are earlier slots");
  p = scale_and_sum();
  p.instructions[1].type = Type::f64;
  EXPECT_EQ(fault(p), "tile program, %2: broken rule: arguments have the type of the call");
  p = scale_and_sum();
  p.instructions[4].function = Pointwise::bitwise_and;
  EXPECT_EQ(fault(p), "tile program, %4: broken rule: the function is defined for the type");
  p = scale_and_sum();
  p.operands[1].dtype = DType::i64;
  EXPECT_EQ(fault(p), "tile program, %3: broken rule: a key is u64");
  p = scale_and_sum();
  p.outputs[1].strides = {0, 1, 1};
  EXPECT_EQ(fault(p),
            "tile program, out1: broken rule: a reduction has no step along reduced axes");
  p = scale_and_sum();
  p.outputs[0].strides = {0, 0, 1};
  EXPECT_EQ(fault(p), "tile program, out0: broken rule: an output is not broadcast");
  p = scale_and_sum();
  p.outputs.clear();
  EXPECT_EQ(fault(p), "tile program, outputs: broken rule: a program has one");
}

TEST(TileProgram, AxesCollapseWhereEveryArrayAllowsIt) {
  // [8, 26, 26, 32] with a bias of [32]: all leading axes are one.
  Space s{{8, 26, 26, 32}, {{26 * 26 * 32, 26 * 32, 32, 1}, {0, 0, 0, 1}}};
  ASSERT_TRUE(collapse(s, {0, 0, 0, 0}));
  EXPECT_EQ(s.extents, (std::vector<int64_t>{1, 8 * 26 * 26, 32}));
  EXPECT_EQ(s.strides[0], (std::vector<int64_t>{0, 32, 1}));
  EXPECT_EQ(s.strides[1], (std::vector<int64_t>{0, 0, 1}));
  // A reduction of the first axis keeps it apart.
  s = {{8, 26, 32}, {{26 * 32, 32, 1}}};
  ASSERT_TRUE(collapse(s, {1, 0, 0}));
  EXPECT_EQ(s.extents, (std::vector<int64_t>{1, 8, 26 * 32}));
  // Nothing but units: a scalar.
  s = {{1, 1}, {{5, 7}}};
  ASSERT_TRUE(collapse(s, {0, 1}));
  EXPECT_EQ(s.extents, (std::vector<int64_t>{1, 1, 1}));
  // Four axes that a transposed operand keeps apart.
  s = {{2, 3, 4, 5}, {{60, 20, 5, 1}, {1, 2, 6, 24}}};
  EXPECT_FALSE(collapse(s, {0, 0, 0, 0}));
}

}  // namespace
}  // namespace varve::tiling
