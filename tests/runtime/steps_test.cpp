// Random steps that read and assign variables: compiled, they leave the same states and give the
// same results as at once; snapshots, results and arguments that somebody holds never change.
#include <gtest/gtest.h>

#include <random>

#include "programs.h"
#include "runtime/evaluate.h"

namespace varve {
namespace {

using namespace test;
using backend::KernelSet;
using Doubles = std::vector<double>;

class RandomStep {
 public:
  static constexpr int kVariables = 4;

  explicit RandomStep(uint64_t seed) : seed_(seed) {}

  /// Variables of [4, 4]; the first two begin as one tensor.
  Variables variables() const {
    const Tensor shared = whole(0);
    return {Variable(shared, {.name = "a"}), Variable(shared, {.name = "b"}),
            Variable(transpose(whole(1)), {.name = "c"}), Variable(whole(2), {.name = "d"})};
  }
  Tensor whole(uint64_t i) const {
    return cast(random::integers(Key(seed_, i), -4, 5, {4, 4}), f32).evaluate();
  }

  Tensors operator()(const Variables& v, const Tensor& x) const {
    std::mt19937_64 r(seed_);
    const auto below = [&](size_t n) { return static_cast<size_t>(r() % n); };
    std::vector<Tensor> values{x};
    for (int i = 0; i < 12; ++i) {
      const Tensor a = values[below(values.size())], b = values[below(values.size())];
      Variable at = v[below(kVariables)];
      switch (below(12)) {
        case 0:
        case 1:
        case 2:
          values.push_back(at.value());
          break;
        case 3:
        case 4:
        case 5:
          at.assign(a);
          break;
        case 6:
          at.assign(clip(at + b, -8, 8));
          break;
        default:
          values.push_back(made(below(9), a, b));
      }
    }
    return {values.back(), values[below(values.size())], v[below(kVariables)].value()};
  }

 private:
  /// Views, copies and sums of [4, 4].
  static Tensor made(size_t how, const Tensor& a, const Tensor& b) {
    switch (how) {
      case 0:
        return transpose(a);
      case 1:
        return flip(a, {0});
      case 2:
        return broadcast_to(slice(a, {{1, 2}}), {4, 4});
      case 3:
        return reshape(transpose(reshape(a, {2, 8})), {4, 4});
      case 4:
        return clip(a + b, -8, 8);
      case 5:
        return relu(a - b);
      case 6:
        return clip(matmul(a, b), -8, 8);
      case 7:
        return concat({slice(a, {{2, 4}}), slice(b, {{0, 2}})}, 0);
      default:
        return reshape(a, {4, 4});
    }
  }

  uint64_t seed_;
};

/// Something that was held, and what it contained.
struct Held {
  Tensor tensor;
  Doubles contents;
};

void run(uint64_t seed, KernelSet kernels) {
  const runtime::ExecuteScope scope({.kernels = kernels});
  const RandomStep step(seed);
  const Variables plain = step.variables(), planned = step.variables();
  const auto compiled = jit([&](const Tensor& x) { return step(planned, x); });
  std::mt19937_64 r(seed + 1);
  std::vector<Held> held;
  Tensor x = step.whole(3), y = step.whole(3);
  for (int call = 0; call < 6; ++call) {
    const Tensors expected = step(plain, x);
    for (const Tensor& t : expected) t.evaluate();
    const Tensors got = compiled(y);
    ASSERT_EQ(difference(got, expected), "") << "call " << call;
    for (size_t v = 0; v < plain.size(); ++v) {
      ASSERT_EQ(planned[v].value().to_doubles(), plain[v].value().to_doubles())
          << "variable " << plain[v].name() << " after call " << call;
    }
    // Some results and values are kept, given back as arguments, or assigned between calls.
    const size_t which = r() % 3, variable = r() % 4;
    if (r() % 2) held.push_back({got[which], got[which].to_doubles()});
    if (r() % 2) {
      const Tensor snapshot = planned[variable].value();
      held.push_back({snapshot, snapshot.to_doubles()});
    }
    if (r() % 3 == 0) {
      Variable(plain[variable]).assign(expected[which]);
      Variable(planned[variable]).assign(got[which]);
    }
    if (r() % 2) {
      x = expected[which];
      y = got[which];
    } else if (r() % 2) {
      x = plain[variable].value();
      y = planned[variable].value();
    }
  }
  for (const Held& h : held) ASSERT_EQ(h.tensor.to_doubles(), h.contents) << "what was held";
}

TEST(Steps, CompiledTheyLeaveTheSameStatesAndDisturbNothingThatIsHeld) {
  for (uint64_t seed = 0; seed < 700; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run(seed, KernelSet::ref);
    run(seed, KernelSet::all);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace varve
