#include "transform/simplify.h"

#include <cstring>

#include "ir/checked.h"
#include "transform/common_subexpressions.h"
#include "transform/dead_code.h"
#include "transform/fold_constants.h"
#include "transform/rewrite.h"

namespace varve::transform {
namespace {

using ir::checked;

// Chains of rules are short; a graph that still changes after this many rounds is only left less
// simple than it could be.
constexpr int kRounds = 16;

std::vector<Rule> rules_for(const SimplifyOptions& options) {
  std::vector<Rule> rules;
  for (auto family : {arithmetic_rules(), shape_rules(), pooling_rules(), normalization_rules()}) {
    for (const Rule& r : family) {
      if (options.keep_gradient_stops && std::strcmp(r.op, "stop_gradient") == 0) continue;
      rules.push_back(r);
    }
  }
  return rules;
}

ir::Graph with_simple_bodies(ir::Graph graph, const SimplifyOptions& options) {
  for (ir::GraphNode& node : graph.nodes) {
    if (!node.op->traits.body) continue;
    node.attributes = ir::map_bodies(node.attributes, [&](const ir::Graph& body) {
      return std::make_shared<const ir::Graph>(simplify(body, options));
    });
  }
  return graph;
}

}  // namespace

ir::Graph simplify(const ir::Graph& graph, const SimplifyOptions& options) {
  const std::vector<Rule> rules = rules_for(options);
  const auto fold = [&](ir::Graph g) {
    return options.fold_constants ? checked(fold_constants(g)) : std::move(g);
  };
  ir::Graph g = with_simple_bodies(eliminate_dead_code(graph), options);
  g = checked(eliminate_common_subexpressions(fold(std::move(g))));
  for (int round = 0; round < kRounds; ++round) {
    bool changed = false;
    g = checked(rewrite(g, rules, changed));
    if (!changed) break;
    g = fold(checked(eliminate_dead_code(g)));
    g = checked(eliminate_common_subexpressions(g));
  }
  return checked(eliminate_dead_code(g));
}

}  // namespace varve::transform
