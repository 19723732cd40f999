// What every pass gives is held against the shape rules where that is affordable.
#pragma once
#include "ir/graph.h"

namespace varve::ir {

/// The graph itself; in debug builds it is verified (InternalError with the nodes around a fault).
inline Graph checked(Graph graph) {
#ifndef NDEBUG
  verify(graph);
#endif
  return graph;
}

}  // namespace varve::ir
