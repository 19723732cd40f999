#include "runtime/control.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/optimize.h"
#include "runtime/plan.h"

namespace varve::runtime {
namespace {

using backend::Arguments;
using backend::Kernel;
using ir::TensorType;

int64_t bytes_of(const TensorType& t) { return t.shape.size() * size_of(t.dtype); }
int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// One body of a control node.
class Body {
 public:
  Body(const ir::Operation& node, const char* name, backend::KernelSet set, int threads) {
    const ir::Graph& graph = *node.attributes.get<ir::GraphRef>(name);
    PlanRoles roles;
    roles.results = static_cast<int>(graph.outputs.size());
    ir::Graph optimized = optimize(graph, roles, set, threads);
    plan_ = std::make_unique<Plan>(std::move(optimized), std::move(roles), set, threads);
  }
  void run(std::span<const void* const> inputs, std::span<void* const> outputs) const {
    plan_->run(inputs, outputs);
  }
  size_t inputs() const { return plan_->graph().inputs.size(); }
  const TensorType& input(size_t i) const {
    const ir::Graph& g = plan_->graph();
    return g.nodes[static_cast<size_t>(g.inputs[i])].outputs[0];
  }
  const TensorType& output(size_t i) const {
    return plan_->graph().type(plan_->graph().outputs[i]);
  }

 private:
  std::unique_ptr<Plan> plan_;
};

/// Runs with what a body throws (a fault in its data, a function of the user's own) handed on.
template <class F>
void guarded(const Arguments& a, F f) noexcept {
  try {
    f();
  } catch (...) {
    a.fault->note_exception(std::current_exception());
  }
}

class Cond final : public Kernel {
 public:
  Cond(const ir::Operation& node, backend::KernelSet set, int threads)
      : then_(node, "then", set, threads),
        else_(node, "else", set, threads),
        results_(node.outputs.size()) {}
  void run(const Arguments& a) const noexcept override {
    guarded(a, [&] {
      const Body& branch = *static_cast<const bool*>(a.inputs[0]) ? then_ : else_;
      branch.run({a.inputs + 1, branch.inputs()}, {a.outputs, results_});
    });
  }

 private:
  Body then_, else_;
  size_t results_;
};

/// What a loop needs in scratch: two places for what it carries (a step reads one and writes the
/// other), and the addresses of a step's operands.
class LoopScratch {
 public:
  LoopScratch(const ir::Operation& node, size_t carried, size_t inputs, size_t results)
      : inputs_(inputs), results_(results) {
    for (size_t i = 0; i < carried; ++i) {
      offsets_.push_back(bytes_);
      sizes_.push_back(bytes_of(node.outputs[i]));
      bytes_ += aligned(sizes_[i]);
    }
  }
  int64_t bytes() const {
    return 2 * bytes_ + static_cast<int64_t>((inputs_ + results_) * sizeof(void*));
  }
  size_t carried() const { return sizes_.size(); }
  int64_t size(size_t i) const { return sizes_[i]; }
  void* place(const Arguments& a, size_t i, int64_t step) const {
    return a.scratch + (step & 1) * bytes_ + offsets_[i];
  }
  /// The addresses of a step's inputs, at first the node's own.
  std::span<const void*> inputs(const Arguments& a) const {
    auto* first = reinterpret_cast<const void**>(a.scratch + 2 * bytes_);
    std::copy_n(a.inputs, inputs_, first);
    return {first, inputs_};
  }
  std::span<void*> results(const Arguments& a) const {
    return {reinterpret_cast<void**>(a.scratch + 2 * bytes_) + inputs_, results_};
  }

 private:
  std::vector<int64_t> offsets_, sizes_;
  int64_t bytes_ = 0;
  size_t inputs_, results_;
};

void copy(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

class Scan final : public Kernel {
 public:
  Scan(const ir::Operation& node, backend::KernelSet set, int threads)
      : body_(node, "body", set, threads),
        carries_(static_cast<size_t>(node.attributes.integer("carries"))),
        xs_(static_cast<size_t>(node.attributes.integer("scanned"))),
        stacked_(node.outputs.size() - 2 * carries_),
        room_(node, carries_, body_.inputs(), carries_ + stacked_),
        length_(node.attributes.integer("length")),
        reverse_(node.attributes.flag("reverse")) {}
  int64_t scratch_bytes() const override { return room_.bytes(); }
  /// The carries before each step are for the derivative.
  bool optional(int output) const override {
    return static_cast<size_t>(output) >= carries_ + stacked_;
  }
  void run(const Arguments& a) const noexcept override {
    guarded(a, [&] {
      const std::span<const void*> in = room_.inputs(a);
      const std::span<void*> out = room_.results(a);
      for (int64_t step = 0; step < length_; ++step) {
        const int64_t t = reverse_ ? length_ - 1 - step : step;
        for (size_t i = 0; i < carries_; ++i) {
          if (step > 0) in[i] = room_.place(a, i, step - 1);
          out[i] = step + 1 == length_ ? a.outputs[i] : room_.place(a, i, step);
          if (void* kept = a.outputs[carries_ + stacked_ + i])
            copy(static_cast<std::byte*>(kept) + t * room_.size(i), in[i], room_.size(i));
        }
        for (size_t i = carries_; i < carries_ + xs_; ++i) {
          in[i] = static_cast<const std::byte*>(a.inputs[i]) + t * bytes_of(body_.input(i));
        }
        for (size_t i = carries_; i < out.size(); ++i) {
          out[i] = static_cast<std::byte*>(a.outputs[i]) + t * bytes_of(body_.output(i));
        }
        body_.run(in, out);
      }
      if (length_ > 0) return;
      for (size_t i = 0; i < carries_; ++i) copy(a.outputs[i], a.inputs[i], room_.size(i));
    });
  }

 private:
  Body body_;
  size_t carries_, xs_, stacked_;
  LoopScratch room_;
  int64_t length_;
  bool reverse_;
};

class While final : public Kernel {
 public:
  While(const ir::Operation& node, backend::KernelSet set, int threads)
      : condition_(node, "condition", set, threads),
        body_(node, "body", set, threads),
        state_(node, node.outputs.size(), body_.inputs(), node.outputs.size()),
        max_steps_(node.attributes.integer("max_steps")) {}
  int64_t scratch_bytes() const override { return state_.bytes(); }
  void run(const Arguments& a) const noexcept override {
    guarded(a, [&] {
      const std::span<const void*> in = state_.inputs(a);
      const std::span<void*> out = state_.results(a);
      for (int64_t step = 0; max_steps_ < 0 || step < max_steps_; ++step) {
        bool go_on = false;
        void* answer = &go_on;
        condition_.run(in, {&answer, 1});
        if (!go_on) break;
        for (size_t i = 0; i < out.size(); ++i) out[i] = state_.place(a, i, step);
        body_.run(in, out);
        std::copy(out.begin(), out.end(), in.begin());
      }
      for (size_t i = 0; i < out.size(); ++i) copy(a.outputs[i], in[i], state_.size(i));
    });
  }

 private:
  Body condition_, body_;
  LoopScratch state_;
  int64_t max_steps_;
};

}  // namespace

bool is_control(const ir::OpDef& op) { return op.traits.body && !op.decompose; }

std::unique_ptr<Kernel> prepare_control(const ir::Operation& node, backend::KernelSet set,
                                        int threads) {
  const std::string_view name = node.op->name;
  if (name == "cond") return std::make_unique<Cond>(node, set, threads);
  if (name == "scan") return std::make_unique<Scan>(node, set, threads);
  check(name == "while_loop", "every control op has a kernel here");
  return std::make_unique<While>(node, set, threads);
}

}  // namespace varve::runtime
