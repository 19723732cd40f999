// Kernels of attention and its gradient, in f32.
#include <optional>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_attention.h"
#include "backend/cpu/thread_scope.h"

namespace varve::backend::cpu {
namespace {

using varve::cpu::AttentionMask;
using varve::cpu::AttentionShape;

AttentionShape shape_of(const Request& r) {
  const Shape &q = r.inputs[0].shape, &k = r.inputs[1].shape, &v = r.inputs[2].shape;
  AttentionShape s;
  s.batch = q[0];
  s.queries = q[1];
  s.heads = q[2];
  s.size = q[3];
  s.keys = k[1];
  s.key_heads = k[2];
  s.value_size = v[3];
  s.scale = static_cast<float>(r.attributes.real("scale"));
  s.softcap = static_cast<float>(r.attributes.real("softcap"));
  s.causal = r.attributes.flag("causal");
  s.offset = r.attributes.integer("offset");
  s.kept = static_cast<float>(1 - r.attributes.real("dropout"));
  return s;
}

/// Steps of a mask; its elements are put in when it runs. False where keys are not side by side.
bool mask_steps(const Layout& l, AttentionMask& m) {
  const auto step = [&](int axis) {
    return l.shape[axis] == 1 ? 0 : l.strides[static_cast<size_t>(axis)];
  };
  m.batch = step(0);
  m.head = step(1);
  m.query = step(2);
  m.key = step(3);
  return m.key == 0 || m.key == 1;
}

/// Whether there is one at that place, where the key stands if there is none.
bool has_mask(const Request& r, size_t mask) {
  return r.inputs.size() > mask && r.inputs[mask].dtype != u64;
}

/// Why a request is not taken; empty where it is. `mask`: its place among the inputs.
std::string refusal(const Request& r, const AttentionShape& s, size_t mask, AttentionMask& m) {
  if (r.outputs[0].dtype != f32) return "has f32 only";
  for (const int64_t size : {s.batch, s.queries, s.keys, s.heads, s.size, s.value_size}) {
    if (size == 0) return "takes no empty operands";
  }
  for (size_t i = 0; i < mask; ++i) {
    if (!r.inputs[i].contiguous()) return "wants operands without gaps";
  }
  for (const Layout& l : r.outputs) {
    if (!l.contiguous()) return "wants operands without gaps";
  }
  if (has_mask(r, mask) && !mask_steps(r.inputs[mask], m)) return "wants a dense mask";
  if (s.kept < 1 && !r.inputs.back().contiguous()) return "wants a dense key";
  return {};
}

/// What both kernels are made for.
class Attention : public Kernel {
 public:
  Attention(const Request& r, const AttentionShape& s, size_t mask, const AttentionMask& m)
      : s_(s), threads_(threads_for(s, r.threads)), mask_at_(mask), mask_(m) {
    if (has_mask(r, mask)) mask_type_ = r.inputs[mask].dtype;
    if (s.kept < 1) key_at_ = r.inputs.size() - 1;
  }

 protected:
  AttentionMask mask_of(const Arguments& a) const {
    AttentionMask m = mask_;
    if (mask_type_ == f32) m.added = static_cast<const float*>(a.inputs[mask_at_]);
    if (mask_type_ == DType::bool_) m.seen = static_cast<const bool*>(a.inputs[mask_at_]);
    return m;
  }

  const uint64_t* key_of(const Arguments& a) const {
    return key_at_ == 0 ? nullptr : static_cast<const uint64_t*>(a.inputs[key_at_]);
  }

  const AttentionShape s_;
  const int threads_;

 private:
  static int threads_for(const AttentionShape& s, int threads) {
    return useful_threads(2. * static_cast<double>(s.batch * s.heads) *
                              static_cast<double>(s.queries) * static_cast<double>(s.keys) *
                              static_cast<double>(s.size + s.value_size),
                          threads);
  }

  size_t mask_at_, key_at_ = 0;
  AttentionMask mask_;
  std::optional<DType> mask_type_;
};

class Forward final : public Attention {
 public:
  using Attention::Attention;
  int64_t scratch_bytes() const override { return varve::cpu::attention_scratch(s_, threads_) * 4; }
  void run(const Arguments& a) const noexcept override {
    const auto in = [&](size_t i) { return static_cast<const float*>(a.inputs[i]); };
    const auto out = [&](size_t i) { return static_cast<float*>(a.outputs[i]); };
    varve::cpu::attention_forward(s_,
                                  {in(0), in(1), in(2), mask_of(a), key_of(a), out(0), out(1),
                                   out(2), reinterpret_cast<float*>(a.scratch)},
                                  threads_);
  }
};

class Backward final : public Attention {
 public:
  using Attention::Attention;
  int64_t scratch_bytes() const override {
    return varve::cpu::attention_gradient_scratch(s_, threads_) * 4;
  }
  void run(const Arguments& a) const noexcept override {
    const auto in = [&](size_t i) { return static_cast<const float*>(a.inputs[i]); };
    const auto out = [&](size_t i) { return static_cast<float*>(a.outputs[i]); };
    varve::cpu::attention_backward(
        s_,
        {in(0), in(1), in(2), in(3), in(4), in(5), in(6), mask_of(a), key_of(a), out(0), out(1),
         out(2), reinterpret_cast<float*>(a.scratch)},
        threads_);
  }
};

template <class K>
Offer prepare(const Request& r, size_t mask) {
  const AttentionShape s = shape_of(r);
  AttentionMask m;
  if (std::string why = refusal(r, s, mask, m); !why.empty()) return Offer::decline(why);
  return Offer(std::make_unique<K>(r, s, mask, m));
}

}  // namespace

std::vector<KernelRow> attention_kernels() {
  return {{"attention", "simd attention", [](const Request& r) { return prepare<Forward>(r, 3); }},
          {"attention_gradient", "simd attention",
           [](const Request& r) { return prepare<Backward>(r, 7); }}};
}

}  // namespace varve::backend::cpu
