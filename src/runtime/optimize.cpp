#include "runtime/optimize.h"

#include "runtime/attach.h"
#include "runtime/lower.h"
#include "transform/group.h"

namespace varve::runtime {

ir::Graph optimize(const ir::Graph& graph, backend::KernelSet set, int threads) {
  const ir::Graph lowered = lower(graph, set, threads);
  if (set == backend::KernelSet::ref) return lowered;
  return transform::group(attach(lowered, threads));
}

}  // namespace varve::runtime
