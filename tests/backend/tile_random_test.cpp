// Tile programs drawn at random, one by one and several in one kernel.
#include <gtest/gtest.h>

#include <random>

#include "backend/tile_cases.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

using namespace cases;

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
        outputs.push_back(outputs_of(c.program));
      }
      for (std::vector<Array>& list : outputs) {
        for (Array& a : list) out.push_back(a.data());
      }
      run(together, in, out, threads);
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
