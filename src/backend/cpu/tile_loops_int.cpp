// Loops over integers: the plain lane, vectorized by the compiler for each instruction set.
#include <cstring>
#include <utility>

#include "backend/cpu/simd_targets.h"
#include "backend/cpu/tile_loops.h"
#include "base/plain_lane.h"
#include "base/pointwise_table.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/tile_loops_int.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

template <Pointwise F, int arity, class T>
[[gnu::flatten]] void loop(const LoopArguments& a) {
  constexpr size_t kLanes = kVectorBytes / sizeof(T);
  const T* x = static_cast<const T*>(a.in[0]);
  const T* y = static_cast<const T*>(a.in[arity > 1 ? 1 : 0]);
  const T* z = static_cast<const T*>(a.in[arity > 2 ? 2 : 0]);
  for (size_t i = 0; i < a.n; i += kLanes) {
    const T *p = x + (i & a.mask[0]), *q = y + (i & a.mask[1]), *r = z + (i & a.mask[2]);
    T result[kLanes];  // apart from `out`, which may be an argument
    for (size_t j = 0; j < kLanes; ++j) {
      result[j] =
          plain::evaluate<F, arity, T>(p[j], arity > 1 ? q[j] : p[j], arity > 2 ? r[j] : p[j]);
    }
    std::memcpy(static_cast<T*>(a.out) + i, result, kVectorBytes);
  }
}

template <class T, int i>
constexpr Loop entry() {
  constexpr PointwiseInfo row = kPointwiseTable[i];
  if constexpr (row.domain == PointwiseDomain::floating) {
    return nullptr;
  } else {
    return loop<row.function, row.arity, T>;
  }
}
template <class T, int... i>
const LoopTable* table(std::integer_sequence<int, i...>) {
  static constexpr LoopTable kTable{{entry<T, i>()...}};
  return &kTable;
}

}  // namespace

const LoopTable* int32_loops() {
  return table<int32_t>(std::make_integer_sequence<int, kPointwiseCount>{});
}
const LoopTable* int64_loops() {
  return table<int64_t>(std::make_integer_sequence<int, kPointwiseCount>{});
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(int32_loops);
HWY_EXPORT(int64_loops);

const LoopTable& int32_loop_table() { return *HWY_DYNAMIC_DISPATCH(int32_loops)(); }
const LoopTable& int64_loop_table() { return *HWY_DYNAMIC_DISPATCH(int64_loops)(); }
}  // namespace varve::cpu
#endif
