// Elements moved between two strided places: rows by memcpy, transpositions in blocks, in parallel.
#pragma once
#include <vector>

#include "ir/storage.h"
#include "varve/types.h"

namespace varve::cpu {

class StridedCopy {
 public:
  /// Elements of `width` bytes (1, 2, 4 or 8); strides are in elements. Places written must not
  /// overlap one another or what is read.
  StridedCopy(int64_t width, const Shape& shape, const ir::Strides& from, const ir::Strides& to);

  /// `x` and `y` point at the elements of index 0.
  void run(const void* x, void* y, int threads) const;

 private:
  struct Axis {
    int64_t count, from, to;
  };
  template <class T>
  void run_words(const T* x, T* y, int threads) const;
  template <class T>
  void run_units(const T* x, T* y, int64_t begin, int64_t end) const;

  int64_t width_;
  bool empty_ = false;
  std::vector<Axis> outer_;         // outermost first
  Axis inner_{1, 1, 1};             // the axis that is written most densely
  Axis across_{1, 1, 1};            // of a transposition: the axis that is read most densely
  int64_t units_ = 1, blocks_ = 1;  // units: outer elements times blocks of `across_`
};

}  // namespace varve::cpu
