#include "transform/recompute.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/pointwise.h"
#include "transform/tile_build.h"

namespace varve::transform {
namespace {

// In additions of an f32 element in the first-level cache (0.03 ns): a value that is neither
// written nor read saves some 0.5 ns, one that is not read a quarter of that.
constexpr int kMostForValue = 20, kMostForRead = 8;
// Smaller operands than this part of a value are for nothing.
constexpr int64_t kSmallPart = 8;

using Key = std::pair<int32_t, int32_t>;

class Recomputation {
 public:
  explicit Recomputation(Units& units) : units_(units), time_(units.graph().nodes.size(), 0) {}

  void run() {
    const std::vector<int32_t> order = units_.order();
    for (size_t i = 0; i < order.size(); ++i)
      time_[static_cast<size_t>(order[i])] = static_cast<int>(i);
    for (int32_t u : order) note_reads(u);
    for (int32_t u : order) {
      const std::vector<int32_t> members = units_.members(u);
      for (int32_t n : members) {
        if (units_.owner(n) == u && units_.joins(n) && !units_.reduces(n)) consider(n);
      }
      if (members.size() > 1 || units_.joins(members.front())) units_.prune(u);
    }
  }

 private:
  /// What a value takes to be computed elsewhere.
  struct Cone {
    std::vector<int32_t> nodes;        // sorted
    std::vector<ir::ValueId> sources;  // read by them, in memory
  };

  const ir::Graph& graph() const { return units_.graph(); }
  int64_t bytes(ir::ValueId v) const {
    const ir::TensorType& t = graph().type(v);
    return t.shape.size() * size_of(t.dtype);
  }
  int time(int32_t unit) const { return time_[static_cast<size_t>(unit)]; }

  /// The value whose memory v shows.
  ir::ValueId in_memory(ir::ValueId v) const {
    while (graph().node(v).op->view) v = graph().node(v).inputs[0];
    return v;
  }
  static Key key(ir::ValueId v) { return {v.node, v.output}; }

  void note_reads(int32_t unit) {
    for (int32_t m : units_.members(unit)) {
      for (ir::ValueId v : units_.node(m).inputs) {
        if (!units_.computes(unit, v.node)) note_read(v, unit);
      }
    }
  }
  void note_read(ir::ValueId v, int32_t unit) {
    int& last = last_read_[key(in_memory(v))];
    last = std::max(last, time(unit));
  }
  /// Whether v is in memory at that time anyway.
  bool kept_until(ir::ValueId v, int when) const {
    const ir::ValueId own = in_memory(v);
    const ir::GraphNode& node = graph().node(own);
    if (node.op->traits.structural || units_.is_output(own.node)) return true;
    const auto last = last_read_.find(key(own));
    return last != last_read_.end() && last->second >= when;
  }
  bool reads(int32_t unit, ir::ValueId v) const {
    const Key own = key(in_memory(v));
    for (int32_t m : units_.members(unit)) {
      for (ir::ValueId x : units_.node(m).inputs) {
        if (key(in_memory(x)) == own && !units_.computes(unit, x.node)) return true;
      }
    }
    return false;
  }

  /// Down to what the owner reads, or as far as to what it writes anyway.
  Cone cone_of(int32_t n, bool whole) const {
    const int32_t unit = units_.owner(n);
    const auto inside = [&](int32_t m) {
      return units_.computes(unit, m) &&
             (whole || (!units_.is_output(m) && units_.units_reading(m).empty()));
    };
    Cone cone;
    std::set<Key> sources;
    std::set<int32_t> seen{n};
    std::vector<int32_t> stack{n};
    while (!stack.empty()) {
      const int32_t at = stack.back();
      stack.pop_back();
      cone.nodes.push_back(at);
      for (ir::ValueId v : units_.node(at).inputs) {
        if (inside(v.node)) {
          if (seen.insert(v.node).second) stack.push_back(v.node);
        } else if (units_.scalar_constant(v) == nullptr && sources.insert(key(v)).second) {
          cone.sources.push_back(v);
        }
      }
    }
    std::sort(cone.nodes.begin(), cone.nodes.end());
    return cone;
  }

  int cost(const Cone& cone, int32_t unit) const {
    int sum = 0;
    for (int32_t n : cone.nodes) {
      const ir::GraphNode& node = units_.node(n);
      if (units_.computes(unit, n)) continue;
      const bool wide = size_of(node.outputs[0].dtype) > 4;
      sum += info(*node.op->traits.pointwise).cost * (wide ? 2 : 1);
    }
    return sum;
  }

  /// Whether the unit goes through the elements as n does.
  bool may_compute(int32_t unit, int32_t n) const {
    const Shape& shape = units_.node(n).outputs[0].shape;
    for (int32_t m : units_.members(unit)) {
      if (!units_.joins(m)) return false;
      if (space_of(graph(), units_.node(m)) != shape) return false;
    }
    return true;
  }

  void consider(int32_t n) {
    const std::vector<int32_t> readers = units_.units_reading(n);
    if (readers.empty()) return;
    const Cone cones[] = {cone_of(n, true), cone_of(n, false)};
    const Cone* best = nullptr;
    int64_t least = 0;
    for (const Cone& cone : cones) {
      const auto moved = price_for_all(n, cone, readers);
      if (moved && (best == nullptr || *moved < least)) best = &cone, least = *moved;
    }
    if (best != nullptr) {
      for (int32_t r : readers) compute_in(r, *best);
      return;
    }
    for (int32_t r : readers) {
      if (!may_compute(r, n)) continue;
      const auto* cone = std::find_if(std::begin(cones), std::end(cones),
                                      [&](const Cone& c) { return pays_for_one(n, c, r); });
      if (cone != std::end(cones)) compute_in(r, *cone);
    }
  }

  /// What is read and kept then, in bytes, where the value need not be written and that is less
  /// than would be.
  std::optional<int64_t> price_for_all(int32_t n, const Cone& cone,
                                       const std::vector<int32_t>& readers) const {
    if (units_.is_output(n)) return {};  // it is written anyway
    const int64_t own = bytes({n, 0});
    int last = 0;
    int64_t read = 0;
    for (int32_t r : readers) {
      if (!may_compute(r, n) || cost(cone, r) > kMostForValue) return {};
      last = std::max(last, time(r));
      for (ir::ValueId v : large_sources(cone, own)) {
        if (!reads(r, v)) read += bytes(v);
      }
    }
    int64_t kept = 0;
    for (ir::ValueId v : large_sources(cone, own)) {
      if (!kept_until(v, last)) kept += bytes(v);
    }
    // Written once, which takes a read too, and read by each.
    if (kept > own || read >= own * (2 + static_cast<int64_t>(readers.size()))) return {};
    const bool fits = std::all_of(readers.begin(), readers.end(), [&](int32_t r) {
      return units_.with(r, cone.nodes).has_value();
    });
    return fits ? std::optional(read + kept) : std::nullopt;
  }

  /// Whether the reader has all that is large at hand.
  bool pays_for_one(int32_t n, const Cone& cone, int32_t reader) const {
    if (cost(cone, reader) > kMostForRead) return false;
    for (ir::ValueId v : large_sources(cone, bytes({n, 0}))) {
      if (!reads(reader, v)) return false;
    }
    return units_.with(reader, cone.nodes).has_value();
  }

  std::vector<ir::ValueId> large_sources(const Cone& cone, int64_t beside) const {
    std::vector<ir::ValueId> large;
    for (ir::ValueId v : cone.sources) {
      if (bytes(in_memory(v)) * kSmallPart > beside) large.push_back(v);
    }
    return large;
  }

  void compute_in(int32_t unit, const Cone& cone) {
    units_.compute_in(unit, cone.nodes);
    for (ir::ValueId v : cone.sources) note_read(v, unit);
  }

  Units& units_;
  std::vector<int> time_;         // by unit: its place in the order
  std::map<Key, int> last_read_;  // by value in memory
};

}  // namespace

void recompute(Units& units) { Recomputation(units).run(); }

}  // namespace varve::transform
