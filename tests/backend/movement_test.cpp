// Strided copies against a plain loop, and gathers and scatters large enough to be shared among
// threads against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "backend/cpu/simd_indices.h"
#include "backend/cpu/simd_steps.h"
#include "backend/cpu/strided_copy.h"
#include "backend/targets.h"
#include "base/threads.h"
#include "runtime/evaluate.h"
#include "support/errors.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

struct Place {
  ir::Strides strides;
  int64_t offset = 0, size = 1;
};

/// Axes in a random order with random gaps; some turned around, some (where allowed) repeated.
Place random_place(std::mt19937& rng, const Shape& shape, bool writable) {
  const size_t rank = static_cast<size_t>(shape.rank());
  std::vector<size_t> order(rank);
  std::iota(order.begin(), order.end(), size_t{0});
  if (rng() % 2) std::shuffle(order.begin(), order.end(), rng);
  Place p{ir::Strides(rank), 0, 1};
  for (size_t axis : order) {
    const int64_t n = shape.dims()[axis];
    p.strides[axis] = p.size;
    if (!writable && rng() % 8 == 0) {
      p.strides[axis] = 0;
      continue;
    }
    if (rng() % 8 == 0) {
      p.offset += (n - 1) * p.size;
      p.strides[axis] = -p.size;
    }
    p.size *= n;
    if (rng() % 4 == 0) ++p.size;
  }
  return p;
}

template <class T>
void check_copy(std::mt19937& rng, const Shape& shape, int threads) {
  const Place from = random_place(rng, shape, false), to = random_place(rng, shape, true);
  std::vector<T> x(static_cast<size_t>(from.size)), y(static_cast<size_t>(to.size)), expected = y;
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 2654435761u + 1);
  std::vector<int64_t> index(from.strides.size(), 0);
  for (int64_t n = 0; n < shape.size(); ++n) {
    int64_t a = from.offset, b = to.offset;
    for (size_t k = 0; k < index.size(); ++k) {
      a += index[k] * from.strides[k];
      b += index[k] * to.strides[k];
    }
    expected[static_cast<size_t>(b)] = x[static_cast<size_t>(a)];
    for (size_t k = index.size(); k-- > 0;) {
      if (++index[k] < shape.dims()[k]) break;
      index[k] = 0;
    }
  }
  const cpu::StridedCopy copy(sizeof(T), shape, from.strides, to.strides);
  copy.run(x.data() + from.offset, y.data() + to.offset, threads);
  EXPECT_EQ(y, expected) << shape.to_string();
}

TEST(StridedCopies, MoveWhatAPlainLoopMoves) {
  std::mt19937 rng(3);
  for (int round = 0; round < 400; ++round) {
    std::vector<int64_t> dims(rng() % 6);
    for (int64_t& d : dims) d = std::vector<int64_t>{1, 2, 3, 7, 31, 32, 33}[rng() % 7];
    while (Shape(dims).size() > 60000) dims.pop_back();
    const int threads = 1 + static_cast<int>(rng() % 2);
    check_copy<uint8_t>(rng, Shape(dims), threads);
    check_copy<uint16_t>(rng, Shape(dims), threads);
    check_copy<uint32_t>(rng, Shape(dims), threads);
    check_copy<uint64_t>(rng, Shape(dims), threads);
  }
}

template <class T>
void check_reverse(int64_t n) {
  std::vector<T> x(static_cast<size_t>(n)), y(x.size() + 1, T{7});
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 2654435761u + 1);
  cpu::reverse(x.data(), y.data(), n);
  EXPECT_EQ(y.back(), T{7});
  y.pop_back();
  std::reverse(x.begin(), x.end());
  EXPECT_EQ(y, x);
}

TEST(Reversals, OfAllWidthsAndLengthsAreExactOnEveryInstructionSet) {
  cpu::for_each_target([] {
    for (int64_t n = 0; n < 300; ++n) {
      check_reverse<uint8_t>(n);
      check_reverse<uint16_t>(n);
      check_reverse<uint32_t>(n);
      check_reverse<uint64_t>(n);
    }
  });
}

template <class T>
void check_every_second(int64_t n) {
  std::vector<T> x(static_cast<size_t>(std::max<int64_t>(2 * n - 1, 0))), want,
      y(static_cast<size_t>(n) + 1, T{7});
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 2654435761u + 1);
  for (size_t i = 0; i < x.size(); i += 2) want.push_back(x[i]);
  want.push_back(T{7});
  cpu::every_second(x.data(), y.data(), n);
  EXPECT_EQ(y, want);
}

TEST(EverySecondWord, OfAllWidthsAndLengthsIsExactOnEveryInstructionSet) {
  cpu::for_each_target([] {
    for (int64_t n = 0; n < 300; ++n) {
      check_every_second<uint8_t>(n);
      check_every_second<uint16_t>(n);
      check_every_second<uint32_t>(n);
      check_every_second<uint64_t>(n);
    }
  });
}

TEST(StridedCopies, OfManyElementsAreSharedAmongThreads) {
  std::mt19937 rng(5);
  for (const Shape& shape : {Shape{300007}, Shape{513, 700}, Shape{9, 130, 257}, Shape{70, 5000}}) {
    for (int round = 0; round < 4; ++round) check_copy<uint32_t>(rng, shape, 2);
  }
}

TEST(StridedCopies, OfNothingDoNothing) {
  const cpu::StridedCopy copy(4, Shape{3, 0}, {0, 1}, {0, 1});
  const float from = 1;
  float to = 2;
  copy.run(&from, &to, 2);
  EXPECT_EQ(to, 2);
  copy.run(nullptr, nullptr, 2);
}

/// With all kernels and with reference kernels.
std::pair<std::vector<double>, std::vector<double>> both(const std::function<Tensor()>& f) {
  const std::vector<double> fast = f().to_doubles();
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  return {fast, f().to_doubles()};
}

TEST(GathersAndScatters, OfManyElementsAgreeWithTheReference) {
  const Tensor x = random::normal(Key(1), {3, 500, 65}), u = random::normal(Key(2), {3, 2000, 65});
  const Tensor i = random::integers(Key(3), -500, 500, {2000});
  const Tensor along = random::integers(Key(4), -500, 500, {3, 2000, 65});
  const Tensor pairs = concat({expand_dims(random::integers(Key(5), -3, 3, {4000}), 1),
                               expand_dims(random::integers(Key(6), 0, 500, {4000}), 1)},
                              1);
  const Tensor updates = random::normal(Key(7), {4000, 65});
  const std::vector<std::function<Tensor()>> exact = {
      [&] { return take(x, i, 1); },
      [&] { return take(transpose(x), i, 1); },
      [&] { return take_along_axis(x, along, 1); },
      [&] { return gather_nd(x, pairs); },
      [&] { return scatter_set(x, i, u, 1); },
      [&] { return scatter_set_along_axis(x, along, u, 1); },
      [&] { return scatter_nd_set(x, pairs, updates); },
  };
  for (size_t k = 0; k < exact.size(); ++k) {
    const auto [fast, slow] = both(exact[k]);
    EXPECT_TRUE(fast == slow) << "number " << k;
  }
  const std::vector<std::function<Tensor()>> sums = {
      [&] { return scatter_add(x, i, u, 1); },
      [&] {
        return scatter_add(zeros({500, 195}), i, reshape(u, {2000, 195}), 0);
      },
      [&] { return scatter_add_along_axis(x, along, u, 1); },
      [&] { return scatter_nd_add(x, pairs, updates); },
  };
  for (size_t k = 0; k < sums.size(); ++k) {
    const auto [fast, slow] = both(sums[k]);
    ASSERT_EQ(fast.size(), slow.size());
    // Some 30 additions of numbers below 5, rounded to 24 bits each.
    for (size_t e = 0; e < fast.size(); ++e) EXPECT_NEAR(fast[e], slow[e], 30 * 30 * 0x1p-24);
  }
}

template <class T>
void check_all_below(int64_t bound) {
  const std::vector<T> outside = {T{-1}, static_cast<T>(-bound), std::numeric_limits<T>::min(),
                                  static_cast<T>(bound), std::numeric_limits<T>::max()};
  for (int64_t n : {0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 100}) {
    std::vector<T> indices(static_cast<size_t>(n));
    for (size_t i = 0; i < indices.size(); ++i)
      indices[i] = static_cast<T>(static_cast<int64_t>(i) % 2 ? bound - 1 : 0);
    EXPECT_TRUE(cpu::all_below(indices.data(), n, bound));
    for (T& index : indices) {
      const T before = index;
      for (T other : outside) {
        index = other;
        EXPECT_FALSE(cpu::all_below(indices.data(), n, bound)) << other << " of " << n;
      }
      index = before;
    }
  }
}

TEST(Indices, OutsideTheirBoundAreSeenWhereverTheyStandOnEveryInstructionSet) {
  cpu::for_each_target([] {
    for (int64_t bound : {1, 2, 100, 1 << 30}) {
      check_all_below<int32_t>(bound);
      check_all_below<int64_t>(bound);
    }
    check_all_below<int64_t>(int64_t{1} << 40);
    // More than words can name.
    const std::vector<int32_t> large(40, INT32_MAX), less(40, INT32_MIN);
    EXPECT_TRUE(cpu::all_below(large.data(), 40, int64_t{1} << 40));
    EXPECT_FALSE(cpu::all_below(less.data(), 40, int64_t{1} << 40));
    EXPECT_FALSE(cpu::all_below(large.data(), 40, INT32_MAX));
  });
}

TEST(GathersAlongAnAxis, AgreeWithTheReferenceInEveryTypeAndLength) {
  cpu::for_each_target([] {
    for (int64_t n : {0, 1, 7, 8, 15, 16, 17, 31, 33, 100, 2100}) {
      const Tensor u = random::uniform(Key(1), {3, 5, 37}, {.low = 0, .high = 100});
      const auto indices = [&](int64_t low, int64_t high, DType as) {
        return cast(random::integers(Key(2), low, high, {3, 5, n}), as).evaluate();
      };
      for (DType dtype : {f32, f64, i32, i64, u8, bf16}) {
        const Tensor x = cast(u, dtype).evaluate();
        for (DType as : {i32, i64, u32, u64, u8, i16}) {
          const auto [fast, slow] = both([&] { return take_along_axis(x, indices(0, 37, as), 2); });
          EXPECT_TRUE(fast == slow) << n << name_of(dtype) << name_of(as);
        }
        for (DType as : {i32, i64, i16}) {
          const auto [fast, slow] =
              both([&] { return take_along_axis(x, indices(-37, 37, as), 2); });
          EXPECT_TRUE(fast == slow) << "negative " << n << name_of(dtype) << name_of(as);
        }
      }
      const Tensor at = indices(0, 5, i64);
      const std::vector<std::function<Tensor()>> others = {
          [&] {
            return take_along_axis(u, slice(indices(0, 5, i64), {{}, {}, {.stop = 37}}), 1);
          },
          [&] {
            return take_along_axis(transpose(u, {0, 2, 1}), transpose(at, {0, 2, 1}), 1);
          },
          [&] {
            return take_along_axis(slice(u, {{}, {}, {.step = 2}}), at, 2);
          },
          [&] {
            return take_along_axis(u, slice(at, {{}, {}, {.step = 3}}), 2);
          }};
      for (size_t k = n < 37 ? 1 : 0; k < others.size(); ++k) {
        const auto [fast, slow] = both(others[k]);
        EXPECT_TRUE(fast == slow) << "number " << k << " of " << n;
      }
    }
  });
  EXPECT_EQ(take_along_axis(zeros({3, 5, 0}), zeros({3, 2, 0}, i64), 1).evaluate().shape(),
            (Shape{3, 2, 0}));
  const Tensor x = random::normal(Key(3), {1000003});
  const Tensor at = random::integers(Key(4), 0, 1000003, {1000003});
  const auto [fast, slow] = both([&] { return take_along_axis(x, at, 0); });
  EXPECT_TRUE(fast == slow);
}

TEST(GathersAlongAnAxis, TellTheFirstIndexThatIsOutOfRange) {
  const Tensor x = random::normal(Key(1), {500, 100}).evaluate();
  const auto said = [&](std::vector<std::pair<int64_t, int64_t>> wrong, DType as) {
    std::vector<int64_t> indices(50000);
    for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i % 100);
    for (const auto& [place, index] : wrong) indices[static_cast<size_t>(place)] = index;
    const Tensor at = cast(tensor(indices, {500, 100}), as).evaluate();
    return test::message_of([&] { take_along_axis(x, at, 1).evaluate(); });
  };
  for (DType as : {i32, i64}) {
    EXPECT_EQ(said({{0, -101}}, as), "take_along_axis: index[0] = -101, expected -100..99");
    EXPECT_EQ(said({{3, -100}}, as), "no error");
    EXPECT_EQ(said({{49999, 100}, {49998, -1}}, as),
              "take_along_axis: index[49999] = 100, expected 0..99");
    EXPECT_EQ(said({{2047, 1000}, {2048, 100}, {40000, 101}}, as),
              "take_along_axis: index[2047] = 1000, expected 0..99");
    EXPECT_EQ(said({{45000, 102}, {30001, -300}}, as),
              "take_along_axis: index[30001] = -300, expected -100..99");
  }
}

}  // namespace
}  // namespace varve
