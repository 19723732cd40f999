#include "transform/group.h"

#include <algorithm>

#include "transform/recompute.h"
#include "transform/tile_build.h"
#include "transform/units.h"

namespace varve::transform {
namespace {

class Grouper {
 public:
  explicit Grouper(const ir::Graph& graph) : units_(graph) {}

  ir::Graph run() {
    for (size_t i = 0; i < units_.graph().nodes.size(); ++i) {
      const auto n = static_cast<int32_t>(i);
      if (!units_.joins(n)) continue;
      for (ir::ValueId v : units_.node(n).inputs) try_merge(v.node, n);
    }
    recompute(units_);
    return units_.to_graph();
  }

 private:
  void try_merge(int32_t producer, int32_t consumer) {
    const int32_t a = units_.owner(producer), b = units_.owner(consumer);
    if (!units_.joins(producer) || units_.reduces(producer) || a == b) return;
    const ir::Graph& g = units_.graph();
    if (space_of(g, units_.node(producer)) != space_of(g, units_.node(consumer))) return;
    if (reads_reduction(a, b) || reads_reduction(b, a)) return;
    if (reaches_outside(a, b) || reaches_outside(b, a)) return;
    if (units_.merged(a, b)) units_.merge(a, b);
  }

  /// Whether a member of `to` reads a reduction in `from`: it would not be finished yet.
  bool reads_reduction(int32_t from, int32_t to) const {
    for (int32_t m : units_.members(from)) {
      if (!units_.reduces(m)) continue;
      for (int32_t r : units_.readers(m)) {
        if (units_.owner(r) == to) return true;
      }
    }
    return false;
  }

  /// Whether unit `to` depends on unit `from` through some unit between them: merged, they would
  /// wait for what waits for them.
  bool reaches_outside(int32_t from, int32_t to) {
    ++stamp_;
    seen_.resize(units_.graph().nodes.size(), 0);
    std::vector<int32_t> stack;
    auto push_inputs = [&](int32_t unit, bool direct) {
      for (int32_t m : units_.members(unit)) {
        for (ir::ValueId v : units_.node(m).inputs) {
          const int32_t u = units_.owner(v.node);
          if (u == unit || seen_[static_cast<size_t>(u)] == stamp_) continue;
          if (u == from && direct) continue;
          // (Where members stand says nothing: an early unit may need a later member of another.)
          seen_[static_cast<size_t>(u)] = stamp_;
          stack.push_back(u);
        }
      }
    };
    push_inputs(to, true);
    while (!stack.empty()) {
      const int32_t u = stack.back();
      stack.pop_back();
      if (u == from) return true;
      push_inputs(u, false);
    }
    return false;
  }

  Units units_;
  std::vector<int> seen_;
  int stamp_ = 0;
};

}  // namespace

ir::Graph group(const ir::Graph& graph) { return Grouper(graph).run(); }

}  // namespace varve::transform
