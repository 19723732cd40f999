#include "runtime/optimize.h"

#include "runtime/lower.h"

namespace varve::runtime {

ir::Graph optimize(const ir::Graph& graph, backend::KernelSet set, int threads) {
  return lower(graph, set, threads);
}

}  // namespace varve::runtime
