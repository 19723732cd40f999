#include "transform/select.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"

namespace varve::transform {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// Costs by the choices of some unknowns, the first of `scope` changing slowest.
struct Table {
  std::vector<size_t> scope;
  std::vector<double> cost;
};

/// Unknowns, each with a number of choices, and tables whose sum is to be least.
class LeastSum {
 public:
  size_t add_unknown(size_t choices) {
    choices_.push_back(choices);
    chosen_.push_back(0);
    open_.push_back(choices > 1);
    near_.emplace_back();
    return choices_.size() - 1;
  }
  /// `cost()` is asked for every choice of the scope, `choice(unknown)` being set.
  template <class F>
  void add_table(std::vector<size_t> scope, F cost) {
    std::erase_if(scope, [&](size_t u) { return !open_[u]; });
    Table t{std::move(scope), {}};
    for_each_choice(t.scope, [&] { t.cost.push_back(cost()); });
    add(std::move(t));
  }
  size_t choice(size_t unknown) const { return chosen_[unknown]; }

  /// What all first choices together cost is finite, and never less than what is found.
  void minimize() {
    while (std::find(open_.begin(), open_.end(), true) != open_.end()) eliminate();
    for (size_t i = eliminated_.size(); i-- > 0;) {
      const Table& t = eliminated_[i];
      const size_t unknown = t.scope.back(), n = choices_[unknown];
      chosen_[unknown] = 0;
      const auto first = t.cost.begin() + static_cast<std::ptrdiff_t>(place(t));
      chosen_[unknown] = static_cast<size_t>(
          std::min_element(first, first + static_cast<std::ptrdiff_t>(n)) - first);
    }
  }

 private:
  void add(Table t) {
    if (t.scope.empty()) return;
    for (size_t u : t.scope) {
      for (size_t other : t.scope) {
        if (other != u) near_[u].insert(other);
      }
    }
    tables_.push_back(std::move(t));
  }

  template <class F>
  void for_each_choice(const std::vector<size_t>& scope, F f) {
    for (size_t u : scope) chosen_[u] = 0;
    while (true) {
      f();
      size_t k = scope.size();
      while (k > 0 && ++chosen_[scope[k - 1]] == choices_[scope[k - 1]]) chosen_[scope[--k]] = 0;
      if (k == 0) return;
    }
  }

  size_t place(const Table& t) const {
    size_t at = 0;
    for (size_t u : t.scope) at = at * choices_[u] + chosen_[u];
    return at;
  }

  std::vector<Table> take_tables_on(size_t unknown) {
    const auto first = std::stable_partition(tables_.begin(), tables_.end(), [&](const Table& t) {
      return std::find(t.scope.begin(), t.scope.end(), unknown) == t.scope.end();
    });
    std::vector<Table> taken(std::make_move_iterator(first),
                             std::make_move_iterator(tables_.end()));
    tables_.erase(first, tables_.end());
    return taken;
  }

  void close(size_t unknown) {
    open_[unknown] = false;
    for (size_t other : near_[unknown]) near_[other].erase(unknown);
  }

  /// Takes out the unknown with the smallest table of neighbours: what it costs at best becomes a
  /// table over them.
  void eliminate() {
    size_t unknown = 0, least = std::numeric_limits<size_t>::max();
    for (size_t u = 0; u < open_.size(); ++u) {
      if (!open_[u]) continue;
      size_t size = choices_[u];
      for (size_t other : near_[u]) size = std::min(size * choices_[other], kLargestTable + 1);
      if (size < least) least = size, unknown = u;
    }
    if (least > kLargestTable) return give_up_one();
    Table rest{{near_[unknown].begin(), near_[unknown].end()}, {}}, joint{rest.scope, {}};
    joint.scope.push_back(unknown);
    const std::vector<Table> about = take_tables_on(unknown);
    for_each_choice(joint.scope, [&] {
      double sum = 0;
      for (const Table& t : about) sum += t.cost[place(t)];
      joint.cost.push_back(sum);
    });
    const auto n = static_cast<std::ptrdiff_t>(choices_[unknown]);
    for (auto first = joint.cost.begin(); first != joint.cost.end(); first += n)
      rest.cost.push_back(*std::min_element(first, first + n));
    close(unknown);
    add(std::move(rest));
    eliminated_.push_back(std::move(joint));
  }

  /// Leaves the unknown that shares tables with most others at its first choice.
  void give_up_one() {
    size_t busiest = 0, most = 0;
    for (size_t u = 0; u < open_.size(); ++u) {
      if (open_[u] && near_[u].size() > most) most = near_[u].size(), busiest = u;
    }
    for (const Table& t : take_tables_on(busiest)) {
      Table left;
      for (size_t u : t.scope) {
        if (u != busiest) left.scope.push_back(u);
      }
      for_each_choice(left.scope, [&] { left.cost.push_back(t.cost[place(t)]); });
      add(std::move(left));
    }
    close(busiest);
  }

  std::vector<size_t> choices_, chosen_;    // by unknown
  std::vector<bool> open_;                  // neither eliminated nor given up
  std::vector<std::set<size_t>> near_;      // the open ones that share a table with it
  std::vector<Table> tables_, eliminated_;  // of an eliminated one, which is the last of its scope
};

struct Reader {
  int32_t node;  ///< -1: the graph's caller
  size_t input;
};

/// The formats that a value is held in are an unknown of their own, so that no table speaks of more
/// than two: what made it and the formats, the formats and one reader.
class Selection {
 public:
  Selection(const ir::Graph& graph, const Target& target) : graph_(graph), target_(target) {}

  std::vector<Candidate> run() {
    for (int32_t n = 0; n < static_cast<int32_t>(graph_.nodes.size()); ++n) {
      ways_.push_back(target_.candidates(graph_, n));
      const std::vector<Candidate>& ways = ways_.back();
      check(!ways.empty(), "every node has a candidate");
      const size_t unknown = sum_.add_unknown(ways.size());
      sum_.add_table({unknown}, [&] { return ways[sum_.choice(unknown)].seconds; });
    }
    add_values();
    sum_.minimize();
    std::vector<Candidate> result;
    for (size_t n = 0; n < ways_.size(); ++n) result.push_back(ways_[n][sum_.choice(n)]);
    return result;
  }

 private:
  const Candidate& way(int32_t n) const {
    return ways_[static_cast<size_t>(n)][sum_.choice(static_cast<size_t>(n))];
  }
  ir::Format written(ir::ValueId v) const {
    return way(v.node).outputs[static_cast<size_t>(v.output)];
  }
  ir::Format wanted(const Reader& r) const {
    return r.node < 0 ? ir::Format::plain : way(r.node).inputs[r.input];
  }

  void add_values() {
    std::map<std::pair<int32_t, int32_t>, std::vector<Reader>> readers;
    for (int32_t n = 0; n < static_cast<int32_t>(graph_.nodes.size()); ++n) {
      const auto& inputs = graph_.nodes[static_cast<size_t>(n)].inputs;
      for (size_t i = 0; i < inputs.size(); ++i)
        readers[{inputs[i].node, inputs[i].output}].push_back({n, i});
    }
    for (ir::ValueId v : graph_.outputs) readers[{v.node, v.output}].push_back({-1, 0});
    for (const auto& [value, who] : readers) add_value({value.first, value.second}, who);
  }

  void add_value(ir::ValueId v, const std::vector<Reader>& readers) {
    std::set<ir::Format> formats;
    for (const Candidate& c : ways_[static_cast<size_t>(v.node)])
      formats.insert(c.outputs[static_cast<size_t>(v.output)]);
    for (const Reader& r : readers) {
      if (r.node < 0) formats.insert(ir::Format::plain);
      for (size_t k = 0; r.node >= 0 && k < ways_[static_cast<size_t>(r.node)].size(); ++k)
        formats.insert(ways_[static_cast<size_t>(r.node)][k].inputs[r.input]);
    }
    if (formats.size() == 1) return;
    std::vector<std::set<ir::Format>> sets{{}};
    for (ir::Format f : formats) {
      for (size_t k = sets.size(); k-- > 0;) sets.push_back(sets[k]), sets.back().insert(f);
    }
    sets.erase(sets.begin());  // the empty one; {plain} is the first now
    const size_t held = sum_.add_unknown(sets.size());
    sum_.add_table({static_cast<size_t>(v.node), held}, [&] {
      const ir::Format from = written(v);
      const std::set<ir::Format>& all = sets[sum_.choice(held)];
      if (!all.count(from)) return kNever;
      double seconds = 0;
      for (ir::Format to : all) {
        if (to != from) seconds += target_.relay_seconds(graph_.type(v), from, to);
      }
      return seconds;
    });
    for (const Reader& r : readers) {
      std::vector<size_t> scope{held};
      if (r.node >= 0) scope.insert(scope.begin(), static_cast<size_t>(r.node));
      sum_.add_table(std::move(scope),
                     [&] { return sets[sum_.choice(held)].count(wanted(r)) ? 0 : kNever; });
    }
  }

  const ir::Graph& graph_;
  const Target& target_;
  std::vector<std::vector<Candidate>> ways_;  // by node
  LeastSum sum_;                              // unknowns: nodes, then values
};

}  // namespace

std::vector<Candidate> select(const ir::Graph& graph, const Target& target) {
  return Selection(graph, target).run();
}

}  // namespace varve::transform
