// Chains of calls as machine code against the loops that do one call each.
#include "backend/cpu/tile_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string_view>

#include "backend/cpu/instruction_set.h"
#include "backend/cpu/tile_loops.h"
#include "backend/targets.h"
#include "base/convert.h"
#include "base/pointwise.h"

namespace varve::cpu {
namespace {

using Numbers = std::vector<float>;

/// Every pair of these numbers is met by functions of two.
Numbers special_numbers() {
  using L = std::numeric_limits<float>;
  return {0.f,
          -0.f,
          1.f,
          -1.f,
          0.5f,
          2.5f,
          -2.5f,
          3.5f,
          6.f,
          L::infinity(),
          -L::infinity(),
          L::quiet_NaN(),
          L::denorm_min(),
          -L::min(),
          L::max(),
          8388609.f};
}

/// What bf16 holds of a number.
float held(float x) { return convert<float>(convert<BFloat16>(x)); }

/// What the loops give for all values of a chain; inputs in bf16 are what it holds of these.
std::vector<Numbers> by_loops(const Chain& chain, const std::vector<Numbers>& inputs, size_t n,
                              size_t columns) {
  std::vector<Numbers> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Numbers v(n);
    for (size_t k = 0; k < n; ++k) {
      v[k] = inputs[i][chain.inputs[i] == ChainInput::splat ? 0
                       : chain.inputs[i] == ChainInput::row ? k % columns
                                                            : k];
      if (chain.inputs[i] == ChainInput::halves) v[k] = held(v[k]);
    }
    values.push_back(v);
  }
  for (const Chain::Call& c : chain.calls) {
    Numbers out(n);
    LoopArguments a{};
    for (size_t k = 0; k < 3; ++k) {
      if (c.arguments[k] < 0) continue;
      a.in[k] = values[static_cast<size_t>(c.arguments[k])].data();
      a.mask[k] = ~size_t{0};
    }
    a.out = out.data(), a.n = n;
    loop_table(tiling::Type::f32).loops[static_cast<int>(c.function)](a);
    if (c.rounded) std::transform(out.begin(), out.end(), out.begin(), held);
    values.push_back(out);
  }
  return values;
}

/// The first place where two arrays differ in their bits, NaN aside; -1 where there is none.
int64_t difference(const Numbers& a, const Numbers& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i]))
      return static_cast<int64_t>(i);
  }
  return -1;
}

void expect_as_loops(const Chain& chain, const std::vector<Numbers>& inputs, size_t n,
                     size_t columns) {
  const auto code = compile(chain);
  ASSERT_NE(code, nullptr);
  std::vector<Numbers> got(chain.outputs.size(), Numbers(n, -77.f));
  std::vector<std::vector<BFloat16>> halves(inputs.size() + got.size());
  std::vector<const void*> in;
  std::vector<void*> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (float v : inputs[i]) halves[i].push_back(convert<BFloat16>(v));
    const bool narrow = chain.inputs[i] == ChainInput::halves;
    in.push_back(narrow ? static_cast<const void*>(halves[i].data()) : inputs[i].data());
  }
  for (size_t o = 0; o < got.size(); ++o) {
    std::vector<BFloat16>& h = halves[inputs.size() + o];
    h.resize(n);
    out.push_back(chain.outputs[o].halves ? static_cast<void*>(h.data()) : got[o].data());
  }
  code->run(in.data(), out.data(), n, columns);
  const auto want = by_loops(chain, inputs, n, columns);
  for (size_t o = 0; o < got.size(); ++o) {
    Numbers w = want[static_cast<size_t>(chain.outputs[o].value)];
    if (chain.outputs[o].halves) {
      std::transform(w.begin(), w.end(), w.begin(), held);
      std::transform(halves[inputs.size() + o].begin(), halves[inputs.size() + o].end(),
                     got[o].begin(), [](BFloat16 h) { return convert<float>(h); });
    }
    const int64_t at = difference(got[o], w);
    ASSERT_EQ(at, -1) << "output " << o << " is " << got[o][static_cast<size_t>(at)]
                      << ", expected " << w[static_cast<size_t>(at)];
  }
}

/// Runs a test for each instruction set that code is made for.
template <class F>
void for_each_code(F test) {
  int sets = 0;
  for_each_target([&] {
    if (!chains(Pointwise::add)) return;
    ++sets;
    test();
  });
#if defined(__x86_64__)
  EXPECT_TRUE(sets > 0 || std::string_view(instruction_set()) == "sse4");
#endif
}

void every_function_gives_the_bits_of_its_loop() {
  const Numbers special = special_numbers();
  const size_t count = special.size(), n = count * count;
  Numbers a(n), b(n), c(n);
  for (size_t i = 0; i < n; ++i) {
    a[i] = special[i / count], b[i] = special[i % count], c[i] = special[(i / 3) % count];
  }
  int functions = 0;
  for (int f = 0; f < kPointwiseCount; ++f) {
    const auto function = static_cast<Pointwise>(f);
    if (!chains(function)) continue;
    ++functions;
    SCOPED_TRACE(name_of(function));
    Chain::Call call{function, {0, -1, -1}};
    for (int k = 1; k < info(function).arity; ++k) call.arguments[static_cast<size_t>(k)] = k;
    const Chain chain{{ChainInput::elements, ChainInput::elements, ChainInput::elements},
                      {call, {Pointwise::negative, {3, -1, -1}}},
                      {{3}, {4}}};
    expect_as_loops(chain, {a, b, c}, n, n);
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GE(functions, 30);
}
TEST(TileChain, EveryFunctionGivesTheBitsOfItsLoop) {
  for_each_code(every_function_gives_the_bits_of_its_loop);
}

// Ties, numbers that round up to infinity, subnormal ones, NaN whose lower half alone says so.
TEST(TileChain, RoundsToHalvesAsConversionsDo) {
  for_each_code([] {
    std::mt19937 random(7);
    Numbers x;
    for (uint32_t bits : {0x3f808000u, 0x3f818000u, 0x7f7fffffu, 0x7f7f7fffu, 0x7f800001u,
                          0xff800001u, 0x7fc00000u, 0x00008000u, 0x00007fffu, 0x80018000u, 0u}) {
      x.push_back(std::bit_cast<float>(bits));
    }
    while (x.size() < 4096) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
    const Chain chain{{ChainInput::elements, ChainInput::halves},
                      {{Pointwise::identity, {0, -1, -1}, true},
                       {Pointwise::negative, {0, -1, -1}},
                       {Pointwise::negative, {1, -1, -1}}},
                      {{2}, {2, true}, {3, true}, {1}, {4, true}}};
    expect_as_loops(chain, {x, x}, x.size(), x.size());
  });
}

/// A chain drawn at random and its inputs.
struct RandomChain {
  Chain chain;
  std::vector<Numbers> inputs;
  size_t n = 0, columns = 0;
};
RandomChain random_chain(uint32_t seed, const std::vector<Pointwise>& functions) {
  std::mt19937 random(seed);
  const auto pick = [&](size_t k) { return static_cast<size_t>(random()) % k; };
  RandomChain r;
  const size_t inputs = 1 + pick(14), calls = 2 + pick(20);
  r.columns = 16 * (1 + pick(3)), r.n = r.columns * pick(5);
  for (size_t i = 0; i < inputs; ++i) {
    r.chain.inputs.push_back(pick(3) == 0   ? ChainInput::row
                             : pick(4) == 0 ? ChainInput::splat
                             : pick(3) == 0 ? ChainInput::halves
                                            : ChainInput::elements);
    Numbers v(std::max<size_t>(r.n, 64));
    for (float& x : v) x = (static_cast<float>(pick(2001)) - 1000) / 64;
    if (r.chain.inputs[i] == ChainInput::splat) std::fill(v.begin(), v.end(), v[0]);
    r.inputs.push_back(v);
  }
  for (size_t c = 0; c < calls; ++c) {
    Chain::Call call{functions[pick(functions.size())]};
    if (pick(4) == 0) call = {.function = Pointwise::identity, .rounded = true};
    for (int k = 0; k < info(call.function).arity; ++k)
      call.arguments[static_cast<size_t>(k)] = static_cast<int32_t>(pick(inputs + c));
    r.chain.calls.push_back(call);
    if (c + 1 == calls || pick(4) == 0)
      r.chain.outputs.push_back({static_cast<int32_t>(inputs + c), pick(2) == 0});
  }
  return r;
}

TEST(TileChain, RandomChainsGiveTheBitsOfLoops) {
  for_each_code([] {
    std::vector<Pointwise> functions;
    for (int f = 0; f < kPointwiseCount; ++f) {
      if (chains(static_cast<Pointwise>(f))) functions.push_back(static_cast<Pointwise>(f));
    }
    int made = 0;
    for (uint32_t seed = 1; seed <= 300; ++seed) {
      SCOPED_TRACE(seed);
      const RandomChain r = random_chain(seed, functions);
      if (compile(r.chain) == nullptr) continue;  // too many values at once
      ++made;
      expect_as_loops(r.chain, r.inputs, r.n, r.columns);
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_GT(made, 150);
  });
}

TEST(TileChain, MayWriteOverItsInputs) {
  for_each_code([] {
    const Chain chain{{ChainInput::elements, ChainInput::row},
                      {{Pointwise::add, {0, 1, -1}}, {Pointwise::multiply, {2, 0, -1}}},
                      {{3}}};
    Numbers x(96), row(32);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    for (size_t i = 0; i < row.size(); ++i) row[i] = 0.5f * static_cast<float>(i);
    const auto want = by_loops(chain, {x, row}, 96, 32);
    const void* in[] = {x.data(), row.data()};
    void* out[] = {x.data()};
    compile(chain)->run(in, out, 96, 32);
    EXPECT_EQ(difference(x, want[3]), -1);
  });
}

TEST(TileChain, MayWriteHalvesOverItsInputs) {
  for_each_code([] {
    const Chain chain{{ChainInput::halves, ChainInput::elements},
                      {{Pointwise::add, {0, 1, -1}}, {Pointwise::multiply, {2, 0, -1}}},
                      {{3, true}}};
    std::vector<BFloat16> x(96);
    Numbers wide(96), y(96);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = convert<BFloat16>(wide[i] = static_cast<float>(i) / 8);
      y[i] = 3 - static_cast<float>(i);
    }
    const auto want = by_loops(chain, {wide, y}, 96, 96);
    const void* in[] = {x.data(), y.data()};
    void* out[] = {x.data()};
    compile(chain)->run(in, out, 96, 96);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(convert<float>(x[i]), held(want[3][i])) << i;
  });
}

/// The negatives of so many arrays, all made before the first is stored.
Chain negatives(int32_t count) {
  Chain chain{std::vector<ChainInput>(static_cast<size_t>(count), ChainInput::elements), {}, {}};
  for (int32_t i = 0; i < count; ++i) {
    chain.calls.push_back({Pointwise::negative, {i, -1, -1}});
    chain.outputs.push_back({count + i});
  }
  return chain;
}
TEST(TileChain, TooManyValuesAtOnceAreRefused) {
  for_each_code([] {
    EXPECT_EQ(compile(negatives(33)), nullptr);
    const auto code = compile(negatives(12));
    EXPECT_NE(code, nullptr);
    EXPECT_EQ(code, compile(negatives(12))) << "equal chains share their code";
  });
}

}  // namespace
}  // namespace varve::cpu
