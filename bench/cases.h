// The benchmark's cases: the networks of the peers' suite, on synthetic data of the same sizes.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "varve/nn/layer.h"
#include "varve/tensor.h"

namespace varve::bench {

struct Case {
  std::string name;
  Shape input;  ///< with the batch
  int64_t classes;
  /// The network; `dropout` off where both sides must compute the same.
  std::function<Layer(bool dropout)> network;
};

const std::vector<Case>& cases();
/// Throws ValueError with the nearest name.
const Case& find_case(const std::string& name);

}  // namespace varve::bench
