// Loops over floats and doubles, vectorized by hand.
#include <utility>

#include "backend/cpu/simd_targets.h"
#include "backend/cpu/tile_loops.h"
#include "base/pointwise_table.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/tile_loops_float.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_lane-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

template <Pointwise F, int arity, class T>
[[gnu::flatten]] void loop(const LoopArguments& a) {
  using L = Simd<T>;
  const typename L::D d;
  const T* x = static_cast<const T*>(a.in[0]);
  const T* y = static_cast<const T*>(a.in[arity > 1 ? 1 : 0]);
  const T* z = static_cast<const T*>(a.in[arity > 2 ? 2 : 0]);
  const size_t mx = a.mask[0], my = a.mask[1], mz = a.mask[2];
  T* out = static_cast<T*>(a.out);
  const size_t n = a.n;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const L p{hn::LoadU(d, x + (i & mx))};
    const L q = arity > 1 ? L{hn::LoadU(d, y + (i & my))} : p;
    const L r = arity > 2 ? L{hn::LoadU(d, z + (i & mz))} : p;
    hn::StoreU(apply_function<F, arity>(p, q, r).v, d, out + i);
  }
}

template <class T, int i>
constexpr Loop entry() {
  constexpr PointwiseInfo row = kPointwiseTable[i];
  if constexpr (row.domain == PointwiseDomain::integer) {
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

const LoopTable* float_loops() {
  return table<float>(std::make_integer_sequence<int, kPointwiseCount>{});
}
const LoopTable* double_loops() {
  return table<double>(std::make_integer_sequence<int, kPointwiseCount>{});
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(float_loops);
HWY_EXPORT(double_loops);

const LoopTable& float_loop_table() { return *HWY_DYNAMIC_DISPATCH(float_loops)(); }
const LoopTable& double_loop_table() { return *HWY_DYNAMIC_DISPATCH(double_loops)(); }
}  // namespace varve::cpu
#endif
