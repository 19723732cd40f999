// Tensors are values: several threads may read the same ones, whatever is still to be computed.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "varve/varve.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;

/// Runs f on two threads that begin together.
void at_once(const std::function<void(int)>& f) {
  std::atomic<int> ready{0};
  const auto begin = [&](int which) {
    ++ready;
    while (ready < 2) {
    }
    f(which);
  };
  std::thread other(begin, 1);
  begin(0);
  other.join();
}

TEST(Threads, ReadOnePendingTensorAtOnce) {
  for (int round = 0; round < 300; ++round) {
    Tensor x = reshape(arange(12, {.dtype = f32}), {3, 4});
    for (int i = 0; i < 5; ++i) x = x + 1;
    const Tensor turned = transpose(x), last = sum(x, {.axes = {0}});
    Doubles got[2], sums[2];
    at_once([&](int which) {
      got[which] = turned.to_doubles();
      sums[which] = last.to_doubles();
    });
    EXPECT_EQ(got[0], (Doubles{5, 9, 13, 6, 10, 14, 7, 11, 15, 8, 12, 16}));
    EXPECT_EQ(got[1], got[0]);
    EXPECT_EQ(sums[0], (Doubles{27, 30, 33, 36}));
    EXPECT_EQ(sums[1], sums[0]);
  }
}

TEST(Threads, ComputeOnWhatAnotherOneIsReading) {
  for (int round = 0; round < 300; ++round) {
    const Tensor shared = exp(zeros({4})) + 1;
    Doubles got[2];
    at_once([&](int which) {
      if (which == 0) {
        got[0] = shared.to_doubles();
      } else {
        got[1] = (transpose(reshape(shared * 3, {2, 2})) - 1).to_doubles();
      }
    });
    EXPECT_EQ(got[0], (Doubles{2, 2, 2, 2}));
    EXPECT_EQ(got[1], (Doubles{5, 5, 5, 5}));
  }
}

TEST(Threads, MakeTheFirstValueOfAVariableOnce) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> made{0};
    const Variable v({3}, f32, [&] {
      ++made;
      return ones({3}) * 2;
    });
    Doubles got[2];
    at_once([&](int which) { got[which] = (v * 2).to_doubles(); });
    EXPECT_EQ(made, 1);
    EXPECT_EQ(got[0], (Doubles{4, 4, 4}));
    EXPECT_EQ(got[1], got[0]);
  }
}

TEST(Threads, AskACompiledFunctionForItsPlanWhileAnotherOneRunsIt) {
  auto f = jit([](const Tensor& x) { return sum(exp(x)); });
  at_once([&](int which) {
    for (int n = 1; n < 60; ++n) {
      if (which == 0) {
        f(zeros({n}));
      } else {
        EXPECT_FALSE(f.info().plan().empty());
        EXPECT_LE(f.info().traces(), 60);
      }
    }
  });
  EXPECT_EQ(f.info().traces(), 59);
}

}  // namespace
}  // namespace varve
