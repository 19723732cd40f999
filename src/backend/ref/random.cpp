// Random numbers: each element computed from its own counter.
#include <utility>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "base/philox.h"

namespace varve::backend::ref {
namespace {

struct KeyWords {
  uint64_t seed, stream;
};

Offer prepare_fold_in(const Request& r) {
  return kernel([step = r.inputs[0].strides[0], to = r.outputs[0].strides[0]](const Arguments& a) {
    const uint64_t* p = in<uint64_t>(a, 0);
    const auto folded = philox::fold(p[0], p[step], *in<uint64_t>(a, 1));
    out<uint64_t>(a)[0] = folded[0];
    out<uint64_t>(a)[to] = folded[1];
  });
}

/// Calls f(key, row-major index, position in the output) for every element.
template <class F>
Offer each_element(const Request& r, F f) {
  return kernel([step = r.inputs[0].strides[0], shape = r.outputs[0].shape,
                 strides = r.outputs[0].strides, f](const Arguments& a) {
    const uint64_t* p = in<uint64_t>(a, 0);
    const KeyWords key{p[0], p[step]};
    uint64_t index = 0;
    for_each_element(shape, {&strides}, [&](const int64_t* at) { f(a, key, index++, at[0]); });
  });
}

Offer prepare_bits(const Request& r) {
  return each_element(r, [](const Arguments& a, KeyWords key, uint64_t index, int64_t at) {
    out<uint32_t>(a)[at] = philox::word(key.seed, key.stream, index);
  });
}

Offer prepare_unit(const Request& r) {
  return each_element(
      r, [d = r.outputs[0].dtype](const Arguments& a, KeyWords key, uint64_t index, int64_t at) {
        const uint32_t word = philox::word(key.seed, key.stream, index);
        if (d == f64) {
          out<double>(a)[at] = philox::unit_double(key.seed, key.stream, index);
        } else if (d == f32) {
          out<float>(a)[at] = philox::unit_float(word);
        } else if (d == f16) {
          out<Float16>(a)[at] = Float16(static_cast<float>(word >> 21) * 0x1p-11f);
        } else {
          out<BFloat16>(a)[at] = BFloat16(static_cast<float>(word >> 24) * 0x1p-8f);
        }
      });
}

/// Numbers below a bound, each equally likely, from consecutive 64-bit pairs of words.
class Below {
 public:
  explicit Below(KeyWords key) : key_(key) {}
  uint64_t operator()(uint64_t bound) {
    const uint64_t uneven = (0 - bound) % bound;  // 2^64 modulo the bound: numbers too many
    while (true) {
      const uint64_t low = philox::word(key_.seed, key_.stream, next_++);
      const uint64_t high = philox::word(key_.seed, key_.stream, next_++);
      const uint64_t bits = low | high << 32;
      if (bits >= uneven) return bits % bound;
    }
  }

 private:
  KeyWords key_;
  uint64_t next_ = 0;
};

Offer prepare_permutation(const Request& r) {
  return kernel([step = r.inputs[0].strides[0], n = r.outputs[0].shape[0],
                 to = r.outputs[0].strides[0]](const Arguments& a) {
    const uint64_t* p = in<uint64_t>(a, 0);
    Below below({p[0], p[step]});
    int64_t* y = out<int64_t>(a);
    for (int64_t i = 0; i < n; ++i) y[i * to] = i;
    for (int64_t i = n - 1; i > 0; --i) {
      const auto j = static_cast<int64_t>(below(static_cast<uint64_t>(i) + 1));
      std::swap(y[i * to], y[j * to]);
    }
  });
}

}  // namespace

std::vector<KernelRow> random_kernels() {
  return {{"fold_in", "ref fold_in", prepare_fold_in},
          {"random_bits", "ref random_bits", prepare_bits},
          {"random_unit", "ref random_unit", prepare_unit},
          {"random_permutation", "ref random_permutation", prepare_permutation}};
}

}  // namespace varve::backend::ref
