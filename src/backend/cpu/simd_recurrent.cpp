// The recurrent kernel is packed once: panels of columns, as wide as a few vectors, of which a tile
// of rows keeps its sums in registers; the cell's functions follow there. A forward panel holds the
// same units of every gate. Backwards a panel's sums are the gradient of some units' states, from
// which the gates of the step before follow at once. Threads share the panels, so that results do
// not depend on how many there are.
#include "backend/cpu/simd_recurrent.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/simd_targets.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_recurrent.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_hyperbolic-inl.h"
#include "backend/cpu/simd_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

// Blocks of units in a panel of one gate.
constexpr int kBlocks = kVectors;

/// Some lanes of units, n of them: whole vectors but for the last block.
struct Units {
  int64_t first;
  size_t n;
  HWY_INLINE VF load(const float* p) const { return load_part(p + first, n); }
  HWY_INLINE void store(VF v, float* p) const { store_part(v, p + first, n); }
};

HWY_INLINE VF sigmoid(VF x) {
  const VF one = constant(1.f);
  return hn::Div(one, hn::Add(one, simd_exp(hn::Neg(x))));
}

/// Copies n columns of a row of the kernel into a vector's place, zeros behind them.
void put(const float* from, int64_t step, size_t n, float* to) {
  for (size_t i = 0; i < kLanes; ++i) to[i] = i < n ? from[static_cast<int64_t>(i) * step] : 0.f;
}

/// How many units a panel serves.
int64_t panel_units(int gates) { return static_cast<int64_t>(kLanes) * (gates == 1 ? kBlocks : 1); }
int64_t panel_count(int64_t units, int64_t each) { return (units + each - 1) / each; }

// --- forward -------------------------------------------------------------------------------------

struct Step {
  int64_t now, before;  // places of the step and of the one before it; before < 0: none
};

/// Where rows of a step lie in [batch, steps, width].
HWY_INLINE int64_t row_at(const RecurrentShape& s, int64_t row, int64_t t, int64_t width) {
  return (row * s.steps + t) * width;
}

/// The states before a step.
Rows before(const RecurrentShape& s, const float* all, const float* first, int64_t t) {
  if (t < 0) return {first, s.units, 1};
  return {all + t * s.units, s.steps * s.units, 1};
}

template <bool relu>
HWY_INLINE VF simple_function(VF x) {
  if (relu) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Max(x, hn::Zero(F32())));
  }
  return simd_tanh(x);
}

template <bool relu>
void simple_panel(const RecurrentShape& s, const RecurrentForward& f, Step step, int64_t panel,
                  const float* packed) {
  const Rows h = before(s, f.states, f.state, step.before);
  const int64_t first = panel * panel_units(1);
  rows_of_panel<kBlocks>(h, s.batch, s.units, packed, [&](int64_t row, VF* sums) HWY_ATTR {
    const bool live = f.mask == nullptr || f.mask[row * s.steps + step.now];
    const int64_t at = row_at(s, row, step.now, s.units);
    for (int b = 0; b < kBlocks; ++b) {
      const int64_t unit = first + b * static_cast<int64_t>(kLanes);
      const Units u{unit, lanes_left(unit, s.units)};
      if (u.n == 0) break;
      const VF y = live ? simple_function<relu>(hn::Add(u.load(f.brought + at), sums[b]))
                        : u.load(h.p + row * h.step);
      u.store(y, f.states + at);
    }
  });
}

void lstm_panel(const RecurrentShape& s, const RecurrentForward& f, Step step, int64_t panel,
                const float* packed) {
  const Rows h = before(s, f.states, f.state, step.before),
             c = before(s, f.cells, f.cell, step.before);
  const int64_t unit = panel * panel_units(4);
  const Units u{unit, lanes_left(unit, s.units)};
  rows_of_panel<4>(h, s.batch, s.units, packed, [&](int64_t row, VF* sums) HWY_ATTR {
    const int64_t gates = row_at(s, row, step.now, 4 * s.units),
                  at = row_at(s, row, step.now, s.units);
    const auto sum = [&](int g) HWY_ATTR {
      return hn::Add(u.load(f.brought + gates + g * s.units), sums[g]);
    };
    const VF in = sigmoid(sum(0)), forget = sigmoid(sum(1)), candidate = simd_tanh(sum(2)),
             out = sigmoid(sum(3));
    const VF old = u.load(c.p + row * c.step);
    VF cell = hn::MulAdd(forget, old, hn::Mul(in, candidate));
    VF state = hn::Mul(out, simd_tanh(cell));
    if (f.mask != nullptr && !f.mask[row * s.steps + step.now]) {
      cell = old;
      state = u.load(h.p + row * h.step);
    }
    u.store(cell, f.cells + at);
    u.store(state, f.states + at);
    u.store(in, f.kept + gates);
    u.store(forget, f.kept + gates + s.units);
    u.store(candidate, f.kept + gates + 2 * s.units);
    u.store(out, f.kept + gates + 3 * s.units);
  });
}

void gru_panel(const RecurrentShape& s, const RecurrentForward& f, Step step, int64_t panel,
               const float* packed) {
  const Rows h = before(s, f.states, f.state, step.before);
  const int64_t unit = panel * panel_units(3);
  const Units u{unit, lanes_left(unit, s.units)};
  rows_of_panel<3>(h, s.batch, s.units, packed, [&](int64_t row, VF* sums) HWY_ATTR {
    const float* x = f.brought + row_at(s, row, step.now, 3 * s.units);
    const auto recurrent = [&](int g)
                               HWY_ATTR { return hn::Add(u.load(f.bias + g * s.units), sums[g]); };
    const VF update = sigmoid(hn::Add(u.load(x), recurrent(0)));
    const VF reset = sigmoid(hn::Add(u.load(x + s.units), recurrent(1)));
    const VF own = recurrent(2);
    const VF candidate = simd_tanh(hn::MulAdd(reset, own, u.load(x + 2 * s.units)));
    const VF old = u.load(h.p + row * h.step);
    VF state = hn::MulAdd(update, hn::Sub(old, candidate), candidate);
    if (f.mask != nullptr && !f.mask[row * s.steps + step.now]) state = old;
    float* kept = f.kept + row_at(s, row, step.now, 4 * s.units);
    u.store(state, f.states + row_at(s, row, step.now, s.units));
    u.store(update, kept);
    u.store(reset, kept + s.units);
    u.store(candidate, kept + 2 * s.units);
    u.store(own, kept + 3 * s.units);
  });
}

// --- backward ------------------------------------------------------------------------------------

/// Scratch of a backward run behind the packed kernel.
struct Carried {
  float* cell;  // gradient by the cells before a step
  float* past;  // what goes past a step without its product: masked rows, and a GRU's z h
};

/// What reaches a state: from the next step's product, past it, and from the output.
HWY_INLINE VF reaching(const RecurrentShape& s, const RecurrentBackward& b, const Carried& c,
                       const Units& u, int64_t row, int64_t t, bool first, VF product) {
  VF dh = product;
  if (!first) dh = hn::Add(dh, u.load(c.past + row * s.units));
  if (t < 0) return dh;
  return hn::Add(dh, u.load(b.states_gradient + row_at(s, row, t, s.units)));
}

struct BackStep {
  int64_t now, before;  // the step whose gates are differentiated, and the one before it
  bool first;           // nothing came back yet
};

template <bool relu>
HWY_INLINE void simple_back(const RecurrentShape& s, const RecurrentBackward& b, const Carried& c,
                            BackStep step, const Units& u, int64_t row, VF product) {
  const VF dh = reaching(s, b, c, u, row, step.now, step.first, product);
  const bool live = b.mask == nullptr || b.mask[row * s.steps + step.now];
  const int64_t at = row_at(s, row, step.now, s.units);
  const VF y = u.load(b.states + at), none = hn::Zero(F32());
  VF sum;
  if (relu) {
    sum = hn::IfThenElseZero(hn::Gt(y, none), dh);
  } else {
    sum = hn::Mul(dh, hn::NegMulAdd(y, y, constant(1.f)));
  }
  u.store(live ? sum : none, b.sums + at);
  u.store(live ? none : dh, c.past + row * s.units);
}

HWY_INLINE VF of_sigmoid(VF y) { return hn::NegMulAdd(y, y, y); }
HWY_INLINE VF of_tanh(VF y) { return hn::NegMulAdd(y, y, constant(1.f)); }

HWY_INLINE void lstm_back(const RecurrentShape& s, const RecurrentBackward& b, const Carried& c,
                          BackStep step, const Units& u, int64_t row, VF product) {
  const VF dh = reaching(s, b, c, u, row, step.now, step.first, product);
  const int64_t at = row_at(s, row, step.now, s.units), state = row * s.units;
  VF dc = u.load(b.cells_gradient + at);
  if (!step.first) dc = hn::Add(dc, u.load(c.cell + state));
  float* sums = b.sums + 4 * at;
  if (b.mask != nullptr && !b.mask[row * s.steps + step.now]) {
    for (int g = 0; g < 4; ++g) u.store(hn::Zero(F32()), sums + g * s.units);
    u.store(dh, c.past + state);
    u.store(dc, c.cell + state);
    return;
  }
  const float* kept = b.kept + 4 * at;
  const VF in = u.load(kept), forget = u.load(kept + s.units),
           candidate = u.load(kept + 2 * s.units), out = u.load(kept + 3 * s.units);
  const Rows older = before(s, b.cells, b.cell, step.before);
  const VF tanh_cell = simd_tanh(u.load(b.cells + at));
  dc = hn::MulAdd(hn::Mul(dh, out), of_tanh(tanh_cell), dc);
  u.store(hn::Mul(hn::Mul(dc, candidate), of_sigmoid(in)), sums);
  u.store(hn::Mul(hn::Mul(dc, u.load(older.p + row * older.step)), of_sigmoid(forget)),
          sums + s.units);
  u.store(hn::Mul(hn::Mul(dc, in), of_tanh(candidate)), sums + 2 * s.units);
  u.store(hn::Mul(hn::Mul(dh, tanh_cell), of_sigmoid(out)), sums + 3 * s.units);
  u.store(hn::Mul(dc, forget), c.cell + state);
  u.store(hn::Zero(F32()), c.past + state);
}

HWY_INLINE void gru_back(const RecurrentShape& s, const RecurrentBackward& b, const Carried& c,
                         BackStep step, const Units& u, int64_t row, VF product) {
  const VF dh = reaching(s, b, c, u, row, step.now, step.first, product);
  const int64_t at = row_at(s, row, step.now, s.units), state = row * s.units;
  float *x = b.sums + 3 * at, *h = b.state_sums + 3 * at;
  if (b.mask != nullptr && !b.mask[row * s.steps + step.now]) {
    for (int g = 0; g < 3; ++g) {
      u.store(hn::Zero(F32()), x + g * s.units);
      u.store(hn::Zero(F32()), h + g * s.units);
    }
    u.store(dh, c.past + state);
    return;
  }
  const float* kept = b.kept + 4 * at;
  const VF update = u.load(kept), reset = u.load(kept + s.units),
           candidate = u.load(kept + 2 * s.units), own = u.load(kept + 3 * s.units);
  const Rows older = before(s, b.states, b.state, step.before);
  const VF old = u.load(older.p + row * older.step);
  const VF dz = hn::Mul(hn::Mul(dh, hn::Sub(old, candidate)), of_sigmoid(update));
  const VF dn = hn::Mul(hn::NegMulAdd(dh, update, dh), of_tanh(candidate));
  const VF dr = hn::Mul(hn::Mul(dn, own), of_sigmoid(reset));
  u.store(dz, x);
  u.store(dr, x + s.units);
  u.store(dn, x + 2 * s.units);
  u.store(dz, h);
  u.store(dr, h + s.units);
  u.store(hn::Mul(dn, reset), h + 2 * s.units);
  u.store(hn::Mul(dh, update), c.past + state);
}

/// Products of a panel of units with the sums of the step after, then the cell of this step; at the
/// end (now < 0) the gradient of the first state.
template <CellKind kind>
void back_panel(const RecurrentShape& s, const RecurrentBackward& b, const Carried& c,
                BackStep step, int64_t after, int64_t panel, const float* packed) {
  const int64_t gates = gates_of(kind), width = gates * s.units;
  const float* sums = kind == CellKind::gru ? b.state_sums : b.sums;
  const float* a = step.first ? nullptr : sums + after * width;
  const int64_t first = panel * panel_units(1);
  rows_of_panel<kBlocks>(Rows{a, a == nullptr ? 0 : s.steps * width, 1}, s.batch,
                         a == nullptr ? 0 : width, packed, [&](int64_t row, VF* products) HWY_ATTR {
                           for (int k = 0; k < kBlocks; ++k) {
                             const int64_t unit = first + k * static_cast<int64_t>(kLanes);
                             const Units u{unit, lanes_left(unit, s.units)};
                             if (u.n == 0) break;
                             if (step.now < 0) {
                               u.store(reaching(s, b, c, u, row, -1, step.first, products[k]),
                                       b.state_gradient + row * s.units);
                             } else if constexpr (kind == CellKind::lstm) {
                               lstm_back(s, b, c, step, u, row, products[k]);
                             } else if constexpr (kind == CellKind::gru) {
                               gru_back(s, b, c, step, u, row, products[k]);
                             } else {
                               simple_back<kind == CellKind::relu>(s, b, c, step, u, row,
                                                                   products[k]);
                             }
                           }
                         });
}

}  // namespace

int64_t forward_floats(const RecurrentShape& s) {
  const int gates = gates_of(s.kind);
  const int64_t each = panel_units(gates);
  return panel_count(s.units, each) * each * gates * s.units;
}
int64_t backward_floats(const RecurrentShape& s) {
  const int64_t each = panel_units(1);
  return panel_count(s.units, each) * each * gates_of(s.kind) * s.units;
}
int64_t forward_panels(const RecurrentShape& s) {
  return panel_count(s.units, panel_units(gates_of(s.kind)));
}
int64_t backward_panels(const RecurrentShape& s) { return panel_count(s.units, panel_units(1)); }

void pack_forward(const RecurrentShape& s, const float* kernel, int64_t panel, float* to) {
  const int gates = gates_of(s.kind);
  const int vectors = gates == 1 ? kBlocks : gates;
  const int64_t first = panel * panel_units(gates);
  for (int64_t k = 0; k < s.units; ++k) {
    for (int v = 0; v < vectors; ++v, to += kLanes) {
      const int64_t unit = gates == 1 ? first + v * static_cast<int64_t>(kLanes) : first;
      const int64_t gate = gates == 1 ? 0 : v;
      put(kernel + k * gates * s.units + gate * s.units + unit, 1, lanes_left(unit, s.units), to);
    }
  }
}

void pack_backward(const RecurrentShape& s, const float* kernel, int64_t panel, float* to) {
  const int64_t width = gates_of(s.kind) * s.units, first = panel * panel_units(1);
  for (int64_t k = 0; k < width; ++k) {
    for (int v = 0; v < kBlocks; ++v, to += kLanes) {
      const int64_t unit = first + v * static_cast<int64_t>(kLanes);
      put(kernel + unit * width + k, width, lanes_left(unit, s.units), to);
    }
  }
}

void forward_panel(const RecurrentShape& s, const RecurrentForward& f, int64_t i, int64_t panel) {
  const Step step{s.at(i), i == 0 ? -1 : s.at(i - 1)};
  const float* packed = f.scratch + panel * (forward_floats(s) / forward_panels(s));
  switch (s.kind) {
    case CellKind::lstm:
      return lstm_panel(s, f, step, panel, packed);
    case CellKind::gru:
      return gru_panel(s, f, step, panel, packed);
    case CellKind::relu:
      return simple_panel<true>(s, f, step, panel, packed);
    default:
      return simple_panel<false>(s, f, step, panel, packed);
  }
}

/// i: the step in the order of the walk, from steps - 1 down to -1.
void backward_panel(const RecurrentShape& s, const RecurrentBackward& b, int64_t i, int64_t panel) {
  const int64_t floats = backward_floats(s);
  const float* packed = b.scratch + panel * (floats / backward_panels(s));
  const Carried c{b.scratch + floats, b.scratch + floats + s.batch * s.units};
  const BackStep step{i < 0 ? -1 : s.at(i), i > 0 ? s.at(i - 1) : -1, i == s.steps - 1};
  const int64_t after = step.first ? 0 : s.at(i + 1);
  switch (s.kind) {
    case CellKind::lstm:
      return back_panel<CellKind::lstm>(s, b, c, step, after, panel, packed);
    case CellKind::gru:
      return back_panel<CellKind::gru>(s, b, c, step, after, panel, packed);
    case CellKind::relu:
      return back_panel<CellKind::relu>(s, b, c, step, after, panel, packed);
    default:
      return back_panel<CellKind::tanh>(s, b, c, step, after, panel, packed);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {

HWY_EXPORT(forward_floats);
HWY_EXPORT(backward_floats);
HWY_EXPORT(forward_panels);
HWY_EXPORT(backward_panels);
HWY_EXPORT(pack_forward);
HWY_EXPORT(pack_backward);
HWY_EXPORT(forward_panel);
HWY_EXPORT(backward_panel);

/// Calls f(panel) for all of them; in parallel where a step has work for `threads`.
template <class F>
void each_panel(int64_t panels, int threads, F f) {
  const auto some = [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) f(p);
  };
  if (threads == 1) {
    some(0, panels);
  } else {
    parallel_for(panels, 1, some);
  }
}

}  // namespace

int64_t packed_forward(const RecurrentShape& s) { return HWY_DYNAMIC_DISPATCH(forward_floats)(s); }
int64_t packed_backward(const RecurrentShape& s) {
  return HWY_DYNAMIC_DISPATCH(backward_floats)(s);
}

void recurrent_forward(const RecurrentShape& s, const RecurrentForward& f, int threads) noexcept {
  const int64_t panels = HWY_DYNAMIC_DISPATCH(forward_panels)(s);
  const int64_t each = packed_forward(s) / std::max<int64_t>(panels, 1);
  const auto pack = HWY_DYNAMIC_DISPATCH(pack_forward);
  const auto run = HWY_DYNAMIC_DISPATCH(forward_panel);
  each_panel(panels, threads,
             [&](int64_t p) { pack(s, f.recurrent_kernel, p, f.scratch + p * each); });
  for (int64_t i = 0; i < s.steps; ++i)
    each_panel(panels, threads, [&](int64_t p) { run(s, f, i, p); });
}

void recurrent_backward(const RecurrentShape& s, const RecurrentBackward& b, int threads) noexcept {
  const int64_t panels = HWY_DYNAMIC_DISPATCH(backward_panels)(s);
  const int64_t floats = packed_backward(s), each = floats / std::max<int64_t>(panels, 1);
  const auto pack = HWY_DYNAMIC_DISPATCH(pack_backward);
  const auto run = HWY_DYNAMIC_DISPATCH(backward_panel);
  each_panel(panels, threads,
             [&](int64_t p) { pack(s, b.recurrent_kernel, p, b.scratch + p * each); });
  for (int64_t i = s.steps - 1; i >= -1; --i)
    each_panel(panels, threads, [&](int64_t p) { run(s, b, i, p); });
  if (b.cell_gradient != nullptr)
    std::copy_n(b.scratch + floats, s.batch * s.units, b.cell_gradient);
}

}  // namespace varve::cpu
#endif
