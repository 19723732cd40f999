// How a plan is made from a graph: order, kernels, views, memory.
#pragma once
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "runtime/memory.h"
#include "runtime/plan.h"

namespace varve::runtime {

class PlanBuilder {
 public:
  PlanBuilder(Plan& plan, backend::KernelSet set, int threads)
      : plan_(plan), set_(set), threads_(threads) {}
  void build(const transform::Target& target);

 private:
  /// A buffer that values share by views or by working in place.
  struct Buffer {
    Place place;
    int64_t bytes = 0;
    int first = -1, last = -1;
    bool fixed = false;   ///< an input, a constant, an output or kept: nothing to plan
    bool steady = false;  ///< holds what seldom changes
  };
  /// A value: a layout over a buffer.
  struct Held {
    int buffer = -1;
    int64_t offset = 0;  // bytes
    backend::Layout layout;
  };

  void mark_commits();
  void bind_inputs();
  void schedule(int32_t node);
  bool schedule_view(int32_t node);
  void claim_outputs();
  void copy_outputs();
  void settle_places();
  int new_buffer(int64_t bytes);
  int new_fixed(Place place);
  bool all_steady(std::span<const Held> in, bool commit) const;
  void keep(int buffer);
  Held pack(const Held& from, bool commit);
  Held held_in(ir::ValueId v, backend::Format format, bool commit);
  void take_packings(backend::Kernel& kernel, int32_t node, std::vector<Held>& in);
  void add_step(std::unique_ptr<backend::Kernel> kernel, const char* name, int32_t node,
                bool commit, bool steady, const std::vector<Held>& in,
                const std::vector<Held>& out);
  bool try_in_place(const backend::Kernel& kernel, const std::vector<Held>& in,
                    const std::vector<Held>& taken, Held& out, int output, int32_t node,
                    bool steady);
  bool last_reader(const std::vector<Held>& in, size_t which, ir::ValueId v) const;
  bool overwritable(int assigned) const;
  bool is_read(ir::ValueId v) const;
  void hold_guards();
  void touch(int buffer);
  Held& value(ir::ValueId v) {
    return values_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  }

  struct PendingStep {
    std::vector<Held> inputs, outputs;
    int scratch = -1;
  };

  Plan& plan_;
  backend::KernelSet set_;
  int threads_;
  std::vector<bool> steady_;   // node: what it makes seldom changes
  std::vector<bool> commits_;  // node: runs after the guards, with what only leads to assignments
  std::vector<int32_t> order_;
  std::vector<int> uses_;  // reads still to come, by node
  std::vector<std::vector<Held>> values_;
  std::vector<transform::Candidate> selected_;  // by node
  /// Values made anew in another format, for all who read them so.
  std::map<std::tuple<int32_t, int32_t, backend::Format>, Held> relaid_;
  std::vector<Buffer> buffers_;
  std::vector<int> input_buffers_, claimed_;  // claimed_[output]: a node writes it, -1: by a copy
  std::vector<std::vector<int>> claims_;      // [node][node output] -> plan output or -1
  std::vector<PendingStep> pending_;
};

}  // namespace varve::runtime
