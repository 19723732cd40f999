#include "peak.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "backend/cpu/instruction_set.h"
#include "backend/cpu/simd_targets.h"
#include "base/threads.h"
#include "ir/storage.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "peak.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::bench::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F32 = hn::ScalableTag<float>;
using VF = hn::Vec<F32>;

/// Gives the number of operations; `sink` takes the result, so that it has to be computed.
double multiply_adds(int64_t turns, float* sink) {
  // Two units of a latency of 4 or 5 want ten chains; 16 registers hold twelve and the operands.
  constexpr int kChains = 12;
  const F32 d;
  const VF factor = hn::Set(d, 0.9999F), term = hn::Set(d, 1e-6F);
  VF chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = hn::Set(d, 1 + static_cast<float>(i));
  for (int64_t t = 0; t < turns; ++t) {
    for (VF& chain : chains) chain = hn::MulAdd(chain, factor, term);
  }
  for (int i = 1; i < kChains; ++i) chains[0] = hn::Add(chains[0], chains[i]);
  *sink = hn::GetLane(hn::SumOfLanes(d, chains[0]));
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(turns);
}

/// n: a multiple of 64, and pointers aligned as vectors are. `past`: stores pass the caches by.
void triad(const float* a, const float* b, float* out, int64_t n, bool past) {
  const F32 d;
  const VF factor = hn::Set(d, 1.5F);
  const auto each = [&](auto store) HWY_ATTR {
    for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d))) {
      store(hn::MulAdd(hn::Load(d, b + i), factor, hn::Load(d, a + i)), out + i);
    }
  };
  if (past) {
    each([&](VF v, float* p) HWY_ATTR { hn::Stream(v, d, p); });
  } else {
    each([&](VF v, float* p) HWY_ATTR { hn::Store(v, d, p); });
  }
}

}  // namespace
}  // namespace varve::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::bench {
namespace {

HWY_EXPORT(multiply_adds);
HWY_EXPORT(triad);

/// Rounds are short, so that some of them fall between what else the machine does.
constexpr int kRounds = 40;

/// The most that `work` does in a second; it gives how much it did. Each thread calls it once.
template <class Work>
double best_rate(int threads, Work work) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  std::vector<double> done(static_cast<size_t>(threads));
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    parallel_for(threads, 1, threads, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) done[static_cast<size_t>(i)] = work(i);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    double all = 0;
    for (double d : done) all += d;
    best = std::max(best, all / seconds);
  }
  return best;
}

double gigaflops(int threads) {
  std::vector<float> sinks(static_cast<size_t>(threads) * 16);  // a line of the cache each
  return 1e-9 * best_rate(threads, [&](int64_t i) {
           return HWY_DYNAMIC_DISPATCH(multiply_adds)(1 << 20, &sinks[static_cast<size_t>(i) * 16]);
         });
}

double gigabytes_a_second(int64_t bytes, int threads) {
  const int64_t part = bytes / 3 / 4 / threads / 64 * 64;  // floats of an array that a thread has
  const auto floats = [&] { return ir::Storage(part * threads * 4); };
  ir::Storage a = floats(), b = floats(), out = floats();
  const auto at = [&](ir::Storage& s, int64_t i) {
    return reinterpret_cast<float*>(s.data()) + i * part;
  };
  parallel_for(threads, 1, threads, [&](int64_t begin, int64_t end) {
    for (ir::Storage* s : {&a, &b, &out}) std::fill(at(*s, begin), at(*s, end), 1.F);
  });
  // Some tens of megabytes a round: of small arrays many turns.
  const int64_t turns = std::max<int64_t>(1, (48 << 20) / bytes);
  double best = 0;
  for (const bool past : {false, true}) {
    best = std::max(best, best_rate(threads, [&](int64_t i) {
                      for (int64_t t = 0; t < turns; ++t)
                        HWY_DYNAMIC_DISPATCH(triad)(at(a, i), at(b, i), at(out, i), part, past);
                      return static_cast<double>(turns * part * 3 * 4);
                    }));
  }
  return best * 1e-9;
}

}  // namespace

void print_peak(int threads) {
  const char* set = cpu::instruction_set();  // first, for it caps what is chosen from then on
  nlohmann::ordered_json j = {
      {"threads", threads}, {"instruction_set", set}, {"gflops", gigaflops(threads)}};
  for (const int64_t bytes : {int64_t{3} << 17, int64_t{3} << 21, int64_t{3} << 27}) {
    j["bandwidth"].push_back({{"bytes", bytes}, {"gb_per_s", gigabytes_a_second(bytes, threads)}});
  }
  std::printf("%s\n", j.dump().c_str());
}

}  // namespace varve::bench
#endif
