#include "backend/cpu/tile_chain.h"

#include <algorithm>
#include <map>
#include <mutex>

#if defined(__x86_64__)
#define XBYAK_NO_OP_NAMES
#include <xbyak/xbyak.h>
#endif

#include "backend/cpu/simd_width.h"

namespace varve::cpu {

#if defined(__x86_64__)
namespace {

namespace x = Xbyak;

constexpr size_t kCodeBytes = 16384;
constexpr int kRegisters = 32, kScratch = kRegisters - 1;

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
  explicit Emitter(const Chain& chain)
      : CodeGenerator(kCodeBytes, x::DontSetProtectRWE), chain_(chain) {
    find_last_uses();
    for (int i = kScratch; i-- > 0;) free_.push_back(i);
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
    for (int32_t v : chain_.outputs) last_use_[static_cast<size_t>(v)] = chain_.calls.size();
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
  x::Zmm of(int32_t value) const { return x::Zmm(registers_[static_cast<size_t>(value)]); }
  x::Zmm scratch() const { return x::Zmm(kScratch); }

  // ---- code ----

  /// The System V convention: rdi = inputs, rsi = outputs, rdx = n, rcx = columns. r15 is the
  /// offset in bytes, r14 that within a row; the first arrays have registers of their own,
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
      vmovups(x::Zmm(registers_[i]), ptr[rax]);
    }
    x::Label loop, end;
    const bool rows = std::find(chain_.inputs.begin(), chain_.inputs.end(), ChainInput::row) !=
                      chain_.inputs.end();
    xor_(r15, r15);
    xor_(r14, r14);
    shl(rcx, 2);
    shl(rdx, 2);
    jz(end, T_NEAR);
    align(32);
    L(loop);
    for (size_t c = 0; c < chain_.calls.size(); ++c) emit_call(c);
    for (size_t o = 0; o < chain_.outputs.size(); ++o) {
      vmovups(element(inputs() + o), of(chain_.outputs[o]));
    }
    if (rows) {
      xor_(eax, eax);
      add(r14, 64);
      cmp(r14, rcx);
      cmove(r14, rax);
    }
    add(r15, 64);
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
  /// The vector of an array at the offset.
  x::Address element(size_t array) {
    const x::Reg64& offset = is(ChainInput::row, array) ? r14 : r15;
    if (arrays_[array] >= 0) return ptr[x::Reg64(arrays_[array]) + offset];
    mov(rax, slot_of(array));
    return ptr[rax + offset];
  }

  void emit_call(size_t index) {
    const Chain::Call& call = chain_.calls[index];
    for (int32_t v : call.arguments) {
      if (v < 0 || registers_[static_cast<size_t>(v)] >= 0) continue;
      registers_[static_cast<size_t>(v)] = take();
      vmovups(of(v), element(static_cast<size_t>(v)));
    }
    const auto value = static_cast<int32_t>(inputs() + index);
    registers_[static_cast<size_t>(value)] = take();
    const auto argument = [&](size_t k) { return of(std::max(call.arguments[k], 0)); };
    emit(call.function, of(value), argument(0), call.arguments[1] < 0 ? argument(0) : argument(1),
         call.arguments[2] < 0 ? argument(0) : argument(2));
    for (int32_t v : call.arguments) release(v, index);
    release(value, index);  // where nobody reads it
  }
  void release(int32_t value, size_t index) {
    if (value < 0 || last_use_[static_cast<size_t>(value)] > index) return;
    int& r = registers_[static_cast<size_t>(value)];
    if (r >= 0) free_.push_back(r);
    r = -1;
  }

  x::Address every(x::Label& constant) { return ptr_b[rip + constant]; }
  void truth(const x::Zmm& to, const x::Opmask& k) { vbroadcastss(to | k | T_z, ptr[rip + one_]); }
  void compare(const x::Zmm& to, const x::Zmm& a, const x::Zmm& b, Predicate p) {
    vcmpps(k1, a, b, p);
    truth(to, k1);
  }
  const x::Zmm zero() {
    vpxord(scratch(), scratch(), scratch());
    return scratch();
  }
  /// x86's max and min give their second operand where either is NaN.
  void keep_nan(const x::Zmm& to, const x::Zmm& a) {
    vcmpps(k1, a, a, kUnordered);
    vmovaps(to | k1, a);
  }

  /// `to` is none of the others.
  void emit(Pointwise f, const x::Zmm& to, const x::Zmm& a, const x::Zmm& b, const x::Zmm& c) {
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
        return vpxord(to, a, every(sign_));
      case F::absolute:
        return vpandd(to, a, every(magnitude_));
      case F::sqrt:
        return vsqrtps(to, a);
      case F::rsqrt:
        vsqrtps(to, a);
        vbroadcastss(scratch(), ptr[rip + one_]);
        return vdivps(to, scratch(), to);
      case F::reciprocal:
        vbroadcastss(scratch(), ptr[rip + one_]);
        return vdivps(to, scratch(), a);
      case F::floor:
        return vrndscaleps(to, a, 9);
      case F::ceil:
        return vrndscaleps(to, a, 10);
      case F::trunc:
        return vrndscaleps(to, a, 11);
      case F::round:
        return vrndscaleps(to, a, 8);
      case F::sign:
        vsubps(to, a, a);  // 0, or NaN
        vcmpps(k1, a, zero(), kLess);
        vbroadcastss(to | k1, ptr[rip + minus_one_]);
        vcmpps(k1, a, scratch(), kGreater);
        return vbroadcastss(to | k1, ptr[rip + one_]);
      case F::relu:
        vcmpps(k1, a, zero(), kNotLess);
        return vmovaps(to | k1 | T_z, a);
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
        return compare(to, a, b, kEqual);
      case F::not_equal:
        return compare(to, a, b, kNotEqual);
      case F::less:
        return compare(to, a, b, kLess);
      case F::less_equal:
        return compare(to, a, b, kLessEqual);
      case F::greater:
        return compare(to, a, b, kGreater);
      case F::greater_equal:
        return compare(to, a, b, kGreaterEqual);
      case F::is_nan:
        return compare(to, a, a, kUnordered);
      case F::logical_not:
        return compare(to, a, zero(), kEqual);
      case F::logical_and:
      case F::logical_or:
      case F::logical_xor:
        vcmpps(k1, a, zero(), kNotEqual);
        vcmpps(k2, b, scratch(), kNotEqual);
        if (f == F::logical_and) kandw(k1, k1, k2);
        if (f == F::logical_or) korw(k1, k1, k2);
        if (f == F::logical_xor) kxorw(k1, k1, k2);
        return truth(to, k1);
      case F::select:
        vcmpps(k1, a, zero(), kNotEqual);
        return vblendmps(to | k1, c, b);
      default:
        throw x::Error(x::ERR_BAD_PARAMETER);
    }
  }

  void emit_constants() {
    align(4);
    for (auto [label, bits] : {std::pair{&one_, 0x3f800000u},
                               {&minus_one_, 0xbf800000u},
                               {&sign_, 0x80000000u},
                               {&magnitude_, 0x7fffffffu}}) {
      L(*label);
      dd(bits);
    }
  }

  Chain chain_;
  std::vector<size_t> last_use_;  // by value: the call; after the last one for outputs
  std::vector<int> registers_;    // by value, -1 where it has none
  std::vector<int> free_;
  std::vector<int> arrays_;  // by input and output: the register of its address
  x::Label one_, minus_one_, sign_, magnitude_;
};

std::vector<int32_t> key_of(const Chain& chain) {
  std::vector<int32_t> key;
  for (ChainInput kind : chain.inputs) key.push_back(static_cast<int32_t>(kind));
  for (const Chain::Call& c : chain.calls) {
    key.push_back(-1 - static_cast<int32_t>(c.function));
    key.insert(key.end(), c.arguments.begin(), c.arguments.end());
  }
  key.push_back(-1);
  key.insert(key.end(), chain.outputs.begin(), chain.outputs.end());
  return key;
}

}  // namespace

bool chains(Pointwise function) {
  if (!has_avx512()) return false;
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
  std::vector<int32_t> key = key_of(chain);
  if (const auto known = made.find(key); known != made.end()) {
    if (auto code = known->second.lock()) return code;
  }
  try {
    std::shared_ptr<const ChainCode> code = std::make_shared<const Emitter>(chain);
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
