// The few largest elements of rows against a stable sort, and the kernel that wraps them against
// the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "backend/cpu/simd_top.h"
#include "backend/kernels_under_test.h"
#include "backend/targets.h"

namespace varve {
namespace {

template <class T>
bool is_nan(T v) {
  return v != v;
}

/// The definition: descending, NaN before everything, equal ones as they stand.
template <class T>
std::vector<int64_t> sorted_places(const std::vector<T>& x, int64_t k) {
  std::vector<int64_t> places(x.size());
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](int64_t i, int64_t j) {
    const T a = x[static_cast<size_t>(i)], b = x[static_cast<size_t>(j)];
    return is_nan(b) ? false : is_nan(a) || a > b;
  });
  places.resize(static_cast<size_t>(k));
  return places;
}

/// Rows that are hard in one way each.
template <class T>
std::vector<std::vector<T>> rows_of(size_t n, std::mt19937& rng) {
  using Limits = std::numeric_limits<T>;
  const auto filled = [&](auto at) {
    std::vector<T> x(n);
    for (size_t i = 0; i < n; ++i) x[i] = static_cast<T>(at(i));
    return x;
  };
  const auto number = [&](size_t) { return static_cast<int64_t>(rng() % 2000001) - 1000000; };
  std::vector<std::vector<T>> rows = {
      filled(number),
      filled([&](size_t) { return rng() % 4; }),
      filled([&](size_t i) { return i; }),
      filled([&](size_t i) { return n - i; }),
      filled([&](size_t i) { return i % 16 == 3 ? 10 + i : 0; }),
      filled([](size_t) { return 1; }),
      filled([](size_t) { return Limits::lowest(); }),
      filled([&](size_t) { return rng() % 3 ? Limits::lowest() : Limits::max(); })};
  if constexpr (std::is_floating_point_v<T>) {
    const T nan = Limits::quiet_NaN(), inf = Limits::infinity();
    rows.push_back(filled([&](size_t) { return rng() % 2 ? T{0} : -T{0}; }));
    rows.push_back(filled([&](size_t) { return -inf; }));
    rows.push_back(filled([&](size_t) { return rng() % 2 ? nan : -nan; }));
    rows.push_back(filled([&](size_t) {
      const T odd[] = {nan, -nan, inf, -inf, T{0}, -T{0}, T{1}, Limits::denorm_min()};
      return odd[rng() % 8];
    }));
    rows.push_back(
        filled([&](size_t i) { return i % 29 == 28 ? nan : static_cast<T>(number(i)); }));
    rows.push_back(filled([&](size_t i) { return i + 1 == n ? nan : -inf; }));
  }
  return rows;
}

template <class T>
void check_top(std::mt19937& rng) {
  for (int64_t n :
       {1, 2, 4, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1000, 4095, 4096, 4097, 4130, 10007}) {
    const auto rows = rows_of<T>(static_cast<size_t>(n), rng);
    for (int64_t k : {1, 2, 5, 8, 9, 16}) {
      if (k > n) continue;
      for (size_t r = 0; r < rows.size(); ++r) {
        std::vector<int64_t> places(static_cast<size_t>(k) + 1, -7);
        cpu::top_places(rows[r].data(), n, k, places.data());
        EXPECT_EQ(places.back(), -7);
        places.pop_back();
        EXPECT_EQ(places, sorted_places(rows[r], k)) << k << " of " << n << ", row " << r;
      }
    }
  }
}

TEST(TopPlaces, AreThoseOfAStableSortOnEveryInstructionSet) {
  cpu::for_each_target([] {
    std::mt19937 rng(1);
    check_top<float>(rng);
    check_top<double>(rng);
    check_top<int32_t>(rng);
    check_top<int64_t>(rng);
  });
}

TEST(TopPlaces, OfALongRowAreFoundInItsLastElements) {
  std::mt19937 rng(2);
  std::vector<float> x(1000003);
  for (float& v : x) v = static_cast<float>(rng() % 1000);
  x[1000002] = x[999999] = 5000;
  x[500000] = std::nanf("");
  std::vector<int64_t> places(5);
  cpu::top_places(x.data(), 1000003, 5, places.data());
  EXPECT_EQ(places, sorted_places(x, 5));
}

/// The elements scaled and rounded, so that some are equal.
TestOperand rounded(DType dtype, const Shape& shape, std::vector<int> order = {}) {
  TestOperand t = make_operand(f64, shape, 3, std::move(order));
  TestOperand to = t;
  to.layout.dtype = dtype;
  const size_t count = t.bytes.size() / sizeof(double);
  to.bytes.assign(count * static_cast<size_t>(size_of(dtype)), {});
  ir::dispatch(dtype, [&]<class T>(T) {
    for (size_t i = 0; i < count; ++i) {
      const double v = reinterpret_cast<const double*>(t.bytes.data())[i];
      reinterpret_cast<T*>(to.bytes.data())[i] = convert<T>(std::round(v * 40));
    }
  });
  return to;
}

Ran top(TestOperand x, int64_t axis, int64_t k, backend::KernelSet set, int threads = 2) {
  std::vector<TestOperand> in{std::move(x)};
  return run_kernel("top_k", in, {{"axis", axis}, {"k", k}}, set, threads);
}

TEST(TopKernels, AgreeWithTheReferenceAlongEveryAxis) {
  for (DType dtype : {f32, f64, i32, i64}) {
    for (int64_t axis : {0, 1, 2}) {
      for (int64_t k : {1, 5, 9, 16}) {
        const TestOperand x = rounded(dtype, {70, 66, 100});
        const Ran fast = top(x, axis, k, backend::KernelSet::all);
        EXPECT_EQ(fast.kernel, "simd top_k");
        EXPECT_EQ(fast.outputs, top(x, axis, k, backend::KernelSet::ref).outputs)
            << name_of(dtype) << " along " << axis << ", " << k;
      }
    }
  }
}

TEST(TopKernels, LeaveShortLanesManyPlacesAndOtherTypesToTheSort) {
  const auto check = [](const TestOperand& x, int64_t k, const char* kernel) {
    const Ran fast = top(x, 1, k, backend::KernelSet::all);
    EXPECT_EQ(fast.kernel, kernel);
    EXPECT_EQ(fast.outputs, top(x, 1, k, backend::KernelSet::ref).outputs);
  };
  check(rounded(f32, {9, 100}), 16, "simd top_k");
  check(rounded(f32, {9, 100}), 17, "cpu order");
  check(rounded(f32, {9, 100}), 0, "cpu order");
  check(rounded(f32, {9, 19}), 5, "cpu order");
  check(rounded(f32, {9, 20}), 5, "simd top_k");
  check(rounded(f64, {9, 32}), 5, "cpu order");
  check(rounded(f64, {9, 33}), 5, "simd top_k");
  check(rounded(bf16, {9, 100}), 5, "cpu order");
  check(rounded(i8, {9, 100}), 5, "cpu order");
  check(rounded(f32, {9, 100}, {1, 0}), 5, "ref top_k");
  check(rounded(f32, {0, 100}), 5, "simd top_k");
}

}  // namespace
}  // namespace varve
