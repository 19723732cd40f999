#include "backend/cpu/tile_chain.h"

#include <algorithm>
#include <map>
#include <mutex>

#if defined(__x86_64__)
#define XBYAK_NO_OP_NAMES
#include <xbyak/xbyak.h>
#endif

#include "backend/cpu/simd_width.h"
#include "base/error.h"

namespace varve::cpu {

#if defined(__x86_64__)
namespace {

namespace x = Xbyak;

constexpr size_t kCodeBytes = 16384;

// Predicates of vcmpps: as Highway's comparisons, false where one is NaN; the negated ones true.
enum Predicate : uint8_t {
  kEqual = 0,
  kUnordered = 3,
  kNotEqual = 4,
  kLess = 17,
  kLessEqual = 18,
  kNotLess = 21,
  kGreaterEqual = 29,
  kGreater = 30
};

class Emitter final : public ChainCode, private x::CodeGenerator {
 public:
  /// With AVX-512 where `wide`, else with AVX2.
  Emitter(const Chain& chain, bool wide)
      : CodeGenerator(kCodeBytes, x::DontSetProtectRWE), chain_(chain), wide_(wide) {
    find_last_uses();
    // The last registers are for what a call needs on its way.
    for (int i = (wide ? 32 : 16) - 2; i-- > 0;) free_.push_back(i);
    registers_.assign(values(), -1);
    emit_all();
    setProtectModeRE();
    entry_ = getCode<Entry>();
  }

 private:
  size_t inputs() const { return chain_.inputs.size(); }
  bool is(ChainInput kind, size_t array) const {
    return array < inputs() && chain_.inputs[array] == kind;
  }
  size_t values() const { return inputs() + chain_.calls.size(); }

  void find_last_uses() {
    last_use_.assign(values(), 0);
    for (size_t c = 0; c < chain_.calls.size(); ++c) {
      for (int32_t v : chain_.calls[c].arguments) {
        if (v >= 0) last_use_[static_cast<size_t>(v)] = c;
      }
    }
    for (const Chain::Output& o : chain_.outputs)
      last_use_[static_cast<size_t>(o.value)] = chain_.calls.size();
    for (size_t i = 0; i < inputs(); ++i) {
      // Loaded before the loop.
      if (is(ChainInput::splat, i)) last_use_[i] = chain_.calls.size();
    }
  }

  // ---- registers ----

  int take() {
    if (free_.empty()) throw x::Error(x::ERR_CANT_ALLOC);
    const int r = free_.back();
    free_.pop_back();
    return r;
  }
  /// Registers know themselves how wide they are.
  x::Xmm vector(int index) const {
    return wide_ ? static_cast<x::Xmm>(x::Zmm(index)) : static_cast<x::Xmm>(x::Ymm(index));
  }
  x::Xmm of(int32_t value) const { return vector(registers_[static_cast<size_t>(value)]); }
  x::Xmm scratch() const { return vector(wide_ ? 31 : 15); }
  x::Xmm mask() const { return vector(wide_ ? 30 : 14); }

  // ---- code ----

  /// The System V convention: rdi = inputs, rsi = outputs, rdx = n, rcx = columns. r15 counts
  /// elements, r14 those within a row; the first arrays have registers of their own,
  /// addresses of others are read again each time.
  void emit_all() {
    const std::vector<x::Reg64> saved{rbx, rbp, r12, r13, r14, r15};
    for (const x::Reg64& r : saved) push(r);
    const std::vector<x::Reg64> pointers{r8, r9, r10, r11, rbx, rbp, r12, r13};
    arrays_.assign(inputs() + chain_.outputs.size(), -1);
    size_t used = 0;
    for (size_t i = 0; i < arrays_.size() && used < pointers.size(); ++i) {
      if (is(ChainInput::splat, i)) continue;
      arrays_[i] = pointers[used].getIdx();
      mov(pointers[used++], slot_of(i));
    }
    for (size_t i = 0; i < inputs(); ++i) {
      if (!is(ChainInput::splat, i)) continue;
      registers_[i] = take();
      mov(rax, slot_of(i));
      vmovups(vector(registers_[i]), ptr[rax]);
    }
    x::Label loop, end;
    const bool rows = std::find(chain_.inputs.begin(), chain_.inputs.end(), ChainInput::row) !=
                      chain_.inputs.end();
    xor_(r15, r15);
    xor_(r14, r14);
    test(rdx, rdx);
    jz(end, T_NEAR);
    align(32);
    L(loop);
    for (size_t c = 0; c < chain_.calls.size(); ++c) emit_call(c);
    for (size_t o = 0; o < chain_.outputs.size(); ++o) {
      const int32_t v = chain_.outputs[o].value;
      if (chain_.outputs[o].halves) {
        store_halves(inputs() + o, v);
      } else {
        vmovups(element(inputs() + o), of(v));
      }
    }
    if (rows) {
      xor_(eax, eax);
      add(r14, lanes());
      cmp(r14, rcx);
      cmove(r14, rax);
    }
    add(r15, lanes());
    cmp(r15, rdx);
    jb(loop, T_NEAR);
    L(end);
    vzeroupper();
    for (size_t i = saved.size(); i-- > 0;) pop(saved[i]);
    ret();
    emit_constants();
  }

  x::Address slot_of(size_t array) {
    return array < inputs() ? ptr[rdi + 8 * static_cast<int>(array)]
                            : ptr[rsi + 8 * static_cast<int>(array - inputs())];
  }
  bool holds_halves(size_t array) const {
    return array < inputs() ? chain_.inputs[array] == ChainInput::halves
                            : chain_.outputs[array - inputs()].halves;
  }
  /// The vector of an array at the count.
  x::Address element(size_t array) {
    const x::Reg64& count = is(ChainInput::row, array) ? r14 : r15;
    const int bytes = holds_halves(array) ? 2 : 4;
    if (arrays_[array] >= 0) return ptr[x::Reg64(arrays_[array]) + count * bytes];
    mov(rax, slot_of(array));
    return ptr[rax + count * bytes];
  }
  void load(int32_t value) {
    const auto array = static_cast<size_t>(value);
    if (!holds_halves(array)) return vmovups(of(value), element(array));
    vpmovzxwd(of(value), element(array));
    vpslld(of(value), of(value), 16);
  }
  /// Whether bf16 holds the value as it is.
  bool narrow(int32_t value) const {
    const auto v = static_cast<size_t>(value);
    return v < inputs() ? chain_.inputs[v] == ChainInput::halves
                        : chain_.calls[v - inputs()].rounded;
  }
  void store_halves(size_t array, int32_t value) {
    if (narrow(value)) {
      vpsrld(scratch(), of(value), 16);
    } else {
      // With AVX-512 masks lie elsewhere.
      const int r = wide_ ? mask().getIdx() : take();
      round_bits(vector(r), of(value));
      vpsrld(scratch(), vector(r), 16);
      if (!wide_) free_.push_back(r);
    }
    if (wide_) return vpmovdw(element(array), x::Zmm(scratch().getIdx()));
    const x::Ymm all(scratch().getIdx());
    vpackusdw(all, all, all);
    vpermq(all, all, 8);  // both lanes' first quarters together
    vmovdqu(element(array), x::Xmm(all.getIdx()));
  }

  void emit_call(size_t index) {
    const Chain::Call& call = chain_.calls[index];
    for (int32_t v : call.arguments) {
      if (v < 0 || registers_[static_cast<size_t>(v)] >= 0) continue;
      registers_[static_cast<size_t>(v)] = take();
      load(v);
    }
    const auto value = static_cast<int32_t>(inputs() + index);
    registers_[static_cast<size_t>(value)] = take();
    const auto argument = [&](size_t k) { return of(std::max(call.arguments[k], 0)); };
    emit(call.function, of(value), argument(0), call.arguments[1] < 0 ? argument(0) : argument(1),
         call.arguments[2] < 0 ? argument(0) : argument(2), call.rounded);
    for (int32_t v : call.arguments) release(v, index);
    release(value, index);  // where nobody reads it
  }
  void release(int32_t value, size_t index) {
    if (value < 0 || last_use_[static_cast<size_t>(value)] > index) return;
    int& r = registers_[static_cast<size_t>(value)];
    if (r >= 0) free_.push_back(r);
    r = -1;
  }

  // ---- calls; `to` is none of the arguments ----

  using V = const x::Xmm&;
  int lanes() const { return wide_ ? 16 : 8; }
  x::Address every(x::Label& constant) { return ptr[rip + constant]; }
  x::Xmm zero() {
    if (wide_) {
      vpxord(scratch(), scratch(), scratch());
    } else {
      vxorps(scratch(), scratch(), scratch());
    }
    return scratch();
  }
  /// Remembers where the comparison holds: in k1, or in the register for masks.
  void where(V a, V b, Predicate p) {
    if (wide_) {
      vcmpps(k1, a, b, p);
    } else {
      vcmpps(mask(), a, b, p);
    }
  }
  /// There b, elsewhere a.
  template <class Operand>
  void choose(V to, V a, const Operand& b) {
    if (wide_) {
      vblendmps(to | k1, a, b);
    } else {
      vblendvps(to, a, b, mask());
    }
  }
  /// There `a`, elsewhere 0.
  template <class Operand>
  void keep(V to, const Operand& a) {
    if (wide_) {
      vmovaps(to | k1 | T_z, a);
    } else {
      vandps(to, mask(), a);
    }
  }
  void truth(V to, V a, V b, Predicate p) {
    where(a, b, p);
    keep(to, every(one_));
  }
  /// x86's max and min give their second operand where either is NaN.
  void keep_nan(V to, V a) {
    where(a, a, kUnordered);
    choose(to, to, a);
  }
  void rounded(V to, V a, uint8_t mode) {
    if (wide_) {
      vrndscaleps(to, a, mode);
    } else {
      vroundps(to, a, mode);
    }
  }
  /// What bf16 holds of a stands in the upper halves then, NaN quiet; in the lower ones anything.
  /// By integers, for the instruction that rounds takes subnormal numbers for 0.
  void round_bits(V to, V a) {
    vpsrld(to, a, 16);
    if (wide_) {
      vpandd(to, to, every(last_bit_));
    } else {
      vpand(to, to, every(last_bit_));
    }
    vpaddd(to, to, a);
    vpaddd(to, to, every(below_half_));
    where(a, a, kUnordered);
    if (wide_) {
      vpord(to | k1, a, every(quiet_));
    } else {
      vorps(scratch(), a, every(quiet_));
      choose(to, to, scratch());
    }
  }
  void round_to_half(V to, V a) {
    round_bits(to, a);
    if (wide_) {
      vpandd(to, to, every(upper_half_));
    } else {
      vandps(to, to, every(upper_half_));
    }
  }

  /// 1 or 0 for what a and b say together.
  void both(Pointwise f, V to, V a, V b) {
    using F = Pointwise;
    truth(to, a, zero(), kNotEqual);
    truth(scratch(), b, scratch(), kNotEqual);
    if (f == F::logical_and) vmulps(to, to, scratch());
    if (f == F::logical_or) vmaxps(to, to, scratch());
    if (f == F::logical_xor) truth(to, to, scratch(), kNotEqual);
  }

  void emit(Pointwise f, V to, V a, V b, V c, bool rounded) {
    if (!rounded) return emit(f, to, a, b, c);
    check(f == Pointwise::identity, "what is rounded is a conversion");
    round_to_half(to, a);
  }
  void emit(Pointwise f, V to, V a, V b, V c) {
    using F = Pointwise;
    switch (f) {
      case F::identity:
        return vmovaps(to, a);
      case F::add:
        return vaddps(to, a, b);
      case F::subtract:
        return vsubps(to, a, b);
      case F::multiply:
        return vmulps(to, a, b);
      case F::divide:
        return vdivps(to, a, b);
      case F::square:
        return vmulps(to, a, a);
      case F::negative:
        return wide_ ? vpxord(to, a, every(sign_)) : vxorps(to, a, every(sign_));
      case F::absolute:
        return wide_ ? vpandd(to, a, every(magnitude_)) : vandps(to, a, every(magnitude_));
      case F::sqrt:
        return vsqrtps(to, a);
      case F::rsqrt:
        vsqrtps(to, a);
        vmovups(scratch(), every(one_));
        return vdivps(to, scratch(), to);
      case F::reciprocal:
        vmovups(scratch(), every(one_));
        return vdivps(to, scratch(), a);
      case F::floor:
        return rounded(to, a, 9);
      case F::ceil:
        return rounded(to, a, 10);
      case F::trunc:
        return rounded(to, a, 11);
      case F::round:
        return rounded(to, a, 8);
      case F::sign:
        vsubps(to, a, a);  // 0, or NaN
        where(a, zero(), kLess);
        choose(to, to, every(minus_one_));
        where(a, scratch(), kGreater);
        return choose(to, to, every(one_));
      case F::relu:
        where(a, zero(), kNotLess);
        return keep(to, a);
      case F::maximum:
        vmaxps(to, a, b);
        return keep_nan(to, a);
      case F::minimum:
        vminps(to, a, b);
        return keep_nan(to, a);
      case F::clip:
        vmaxps(scratch(), a, b);
        keep_nan(scratch(), a);
        vminps(to, scratch(), c);
        return keep_nan(to, scratch());
      case F::equal:
        return truth(to, a, b, kEqual);
      case F::not_equal:
        return truth(to, a, b, kNotEqual);
      case F::less:
        return truth(to, a, b, kLess);
      case F::less_equal:
        return truth(to, a, b, kLessEqual);
      case F::greater:
        return truth(to, a, b, kGreater);
      case F::greater_equal:
        return truth(to, a, b, kGreaterEqual);
      case F::is_nan:
        return truth(to, a, a, kUnordered);
      case F::logical_not:
        return truth(to, a, zero(), kEqual);
      case F::logical_and:
      case F::logical_or:
      case F::logical_xor:
        return both(f, to, a, b);
      case F::select:
        where(a, zero(), kNotEqual);
        return choose(to, c, b);
      default:
        throw x::Error(x::ERR_BAD_PARAMETER);
    }
  }

  /// A vector of each.
  void emit_constants() {
    align(64);
    for (auto [label, bits] : {std::pair{&one_, 0x3f800000u},
                               {&minus_one_, 0xbf800000u},
                               {&sign_, 0x80000000u},
                               {&magnitude_, 0x7fffffffu},
                               {&last_bit_, 1u},
                               {&below_half_, 0x7fffu},
                               {&quiet_, 0x00400000u},
                               {&upper_half_, 0xffff0000u}}) {
      L(*label);
      for (int i = 0; i < 16; ++i) dd(bits);
    }
  }

  Chain chain_;
  bool wide_;
  std::vector<size_t> last_use_;  // by value: the call; after the last one for outputs
  std::vector<int> registers_;    // by value, -1 where it has none
  std::vector<int> free_;
  std::vector<int> arrays_;  // by input and output: the register of its address
  x::Label one_, minus_one_, sign_, magnitude_, last_bit_, below_half_, quiet_, upper_half_;
};

std::vector<int32_t> key_of(const Chain& chain) {
  std::vector<int32_t> key;
  for (ChainInput kind : chain.inputs) key.push_back(static_cast<int32_t>(kind));
  for (const Chain::Call& c : chain.calls) {
    key.push_back(-1 - static_cast<int32_t>(c.function));
    key.insert(key.end(), c.arguments.begin(), c.arguments.end());
    key.push_back(c.rounded);
  }
  key.push_back(-1);
  for (const Chain::Output& o : chain.outputs) key.insert(key.end(), {o.value, o.halves});
  return key;
}

}  // namespace

bool chains(Pointwise function) {
  if (vector_set() == VectorSet::sse4) return false;
  using F = Pointwise;
  constexpr F kFunctions[] = {
      F::identity,   F::add,        F::subtract,   F::multiply,    F::divide,        F::square,
      F::sqrt,       F::rsqrt,      F::reciprocal, F::negative,    F::absolute,      F::sign,
      F::floor,      F::ceil,       F::trunc,      F::round,       F::relu,          F::maximum,
      F::minimum,    F::clip,       F::equal,      F::less,        F::not_equal,     F::less_equal,
      F::greater,    F::select,     F::is_nan,     F::logical_not, F::greater_equal, F::logical_and,
      F::logical_or, F::logical_xor};
  return std::find(std::begin(kFunctions), std::end(kFunctions), function) != std::end(kFunctions);
}

std::shared_ptr<const ChainCode> compile(const Chain& chain) {
  static std::mutex mutex;
  static std::map<std::vector<int32_t>, std::weak_ptr<const ChainCode>> made;
  const std::lock_guard lock(mutex);
  if (vector_set() == VectorSet::sse4) return nullptr;
  const bool wide = vector_set() == VectorSet::avx512;
  std::vector<int32_t> key = key_of(chain);
  key.push_back(wide);
  if (const auto known = made.find(key); known != made.end()) {
    if (auto code = known->second.lock()) return code;
  }
  try {
    std::shared_ptr<const ChainCode> code = std::make_shared<const Emitter>(chain, wide);
    std::erase_if(made, [](const auto& row) { return row.second.expired(); });
    made[std::move(key)] = code;
    return code;
  } catch (const x::Error&) {
    return nullptr;
  }
}

#else

bool chains(Pointwise) { return false; }
std::shared_ptr<const ChainCode> compile(const Chain&) { return nullptr; }

#endif

}  // namespace varve::cpu
