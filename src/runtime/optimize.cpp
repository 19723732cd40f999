#include "runtime/optimize.h"

#include "backend/cpu/instruction_set.h"
#include "ir/checked.h"
#include "runtime/attach.h"
#include "transform/batch.h"
#include "transform/group.h"
#include "transform/layouts.h"
#include "transform/precision.h"
#include "transform/simplify.h"

namespace varve::runtime {
namespace {

ir::Graph simplified(const ir::Graph& graph) {
  using ir::checked;
  bool changed = false;
  ir::Graph simple =
      checked(transform::cancel_transposes(checked(transform::simplify(graph)), changed));
  return changed ? checked(transform::simplify(simple)) : simple;
}

}  // namespace

ir::Graph optimize(const ir::Graph& traced, const PlanRoles& roles, backend::KernelSet set,
                   int threads, Precision precision, Means means) {
  using ir::checked;
  const ir::Graph graph = precision == Precision::f32
                              ? traced
                              : checked(transform::mixed_bf16(traced, cpu::computes_in_bf16()));
  // Reference kernels give the same bits in any plan.
  if (set == backend::KernelSet::ref) return checked(lower(graph, set, threads, Means::whole));
  // Before lowering, while composites are whole; after it, for what decompositions have in common.
  const ir::Graph lowered = checked(transform::moments_of_halves(
      simplified(checked(lower(simplified(checked(graph)), set, threads, means)))));
  return checked(transform::batch(checked(transform::group(checked(attach(lowered, threads)))),
                                  static_cast<size_t>(roles.results), roles.assigned.size()));
}

}  // namespace varve::runtime
