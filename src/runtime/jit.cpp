#include "varve/jit.h"

#include <array>
#include <chrono>
#include <cmath>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>

#include "backend/cpu/instruction_set.h"
#include "base/error.h"
#include "base/threads.h"
#include "ir/frame.h"
#include "runtime/evaluate.h"
#include "runtime/optimize.h"
#include "runtime/plan.h"
#include "varve/numerics.h"
#include "varve/warnings.h"

namespace varve::detail {
namespace {

constexpr size_t kPlansKept = 16;
constexpr int kTracesBeforeWarning = 8;

struct Signature {
  ir::Types arguments;
  std::vector<std::optional<ir::TensorType>> masks;  // that they come with
  int threads;
  backend::KernelSet set;
  bool winograd;

  /// Whether these arguments may use the plan here and now. (Compared in place: a call that finds
  /// its plan allocates nothing.)
  bool fits(std::span<const Tensor> given) const {
    if (given.size() != arguments.size() || threads != thread_count() ||
        set != runtime::execute_options().kernels || winograd != winograd_allowed()) {
      return false;
    }
    for (size_t i = 0; i < given.size(); ++i) {
      if (ir::type_of(given[i]) != arguments[i]) return false;
      const auto& mask = given[i].mask_cell();
      if (mask ? mask->type != masks[i] : masks[i].has_value()) return false;
    }
    return true;
  }
};

/// A traced function: its graph as written (to find the maker of a NaN), its plan, its variables.
struct Entry {
  Signature signature;
  ir::Graph graph;
  std::unique_ptr<runtime::Plan> plan;
  double seconds = 0;  // that tracing, transforming and planning took
  std::shared_ptr<const void> structure;
  std::vector<ir::VariableRef> read;      // graph inputs after the arguments
  std::vector<ir::VariableRef> assigned;  // outputs after the results
  bool ran = false;                       // to its end, with these of what is read:
  std::vector<uint64_t> versions;
  ir::Types results;
  std::vector<size_t> masked;                 // results that have masks; these follow the results
  std::vector<ir::Observation> observations;  // of the last results
  // Rooms for results, reused where nobody else holds them. Two a result: `loss = step(x)` holds
  // the last one while the next is made.
  std::vector<std::array<Tensor, 2>> pool;
  std::vector<ir::Array> spare;  // memory for assigned variables that are not overwritten
};

/// Gives elements to what was pending before the trace began: to the plan it is a constant, not
/// something to be computed in every replay.
void evaluate_older(std::span<const Tensor> outputs, uint64_t began) {
  std::vector<Tensor> older;
  std::unique_lock lock(ir::values_mutex());
  std::unordered_set<const Cell*> seen;
  std::vector<std::shared_ptr<Cell>> left;
  for (const Tensor& y : outputs) left.push_back(y.cell());
  while (!left.empty()) {
    const std::shared_ptr<Cell> v = std::move(left.back());
    left.pop_back();
    if (v->computed() || !v->node || v->symbolic || !seen.insert(v.get()).second) continue;
    if (v->node->serial < began) {
      older.push_back(Tensor(v));
    } else {
      left.insert(left.end(), v->node->inputs.begin(), v->node->inputs.end());
    }
  }
  lock.unlock();
  if (!older.empty()) ir::evaluate(older);
}

Entry trace(const Signature& signature, const TracedFunction& f, Precision precision) {
  const auto start = std::chrono::steady_clock::now();
  Entry e;
  e.signature = signature;
  const uint64_t began = ir::next_serial();
  ir::Frame frame(ir::Frame::Kind::trace);
  std::vector<Tensor> inputs, outputs;
  for (const ir::TensorType& t : signature.arguments) inputs.push_back(ir::placeholder(t));
  std::vector<Tensor> arguments = inputs;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!signature.masks[i]) continue;
    inputs.push_back(ir::placeholder(*signature.masks[i]));
    arguments[i] = Tensor(arguments[i].cell(), inputs.back().cell());
  }
  Traced traced = f(arguments);
  e.structure = std::move(traced.structure);
  for (const Tensor& t : traced.tensors) outputs.push_back(Tensor(t.cell()));
  for (size_t i = 0; i < traced.tensors.size(); ++i) {
    if (!traced.tensors[i].mask_cell()) continue;
    e.masked.push_back(i);
    outputs.push_back(Tensor(traced.tensors[i].mask_cell()));
  }
  for (const ir::Observation& o : frame.observations()) {
    outputs.push_back(o.tensor);
    e.observations.push_back({Tensor(), o.look});
  }
  runtime::PlanRoles roles;
  roles.results = static_cast<int>(outputs.size());
  for (const Tensor& t : outputs) e.results.push_back(ir::type_of(t));
  roles.steady.assign(inputs.size(), false);
  for (const ir::Binding& b : frame.bindings()) {
    int old = -1;
    if (b.input.defined()) {
      old = static_cast<int>(inputs.size());
      inputs.push_back(b.input);
      e.read.push_back(b.variable);
      roles.steady.push_back(!b.assigned);
    }
    if (b.assigned) {
      outputs.push_back(b.current);
      e.assigned.push_back(b.variable);
      roles.assigned.push_back(old);
    }
  }
  for (const ir::Guard& g : frame.guards()) {
    outputs.push_back(g.tensor);
    roles.guards.push_back(g.label);
  }
  evaluate_older(outputs, began);
  e.graph = ir::linearize(outputs, inputs);
  if (precision != Precision::f32 && !cpu::computes_in_bf16()) {
    static std::once_flag said;
    std::call_once(said, [&] {
      warn(std::string("jit: ") + precision.to_string() +
           ": this processor has no instructions for bf16, so it is slower here than f32");
    });
  }
  ir::Graph optimized =
      runtime::optimize(e.graph, roles, signature.set, signature.threads, precision);
  e.plan = std::make_unique<runtime::Plan>(std::move(optimized), std::move(roles), signature.set,
                                           signature.threads);
  e.spare.resize(e.assigned.size());
  e.versions.resize(e.read.size());
  e.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return e;
}

/// What of a value's elements is not finite.
struct Bad {
  bool nan = false, infinite = false;
  bool any() const { return nan || infinite; }
  void note(const ir::Array& a, const ir::TensorType& t) {
    if (!is_floating(t.dtype)) return;
    for (double x : ir::computed(t.dtype, t.shape, a).to_doubles()) {
      nan |= std::isnan(x);
      infinite |= std::isinf(x);
    }
  }
};

/// Runs again, node by node, what a guard depends on, to find who made it not finite.
class Blame {
 public:
  Blame(const Entry& e, int guard, std::span<const ir::Array> inputs)
      : e_(e), g_(e.graph), made_(g_.nodes.size()), bad_(g_.nodes.size()) {
    const size_t first = g_.outputs.size() - e.plan->roles().guards.size();
    guard_ = g_.outputs[first + static_cast<size_t>(guard)].node;
    label_ = e.plan->roles().guards[static_cast<size_t>(guard)];
    run(reaching([](const ir::GraphNode&, size_t) { return true; }), inputs);
  }

  [[noreturn]] void raise() const {
    // Only what is not finite itself hands it on: a mask of -inf that an exp made 0 is innocent.
    const std::vector<bool> on_the_way =
        reaching([&](const ir::GraphNode&, size_t n) { return bad_[n].any(); });
    for (size_t n = 0; n < g_.nodes.size(); ++n) {
      const ir::GraphNode& node = g_.nodes[n];
      if (!on_the_way[n] || node.op->traits.structural || !made_it(node, n)) continue;
      throw NumericError(label_ + " is not finite: " + node.op->name + " made it so (" +
                             node.outputs[0].to_string() + ")",
                         "lower the learning rate, clip gradients or check the data",
                         node.site.to_string());
    }
    for (size_t i = 0; i < g_.inputs.size(); ++i) {
      if (!on_the_way[static_cast<size_t>(g_.inputs[i])]) continue;
      const size_t arguments = g_.inputs.size() - e_.read.size();  // with their masks
      throw NumericError(label_ + " is not finite: " +
                             (i < arguments ? "argument " + std::to_string(i) + " of the step"
                                            : "variable \"" + e_.read[i - arguments]->name + "\"") +
                             " already was not",
                         "check the data");
    }
    throw NumericError(label_ + " is not finite",
                       "lower the learning rate, clip gradients or check the data");
  }

 private:
  /// The guard's node and those it depends on through nodes of which `through` holds.
  template <class F>
  std::vector<bool> reaching(F through) const {
    std::vector<bool> in(g_.nodes.size());
    in[static_cast<size_t>(guard_)] = true;
    for (size_t n = g_.nodes.size(); n-- > 0;) {
      if (in[n] && !through(g_.nodes[n], n)) in[n] = false;
      if (!in[n]) continue;
      for (ir::ValueId v : g_.nodes[n].inputs) in[static_cast<size_t>(v.node)] = true;
    }
    return in;
  }

  void run(const std::vector<bool>& needed, std::span<const ir::Array> inputs) {
    for (size_t i = 0; i < inputs.size(); ++i)
      made_[static_cast<size_t>(g_.inputs[i])] = {inputs[i]};
    for (size_t n = 0; n < g_.nodes.size(); ++n) {
      const ir::GraphNode& node = g_.nodes[n];
      if (!needed[n]) continue;
      if (ir::is_constant(node)) {
        made_[n] = {node.attributes.get<ir::Literal>("value").array};
      } else if (!ir::is_input(node)) {
        ir::Types types;
        std::vector<ir::Array> arguments;
        for (ir::ValueId v : node.inputs) {
          types.push_back(g_.type(v));
          arguments.push_back(made_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
        }
        made_[n] = runtime::run_node(node, types, arguments);
      }
      for (size_t o = 0; o < made_[n].size(); ++o) bad_[n].note(made_[n][o], node.outputs[o]);
    }
  }

  /// NaN from none, or anything not finite from what was.
  bool made_it(const ir::GraphNode& node, size_t n) const {
    Bad before;
    for (ir::ValueId v : node.inputs) {
      before.nan |= bad_[static_cast<size_t>(v.node)].nan;
      before.infinite |= bad_[static_cast<size_t>(v.node)].infinite;
    }
    return (bad_[n].nan && !before.nan) || (bad_[n].any() && !before.any());
  }

  const Entry& e_;
  const ir::Graph& g_;
  int32_t guard_ = 0;
  std::string label_;
  std::vector<std::vector<ir::Array>> made_;
  std::vector<Bad> bad_;  // of each node, all outputs together
};

/// Room for one result: a pooled tensor's own where nobody else holds it any more.
const Tensor& result_room(std::array<Tensor, 2>& pool, const ir::TensorType& type) {
  for (const Tensor& t : pool) {
    if (t.defined() && t.cell().use_count() == 1 && t.cell()->array.storage.use_count() == 1)
      return t;
  }
  std::swap(pool[0], pool[1]);
  pool[0] = ir::computed(type.dtype, type.shape, ir::allocate(type.dtype, type.shape));
  return pool[0];
}

/// Nobody holds the elements but the variable itself and `storages - 1` arrays of ours, and they
/// lie as a plan writes them (an assigned view may repeat elements or lie otherwise).
bool held_alone(const VariableState& v, long storages) {
  const auto& cell = v.value.cell();
  return cell.use_count() == 1 && cell->array.storage.use_count() == storages &&
         cell->array.storage->writable() && ir::is_contiguous(v.type.shape, cell->array.strides);
}

}  // namespace

class Compiled {
 public:
  explicit Compiled(Precision precision) : precision_(precision) {}

  void run(std::span<const Tensor> arguments, const TracedFunction& f, const TakeResults& take) {
    std::lock_guard lock(mutex_);
    Entry& e = find(arguments, f);
    inputs_.clear();
    input_pointers_.clear();
    for (const Tensor& x : arguments) add_input(x);
    for (const Tensor& x : arguments) {
      if (x.mask_cell()) add_input(Tensor(x.mask_cell()));
    }
    versions_.clear();
    for (const ir::VariableRef& v : e.read) {
      add_input(ir::read_variable(v));
      versions_.push_back(v->version);
    }
    outputs_.clear();
    results_.clear();
    e.pool.resize(e.results.size());
    for (size_t i = 0; i < e.results.size(); ++i) {
      results_.push_back(result_room(e.pool[i], e.results[i]));
      outputs_.push_back(results_.back().cell()->array.data());
    }
    overwritten_.clear();
    for (size_t a = 0; a < e.assigned.size(); ++a) outputs_.push_back(variable_room(e, a));
    const int bad = e.plan->run(input_pointers_, outputs_, changed(e));
    e.versions.swap(versions_);
    e.ran = true;
    if (bad >= 0) Blame(e, bad, input_arrays(e, arguments)).raise();
    inputs_.clear();
    for (size_t a = 0; a < e.assigned.size(); ++a) commit(e, a);
    const size_t proper = results_.size() - e.observations.size();
    for (size_t i = proper; i < results_.size(); ++i) e.observations[i - proper].look(results_[i]);
    const size_t count = proper - e.masked.size();
    for (size_t k = 0; k < e.masked.size(); ++k) {
      Tensor& result = results_[e.masked[k]];
      result = Tensor(result.cell(), results_[count + k].cell());
    }
    take(e.structure.get(), std::span<const Tensor>(results_).first(count));
    results_.clear();
  }

  int traces() const {
    const std::lock_guard lock(mutex_);
    return traces_;
  }
  double planning_seconds() const {
    const std::lock_guard lock(mutex_);
    return entries_.empty() ? 0 : entries_.front().seconds;
  }
  int64_t plan_bytes() const {
    const std::lock_guard lock(mutex_);
    int64_t bytes = 0;
    for (const Entry& e : entries_) bytes += e.plan->arena_bytes() + e.plan->kept_bytes();
    return bytes;
  }
  /// What `text` says of the plan used last.
  template <class F>
  std::string of_last(F text) const {
    const std::lock_guard lock(mutex_);
    return entries_.empty() ? "not traced yet" : text(*entries_.front().plan);
  }
  void profile(bool on) {
    const std::lock_guard lock(mutex_);
    profiling_ = on;
    for (Entry& e : entries_) e.plan->profile(on);
  }

 private:
  Entry& find(std::span<const Tensor> arguments, const TracedFunction& f) {
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (!at->signature.fits(arguments)) continue;
      entries_.splice(entries_.begin(), entries_, at);
      return *at;
    }
    Signature s{{}, {}, thread_count(), runtime::execute_options().kernels, winograd_allowed()};
    for (const Tensor& x : arguments) {
      s.arguments.push_back(ir::type_of(x));
      s.masks.emplace_back();
      if (x.mask_cell()) s.masks.back() = x.mask_cell()->type;
    }
    if (++traces_ == kTracesBeforeWarning) {
      warn("jit: traced for the " + std::to_string(traces_) +
           "th time; each new combination of argument shapes is traced and planned anew");
    }
    entries_.push_front(trace(s, f, precision_));
    if (profiling_) entries_.front().plan->profile(true);
    if (entries_.size() > kPlansKept) entries_.pop_back();
    return entries_.front();
  }

  /// Whether a variable that the plan only reads did since it ran last. Forgets that it ran: a run
  /// that fails leaves nothing to rely on.
  bool changed(Entry& e) const {
    const std::vector<bool>& steady = e.plan->roles().steady;
    const size_t arguments = steady.size() - e.read.size();
    bool any = !std::exchange(e.ran, false);
    for (size_t i = 0; i < e.read.size(); ++i)
      any |= steady[arguments + i] && e.versions[i] != versions_[i];
    return any;
  }

  void add_input(const Tensor& x) {
    const ir::Array& array = ir::contiguous_array(x);
    inputs_.push_back(array.storage);
    input_pointers_.push_back(array.data());
  }
  static std::vector<ir::Array> input_arrays(const Entry& e, std::span<const Tensor> arguments) {
    std::vector<ir::Array> arrays;
    for (const Tensor& x : arguments) arrays.push_back(ir::contiguous_array(x));
    for (const Tensor& x : arguments) {
      if (x.mask_cell()) arrays.push_back(ir::contiguous_array(Tensor(x.mask_cell())));
    }
    for (const ir::VariableRef& v : e.read)
      arrays.push_back(ir::contiguous_array(ir::read_variable(v)));
    return arrays;
  }

  void* variable_room(Entry& e, size_t a) {
    VariableState& v = *e.assigned[a];
    // inputs_ holds one more reference to the storage of a variable that is read.
    const bool read = e.plan->roles().assigned[a] >= 0;
    const bool in_place = read && e.plan->in_place(static_cast<int>(a)) && held_alone(v, 2);
    overwritten_.push_back(in_place);
    if (in_place) return v.value.cell()->array.data();
    ir::Array& spare = e.spare[a];
    if (!spare || spare.storage.use_count() > 1) spare = ir::allocate(v.type.dtype, v.type.shape);
    return spare.data();
  }

  void commit(Entry& e, size_t a) {
    VariableState& v = *e.assigned[a];
    if (!overwritten_[a]) {
      if (v.value.defined() && held_alone(v, 1)) {
        std::swap(v.value.cell()->array, e.spare[a]);
      } else {
        v.value = ir::computed(v.type.dtype, v.type.shape, std::exchange(e.spare[a], {}));
      }
    }
    v.follow = nullptr;
    ++v.version;
  }

  const Precision precision_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last in front
  int traces_ = 0;
  bool profiling_ = false;
  std::vector<std::shared_ptr<ir::Storage>> inputs_;  // held while a plan reads them
  std::vector<const void*> input_pointers_;
  std::vector<uint64_t> versions_;  // of the variables that are read
  std::vector<void*> outputs_;
  std::vector<Tensor> results_;
  std::vector<bool> overwritten_;
};

std::shared_ptr<Compiled> make_compiled(Precision precision) {
  return std::make_shared<Compiled>(precision);
}

bool inlined() { return ir::tracing() || ir::links_kept(); }

void run_compiled(Compiled& compiled, std::span<const Tensor> arguments, const TracedFunction& f,
                  const TakeResults& take) {
  compiled.run(arguments, f, take);
}

int64_t plan_bytes(const Compiled& compiled) { return compiled.plan_bytes(); }

}  // namespace varve::detail

namespace varve {

int CompiledInfo::traces() const { return compiled_->traces(); }

double CompiledInfo::planning_seconds() const { return compiled_->planning_seconds(); }

std::string CompiledInfo::plan() const {
  return compiled_->of_last([](const runtime::Plan& plan) { return plan.to_string(); });
}

std::string CompiledInfo::profile() const {
  return compiled_->of_last([](const runtime::Plan& plan) { return plan.profile_text(); });
}

void CompiledInfo::profile(bool on) { compiled_->profile(on); }

}  // namespace varve
