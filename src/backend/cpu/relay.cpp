// Changes between row-major elements and blocks of channels: as many bytes as a block has are moved
// at a time.
#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels.h"
#include "backend/cpu/strided_copy.h"
#include "base/threads.h"

namespace varve::backend::cpu {
namespace {

// Positions whose blocks are moved together: runs of that many are read or written in order.
constexpr int64_t kPositions = 8;
constexpr int64_t kGrainBytes = 1 << 15;

/// [batch, positions, blocks] to [batch, blocks, positions], or back, of blocks of `bytes`.
struct Pictures {
  int64_t batch, positions, blocks, bytes;
  bool to_blocks;
};

template <int64_t bytes>
void move(const Pictures& p, const std::byte* x, std::byte* y, int64_t begin, int64_t end) {
  // Steps of one position and of one block, in bytes, where positions and where blocks are outside.
  const int64_t row = p.blocks * bytes, plane = p.positions * bytes;
  for (int64_t at = begin; at < end;) {
    const int64_t picture = at / p.positions, first = at % p.positions;
    const int64_t count = std::min({end - at, p.positions - first, kPositions});
    const int64_t start = picture * p.blocks * plane;
    for (int64_t b = 0; b < p.blocks; ++b) {
      const int64_t outside = start + first * row + b * bytes,
                    inside = start + b * plane + first * bytes;
      for (int64_t k = 0; k < count; ++k) {
        const int64_t plain = outside + k * row, block = inside + k * bytes;
        std::memcpy(y + (p.to_blocks ? block : plain), x + (p.to_blocks ? plain : block), bytes);
      }
    }
    at += count;
  }
}

class Relay final : public Kernel {
 public:
  Relay(const Pictures& pictures, int threads) : p_(pictures), threads_(threads) {
    move_ = p_.bytes == 64 ? move<64> : p_.bytes == 32 ? move<32> : move<16>;
  }
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const std::byte*>(a.inputs[0]);
    auto* y = static_cast<std::byte*>(a.outputs[0]);
    const int64_t least = std::max<int64_t>(kPositions, kGrainBytes / (p_.blocks * p_.bytes));
    parallel_for(p_.batch * p_.positions, least, threads_,
                 [&](int64_t begin, int64_t end) { move_(p_, x, y, begin, end); });
  }

 private:
  Pictures p_;
  int threads_;
  void (*move_)(const Pictures&, const std::byte*, std::byte*, int64_t, int64_t);
};

/// Plain elements with gaps or turned.
class StridedRelay final : public Kernel {
 public:
  StridedRelay(varve::cpu::StridedCopy copy, int threads)
      : copy_(std::move(copy)), threads_(threads) {}
  void run(const Arguments& a) const noexcept override {
    copy_.run(a.inputs[0], a.outputs[0], threads_);
  }

 private:
  varve::cpu::StridedCopy copy_;
  int threads_;
};

/// Steps of [batch, spatial..., blocks, channels of a block].
ir::Strides steps_of(const Layout& l, int64_t block) {
  ir::Strides steps = l.strides;
  if (l.format == Format::plain) {
    steps.back() *= block;
    steps.push_back(l.strides.back());
    return steps;
  }
  const int rank = l.shape.rank();
  int64_t step = block;
  for (int axis = rank - 1; axis-- > 1;) {
    steps[static_cast<size_t>(axis)] = step;
    step *= l.shape[axis];
  }
  steps[static_cast<size_t>(rank) - 1] = step;
  steps[0] = step * (l.shape[-1] / block);
  steps.push_back(1);
  return steps;
}

}  // namespace

Offer relay(const Request& r) {
  const Layout &x = r.inputs[0], &y = r.outputs[0];
  if ((x.format == Format::plain) == (y.format == Format::plain))
    return Offer::decline("changes between plain elements and blocks");
  if (x.dtype != y.dtype || (x.dtype != f32 && x.dtype != bf16))
    return Offer::decline("takes f32 and bf16");
  const bool to_blocks = x.format == Format::plain;
  const Layout& plain = to_blocks ? x : y;
  const int64_t block = ir::block_of(to_blocks ? y.format : x.format);
  if (plain.contiguous()) {
    const Shape& s = plain.shape;
    return Offer(std::make_unique<Relay>(Pictures{s[0], s.size() / (s[0] * s[-1]), s[-1] / block,
                                                  block * size_of(x.dtype), to_blocks},
                                         r.threads));
  }
  std::vector<int64_t> dims = plain.shape.dims();
  dims.back() /= block;
  dims.push_back(block);
  return Offer(std::make_unique<StridedRelay>(
      varve::cpu::StridedCopy(size_of(x.dtype), Shape(std::move(dims)), steps_of(x, block),
                              steps_of(y, block)),
      r.threads));
}

std::vector<KernelRow> relay_kernels() {
  // Plans ask for a change themselves: it is no way to run a cast.
  constexpr auto none = [](const Request&) { return std::vector<transform::Candidate>(); };
  return {{"cast", "cpu relay", relay, none}};
}

}  // namespace varve::backend::cpu
