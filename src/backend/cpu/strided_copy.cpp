#include "backend/cpu/strided_copy.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "backend/cpu/simd_steps.h"
#include "backend/cpu/words.h"
#include "base/error.h"
#include "base/math.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

// A block of a transposition: 32 rows of 32 words of 4 bytes are 4 KiB to read and 4 KiB to write,
// which L1 holds together.
constexpr int64_t kBlock = 32;
// Below this much a thread is not worth its start.
constexpr int64_t kGrainBytes = 128 << 10;
// Axes here have two elements at least, and no tensor has 2^63.
constexpr size_t kMostAxes = 63;

template <class T>
void copy_line(const T* x, T* y, int64_t n, int64_t from, int64_t to) {
  if (from == 1 && to == 1) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
  } else if (from == 0 && to == 1) {
    std::fill_n(y, n, *x);
  } else if (from == -1 && to == 1) {
    reverse(x - n + 1, y, n);
  } else if (from == 2 && to == 1) {
    every_second(x, y, n);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * to] = x[i * from];
  }
}

}  // namespace

StridedCopy::StridedCopy(int64_t width, const Shape& shape, const ir::Strides& from,
                         const ir::Strides& to)
    : width_(width), empty_(shape.size() == 0) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < from.size(); ++i) {
    if (shape.dims()[i] > 1) axes.push_back({shape.dims()[i], from[i], to[i]});
  }
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return std::abs(a.to) > std::abs(b.to); });
  std::vector<Axis> merged;
  for (const Axis& a : axes) {
    if (!merged.empty()) {
      Axis& last = merged.back();
      if (last.from == a.count * a.from && last.to == a.count * a.to) {
        last = {last.count * a.count, a.from, a.to};
        continue;
      }
    }
    merged.push_back(a);
  }
  if (merged.empty()) return;
  inner_ = merged.back();
  merged.pop_back();
  if (std::abs(inner_.from) > 1) {
    auto densest = std::min_element(merged.begin(), merged.end(), [](const Axis& a, const Axis& b) {
      return std::abs(a.from ? a.from : INT64_MAX) < std::abs(b.from ? b.from : INT64_MAX);
    });
    if (densest != merged.end() && densest->from != 0 &&
        std::abs(densest->from) < std::abs(inner_.from)) {
      across_ = *densest;
      merged.erase(densest);
      blocks_ = ceil_div(across_.count, kBlock);
    }
  }
  check(merged.size() <= kMostAxes, "a tensor has fewer than 2^63 elements");
  outer_ = std::move(merged);
  units_ = blocks_;
  for (const Axis& a : outer_) units_ *= a.count;
}

template <class T>
void StridedCopy::run_units(const T* x, T* y, int64_t begin, int64_t end) const {
  // A unit's number is that of its outer element, then of its block.
  // Nothing here may throw: it runs on the threads of kernels that are noexcept.
  int64_t index[kMostAxes];
  int64_t rest = begin / blocks_, block = begin % blocks_, from = 0, to = 0;
  for (size_t k = outer_.size(); k-- > 0;) {
    index[k] = rest % outer_[k].count;
    rest /= outer_[k].count;
    from += index[k] * outer_[k].from;
    to += index[k] * outer_[k].to;
  }
  const Axis in = inner_, across = across_;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t first = block * kBlock, last = std::min(first + kBlock, across.count);
    if (last - first == 1) {
      copy_line(x + from + first * across.from, y + to + first * across.to, in.count, in.from,
                in.to);
    } else {
      for (int64_t tile = 0; tile < in.count; tile += kBlock) {
        const int64_t tile_end = std::min(tile + kBlock, in.count);
        for (int64_t j = first; j < last; ++j) {
          const T* source = x + from + j * across.from;
          T* target = y + to + j * across.to;
          for (int64_t i = tile; i < tile_end; ++i) target[i * in.to] = source[i * in.from];
        }
      }
    }
    if (++block < blocks_) continue;
    block = 0;
    for (size_t k = outer_.size(); k-- > 0;) {
      from += outer_[k].from;
      to += outer_[k].to;
      if (++index[k] < outer_[k].count) break;
      from -= outer_[k].from * outer_[k].count;
      to -= outer_[k].to * outer_[k].count;
      index[k] = 0;
    }
  }
}

template <class T>
void StridedCopy::run_words(const T* x, T* y, int threads) const {
  if (units_ == 1 && across_.count == 1) {
    const Axis in = inner_;
    parallel_for(in.count, kGrainBytes / width_, threads, [&](int64_t begin, int64_t end) {
      copy_line(x + begin * in.from, y + begin * in.to, end - begin, in.from, in.to);
    });
    return;
  }
  const int64_t unit_bytes = inner_.count * std::min(across_.count, kBlock) * width_;
  parallel_for(units_, ceil_div(kGrainBytes, unit_bytes), threads,
               [&](int64_t begin, int64_t end) { run_units(x, y, begin, end); });
}

void StridedCopy::run(const void* x, void* y, int threads) const {
  if (empty_) return;
  dispatch_word(width_, [&]<class T>(T) {
    run_words(static_cast<const T*>(x), static_cast<T*>(y), threads);
  });
}

}  // namespace varve::cpu
