// What a dataset holds, and how its rows are copied out.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "varve/dataset.h"

namespace varve::detail {

struct DatasetState {
  Tensors inputs, targets;
  Tensor weights;  // by position: an example that stands twice may weigh differently
  std::shared_ptr<const std::vector<int64_t>> rows;  // of the stored tensors, in order
  std::vector<std::string> class_names;
  std::string preprocessing;
  std::vector<Preparation> prepare;
};

}  // namespace varve::detail

namespace varve::data {

/// The positions 0..n-1 in their order, or shuffled: `permutation`.
std::vector<int64_t> positions_of(int64_t n, bool shuffle, uint64_t seed, uint64_t stream = 0);

/// The given rows of the first axis, copied. Runs on the calling thread alone and builds no graph,
/// so a loader's worker may call it. Needs: elements evaluated, rows checked.
Tensor gather_rows(const Tensor& x, std::span<const int64_t> rows);

}  // namespace varve::data
