#include "runtime/optimize.h"

namespace varve::runtime {

ir::Graph optimize(const ir::Graph& graph) { return graph; }

}  // namespace varve::runtime
