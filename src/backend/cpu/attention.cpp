// Kernels of attention and its gradient, in f32.
#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_attention.h"

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

/// Why a request is not taken; empty where it is. `mask`: its place among the inputs.
std::string refusal(const Request& r, const AttentionShape& s, size_t mask, AttentionMask& m) {
  if (r.outputs[0].dtype != f32) return "has f32 only";
  if (s.batch * s.queries * s.keys * s.heads * s.size * s.value_size == 0)
    return "takes no empty operands";
  for (size_t i = 0; i < mask; ++i) {
    if (!r.inputs[i].contiguous()) return "wants operands without gaps";
  }
  for (const Layout& l : r.outputs) {
    if (!l.contiguous()) return "wants operands without gaps";
  }
  if (r.inputs.size() > mask && !mask_steps(r.inputs[mask], m)) return "wants a dense mask";
  return {};
}

void set_mask(AttentionMask& m, const Layout* layout, const void* elements) {
  if (layout == nullptr) return;
  if (layout->dtype == f32) {
    m.added = static_cast<const float*>(elements);
  } else {
    m.seen = static_cast<const bool*>(elements);
  }
}

class Forward final : public Kernel {
 public:
  Forward(const AttentionShape& s, const AttentionMask& m, const Layout* mask)
      : s_(s), mask_(m), has_mask_(mask != nullptr), layout_(mask ? *mask : Layout{}) {}
  int64_t scratch_bytes() const override { return varve::cpu::attention_scratch(s_) * 4; }
  void run(const Arguments& a) const noexcept override {
    varve::cpu::AttentionForward f{};
    f.q = static_cast<const float*>(a.inputs[0]);
    f.k = static_cast<const float*>(a.inputs[1]);
    f.v = static_cast<const float*>(a.inputs[2]);
    f.mask = mask_;
    if (has_mask_) set_mask(f.mask, &layout_, a.inputs[3]);
    f.y = static_cast<float*>(a.outputs[0]);
    f.largest = static_cast<float*>(a.outputs[1]);
    f.total = static_cast<float*>(a.outputs[2]);
    f.scratch = reinterpret_cast<float*>(a.scratch);
    varve::cpu::attention_forward(s_, f);
  }

 private:
  AttentionShape s_;
  AttentionMask mask_;
  bool has_mask_;
  Layout layout_;
};

class Backward final : public Kernel {
 public:
  Backward(const AttentionShape& s, const AttentionMask& m, const Layout* mask)
      : s_(s), mask_(m), has_mask_(mask != nullptr), layout_(mask ? *mask : Layout{}) {}
  int64_t scratch_bytes() const override { return varve::cpu::attention_gradient_scratch(s_) * 4; }
  void run(const Arguments& a) const noexcept override {
    const auto in = [&](size_t i) { return static_cast<const float*>(a.inputs[i]); };
    const auto out = [&](size_t i) { return static_cast<float*>(a.outputs[i]); };
    varve::cpu::AttentionBackward b{in(0),  in(1),  in(2),  in(3),
                                    in(4),  in(5),  in(6),  mask_,
                                    out(0), out(1), out(2), reinterpret_cast<float*>(a.scratch)};
    if (has_mask_) set_mask(b.mask, &layout_, a.inputs[7]);
    varve::cpu::attention_backward(s_, b);
  }

 private:
  AttentionShape s_;
  AttentionMask mask_;
  bool has_mask_;
  Layout layout_;
};

template <class K>
Offer prepare(const Request& r, size_t mask) {
  const AttentionShape s = shape_of(r);
  AttentionMask m;
  if (std::string why = refusal(r, s, mask, m); !why.empty()) return Offer::decline(why);
  return Offer(std::make_unique<K>(s, m, r.inputs.size() > mask ? &r.inputs[mask] : nullptr));
}

}  // namespace

std::vector<KernelRow> attention_kernels() {
  return {{"attention", "simd attention", [](const Request& r) { return prepare<Forward>(r, 3); }},
          {"attention_gradient", "simd attention",
           [](const Request& r) { return prepare<Backward>(r, 7); }}};
}

}  // namespace varve::backend::cpu
