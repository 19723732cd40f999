// What the tests of layers share.
#pragma once
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/nn/layer.h"
#include "varve/nn/layers.h"
#include "varve/nn/network.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve::test {

inline std::vector<std::string> names_of(const Variables& variables) {
  std::vector<std::string> names;
  for (const Variable& v : variables) names.push_back(v.name());
  return names;
}

}  // namespace varve::test
