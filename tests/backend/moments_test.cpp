// Means and variances of runs and columns against sums in long double, on every instruction set,
// and of any axes against the reference loops in f64.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "backend/cpu/simd_moments.h"
#include "backend/kernels_under_test.h"
#include "backend/targets.h"

namespace varve::cpu {
namespace {

struct Exact {
  double mean, variance;
};
Exact exact(const std::vector<float>& x, size_t first, size_t step, size_t n) {
  long double sum = 0, squares = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<long double>(x[first + i * step]);
  const long double mean = sum / static_cast<long double>(n);
  for (size_t i = 0; i < n; ++i) {
    const long double d = static_cast<long double>(x[first + i * step]) - mean;
    squares += d * d;
  }
  return {static_cast<double>(mean), static_cast<double>(squares / static_cast<long double>(n))};
}

std::vector<float> normal(size_t n, double mean, double deviation) {
  std::mt19937 random(static_cast<uint32_t>(n));
  std::normal_distribution<double> of(mean, deviation);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(of(random));
  return x;
}

void expect_near(double sum, double squares, double n, const Exact& e, double deviation) {
  EXPECT_NEAR(sum / n, e.mean, 1e-7 * deviation + 1e-12 * std::fabs(e.mean));
  EXPECT_NEAR(squares / n, e.variance, 2e-6 * e.variance);
}

TEST(Moments, OfRunsAgreeWithLongDoubles) {
  for_each_target([] {
    for (const size_t n : {1, 2, 3, 15, 16, 17, 63, 64, 65, 100, 1023, 1024, 1025, 5000, 70000}) {
      for (const double mean : {0., 3., 1e4, -1e6}) {
        const std::vector<float> x = normal(n, mean, 2);
        const auto count = static_cast<int64_t>(n);
        const Moments m = run_moments(x.data(), count);
        const Exact e = exact(x, 0, 1, n);
        EXPECT_EQ(m.count, static_cast<double>(n));
        expect_near(m.sum, m.squares, m.count, e, 2);
        EXPECT_NEAR(run_sum(x.data(), count) / m.count, e.mean, 1e-12 * (2 + std::fabs(mean)));
      }
    }
  });
}

TEST(Moments, OfColumnsAgreeWithLongDoubles) {
  for_each_target([] {
    for (const int64_t columns : {1, 3, 15, 16, 17, 64, 67, 131}) {
      for (const int64_t rows : {1, 2, 5, 63, 64, 65, 200}) {
        const auto n = static_cast<size_t>(rows), step = static_cast<size_t>(columns);
        const std::vector<float> x = normal(n * step, 1e3, 5);
        // Only some of the columns are asked for; what is beside them stays.
        const int64_t first = columns / 5, last = columns - columns / 7;
        std::vector<double> sums(step, -7), squares(step, -7), alone(step, -7);
        column_moments<float>({x.data(), rows, columns, first, last}, sums.data(), squares.data());
        column_moments<float>({x.data(), rows, columns, first, last}, alone.data(), nullptr);
        for (int64_t c = 0; c < columns; ++c) {
          const auto i = static_cast<size_t>(c);
          if (c < first || c >= last) {
            EXPECT_EQ(sums[i], -7);
            EXPECT_EQ(squares[i], -7);
            EXPECT_EQ(alone[i], -7);
            continue;
          }
          const Exact e = exact(x, i, step, n);
          expect_near(sums[i], squares[i], static_cast<double>(rows), e, 5);
          EXPECT_NEAR(alone[i] / static_cast<double>(rows), e.mean, 1e-9);
        }
      }
    }
  });
}

TEST(Moments, OfHalvesAreThoseOfTheFloatsThatTheyStandFor) {
  for_each_target([] {
    for (const int64_t columns : {1, 3, 16, 37, 64}) {
      for (const int64_t rows : {1, 70, 300}) {
        const auto n = static_cast<size_t>(rows * columns), step = static_cast<size_t>(columns);
        std::vector<BFloat16> halves;
        std::vector<float> wide;
        for (float v : normal(n, 3, 2)) {
          halves.emplace_back(v);
          wide.push_back(static_cast<float>(halves.back()));
        }
        const Moments got = run_moments(halves.data(), rows * columns),
                      want = run_moments(wide.data(), rows * columns);
        EXPECT_EQ(got.sum, want.sum);
        EXPECT_EQ(got.squares, want.squares);
        EXPECT_EQ(run_sum(halves.data(), rows * columns), run_sum(wide.data(), rows * columns));
        std::vector<double> sums[2], squares[2];
        for (int i : {0, 1}) sums[i].resize(step), squares[i].resize(step);
        column_moments<BFloat16>({halves.data(), rows, columns, 0, columns}, sums[0].data(),
                                 squares[0].data());
        column_moments<float>({wide.data(), rows, columns, 0, columns}, sums[1].data(),
                              squares[1].data());
        EXPECT_EQ(sums[0], sums[1]);
        EXPECT_EQ(squares[0], squares[1]);
      }
    }
  });
}

// Behind the last element lies memory that nobody may read.
TEST(Moments, ReadNothingBehindTheirNumbers) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* pages = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  auto* end = static_cast<std::byte*>(pages) + page;
  ASSERT_EQ(mprotect(end, page, PROT_NONE), 0);
  for_each_target([&] {
    for (int64_t n : {1, 3, 7, 13, 15, 21, 31}) {
      const auto* halves = reinterpret_cast<const BFloat16*>(end) - n;
      const auto* floats = reinterpret_cast<const float*>(end) - n;
      std::vector<double> sums(static_cast<size_t>(n)), squares(sums.size());
      EXPECT_EQ(run_moments(halves, n).sum, 0);
      EXPECT_EQ(run_moments(floats, n).sum, 0);
      column_moments<BFloat16>({halves, 1, n, 0, n}, sums.data(), squares.data());
      column_moments<float>({floats, 1, n, 0, n}, sums.data(), squares.data());
      EXPECT_EQ(sums[0], 0);
    }
  });
  munmap(pages, 2 * page);
}

TEST(Moments, EqualNumbersHaveExactlyThatMeanAndNoVariance) {
  for_each_target([] {
    for (const float value : {0.1f, -3.3f, 1e-40f, 1e30f, 16777216.f}) {
      const std::vector<float> x(5000, value);
      const Moments m = run_moments(x.data(), 5000);
      EXPECT_EQ(m.sum / m.count, static_cast<double>(value));
      EXPECT_EQ(m.squares, 0);
      std::vector<double> sums(50), squares(50);
      column_moments<float>({x.data(), 100, 50, 0, 50}, sums.data(), squares.data());
      for (size_t c = 0; c < 50; ++c) {
        EXPECT_EQ(sums[c] / 100, static_cast<double>(value));
        EXPECT_EQ(squares[c], 0);
      }
    }
  });
}

// Squares of these are no floats, so that the vectors must hand over to doubles, in the first block
// of rows and in later ones.
TEST(Moments, OfGreatNumbersOfBothSignsAgreeWithLongDoubles) {
  for_each_target([] {
    for (const int64_t columns : {1, 16, 37}) {
      const auto step = static_cast<size_t>(columns);
      std::vector<float> x(200 * step, 1);
      for (size_t r = 0; r < 200; ++r) {
        for (size_t c = r < 100 ? step - 1 : 0; c < step; ++c)
          x[r * step + c] = r % 2 ? 3e38f : -3e38f;
      }
      const Moments m = run_moments(x.data(), 200 * columns);
      const Exact all = exact(x, 0, 1, 200 * step);
      EXPECT_NEAR(m.squares / m.count, all.variance, 1e-6 * all.variance);
      std::vector<double> sums(step), squares(step);
      column_moments<float>({x.data(), 200, columns, 0, columns}, sums.data(), squares.data());
      for (size_t c = 0; c < step; ++c) {
        const Exact e = exact(x, c, step, 200);
        EXPECT_NEAR(squares[c] / 200, e.variance, 1e-6 * e.variance);
        EXPECT_NEAR(sums[c] / 200, e.mean, 1e-6 * std::sqrt(e.variance));
      }
    }
  });
}

TEST(Moments, InfinitiesAndNaNGoThrough) {
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for_each_target([] {
    for (const auto& [special, row] : std::vector<std::pair<float, size_t>>{
             {kInfinity, 3}, {-kInfinity, 80}, {std::nanf(""), 3}, {std::nanf(""), 99}}) {
      std::vector<float> x(3000, 1);
      x[row * 30 + 10] = special;
      const Moments m = run_moments(x.data(), 3000);
      std::vector<double> sums(30), squares(30);
      column_moments<float>({x.data(), 100, 30, 0, 30}, sums.data(), squares.data());
      for (const double sum : {m.sum, sums[10], run_sum(x.data(), 3000)}) {
        if (std::isnan(special)) {
          EXPECT_TRUE(std::isnan(sum));
        } else {
          EXPECT_EQ(sum, static_cast<double>(special));
        }
      }
      EXPECT_TRUE(std::isnan(m.squares));
      EXPECT_TRUE(std::isnan(squares[10]));
      EXPECT_EQ(sums[11], 100);
      EXPECT_EQ(squares[11], 0);
    }
  });
}

/// Turns between kept axes and reduced ones, beginning with kept ones and leaving axes of size 1
/// aside.
int turns_of(const Shape& shape, const ir::Ints& axes) {
  int turns = 0;
  bool last = false;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool now = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (shape[i] != 1 && now != last) ++turns;
    if (shape[i] != 1) last = now;
  }
  return turns;
}

/// Of the numbers that lie in order in `t`, per element of the kept axes.
std::vector<Exact> exact_moments(TestOperand& t, const ir::Ints& axes) {
  const Shape& shape = t.layout.shape;
  std::vector<std::vector<float>> numbers;
  for (int64_t i = 0; i < shape.size(); ++i) {
    size_t to = 0, step = 1;
    for (int64_t a = shape.rank(), rest = i; a-- > 0; rest /= shape[static_cast<int>(a)]) {
      if (std::find(axes.begin(), axes.end(), a) != axes.end()) continue;
      const auto size = static_cast<size_t>(shape[static_cast<int>(a)]);
      to += static_cast<size_t>(rest) % size * step;
      step *= size;
    }
    if (numbers.size() <= to) numbers.resize(to + 1);
    numbers[to].push_back(static_cast<const float*>(t.data())[i]);
  }
  std::vector<Exact> all;
  for (const auto& of_one : numbers) all.push_back(exact(of_one, 0, 1, of_one.size()));
  return all;
}

TEST(MomentKernels, TakeAnyAxesInUpToThreeTurnsAndAgreeWithDoubles) {
  int taken = 0;
  for (const Shape& shape : {Shape{300, 7, 2, 19}, Shape{3, 41, 1, 1100}, Shape{2, 70000},
                             Shape{5, 3, 4, 6, 2}, Shape{70000, 3}, Shape{1, 2000, 2, 20}}) {
    std::vector<TestOperand> x{make_operand(f32, shape, 7)};
    for (int chosen = 1; chosen < 1 << shape.rank(); ++chosen) {
      ir::Ints axes;
      for (int i = 0; i < shape.rank(); ++i) {
        if ((chosen >> i & 1) != 0) axes.push_back(i);
      }
      const ir::Attributes attributes{{"axes", axes}, {"keep_dims", false}};
      const bool fits = turns_of(shape, axes) <= 3;
      for (const char* op : {"mean", "moments"}) {
        const Ran fast = run_kernel(op, x, attributes, backend::KernelSet::all);
        EXPECT_EQ(fast.kernel == "cpu " + std::string(op), fits) << shape << " chosen " << chosen;
        if (!fits) continue;
        ++taken;
        const Ran one = run_kernel(op, x, attributes, backend::KernelSet::all, 1);
        EXPECT_EQ(fast.outputs, one.outputs) << "whatever the threads";
        const std::vector<Exact> exact = exact_moments(x[0], axes);
        for (size_t i = 0; i < exact.size(); ++i) {
          const auto [mean, variance] = exact[i];
          ASSERT_NEAR(fast.outputs[0][i], mean, 0x1p-24 * std::fabs(mean) + 1e-14)
              << op << ' ' << shape << " chosen " << chosen << " at " << i;
          if (fast.outputs.size() == 1) continue;
          ASSERT_NEAR(fast.outputs[1][i], variance, 2e-6 * variance + 1e-14)
              << shape << " chosen " << chosen << " at " << i;
        }
      }
    }
  }
  EXPECT_GT(taken, 100);
}

TEST(MomentKernels, OfHalvesAreThoseOfTheSameNumbersInFloats) {
  for (const Shape& shape : {Shape{300, 7, 2, 19}, Shape{2, 70000}}) {
    for (const ir::Ints& axes : {ir::Ints{0}, ir::Ints{shape.rank() - 1}}) {
      std::vector<TestOperand> x{make_operand(bf16, shape, 7)};
      const ir::Attributes attributes{{"axes", axes}, {"keep_dims", false}, {"dtype", f32}};
      const Ran halves = run_kernel("moments", x, attributes, backend::KernelSet::all);
      EXPECT_EQ(halves.kernel, "cpu moments");
      EXPECT_EQ(halves.outputs,
                run_kernel("moments", x, attributes, backend::KernelSet::all, 2, f32).outputs);
    }
  }
}

}  // namespace
}  // namespace varve::cpu
