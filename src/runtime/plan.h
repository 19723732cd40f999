// A plan: prepared kernels in order over planned memory. Immutable; each concurrent run has a
// context.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// What a graph's outputs are for: first `results`, then one new value for each assigned variable,
/// then the guards.
struct PlanRoles {
  int results = 0;
  /// For each assigned variable the graph input that holds its old value; -1 where it is not read.
  std::vector<int> assigned;
  std::vector<std::string> guards;  ///< labels
  /// For each graph input whether it seldom changes; empty for none. What depends on such inputs
  /// and constants alone is computed when Plan::run is told that one changed, and kept.
  std::vector<bool> steady = {};

  int outputs() const { return results + static_cast<int>(assigned.size()); }
};

/// By node: whether what it makes depends on steady inputs and constants alone; empty for none.
std::vector<bool> steady_nodes(const ir::Graph& graph, const PlanRoles& roles);

/// Where a value lies.
struct Place {
  /// kept: in the plan's own memory, from run to run. none: a null pointer, for an output that
  /// nobody reads.
  enum class Kind { input, output, constant, arena, kept, none } kind = Kind::arena;
  int index = 0;       ///< input, output or constant number
  int64_t offset = 0;  ///< bytes, from the start of that input, of the arena or of what is kept
};

struct Step {
  std::unique_ptr<backend::Kernel> kernel;
  const char* name = "";
  int32_t node = -1;  ///< the graph's node; -1 for copies
  std::vector<Place> inputs, outputs;
  std::vector<backend::Format> formats;  ///< of the outputs
  Place scratch;
  size_t pointers = 0;                     ///< where its pointers start in a context's list
  bool commit = false;                     ///< runs after the guards were found finite
  bool steady = false;                     ///< runs only where a steady input changed
  std::vector<std::string> declined = {};  ///< the kernels that were asked before, and why not
};

class Plan {
 public:
  /// Plans a lowered graph. Throws UnsupportedError for a node without a kernel.
  Plan(ir::Graph graph, PlanRoles roles, backend::KernelSet set, int threads);
  /// With predictions other than the CPU's own.
  Plan(ir::Graph graph, PlanRoles roles, backend::KernelSet set, int threads,
       const transform::Target& target);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// Runs once. Inputs and outputs are row-major; the output of an assigned variable may be its
  /// input's own memory where `in_place` says so. Returns the first guard that is not finite (its
  /// steps of commitment are then not run), or -1. Throws IndexError for a fault.
  /// `changed`: whether a steady input did since the last run that succeeded; with steady inputs,
  /// one run at a time. Allocates nothing outside library calls.
  int run(std::span<const void* const> inputs, std::span<void* const> outputs,
          bool changed = true) const;

  bool in_place(int assigned) const { return in_place_[static_cast<size_t>(assigned)]; }
  const ir::Graph& graph() const { return graph_; }
  const PlanRoles& roles() const { return roles_; }
  int64_t arena_bytes() const { return arena_bytes_; }
  int64_t kept_bytes() const { return kept_bytes_; }
  const std::vector<Step>& steps() const { return steps_; }

  /// A line for each step; with the kernels that declined below it, where that is wanted.
  std::string to_string(bool declined = false) const;
  void profile(bool on) const;
  std::string profile_text() const;

 private:
  friend class PlanBuilder;
  struct Context;
  struct Patch {
    size_t pointer;
    Place place;
  };
  std::unique_ptr<Context> make_context() const;
  void run_steps(Context& context, bool commit, bool changed) const;
  int unfinished_guard(const Context& context) const;
  void* address(const Place& place, std::byte* arena) const;

  ir::Graph graph_;
  PlanRoles roles_;
  std::vector<Step> steps_;
  std::vector<Place> guards_;
  std::vector<size_t> guard_pointers_;
  std::vector<bool> in_place_;
  std::vector<ir::Array> constants_;
  std::vector<Patch> patches_;
  size_t pointer_count_ = 0;
  int64_t arena_bytes_ = 0, kept_bytes_ = 0;
  std::unique_ptr<ir::Storage> kept_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Context>> idle_;
  mutable bool profiling_ = false;
  mutable std::vector<double> seconds_;
  mutable int64_t runs_ = 0;
};

}  // namespace varve::runtime
