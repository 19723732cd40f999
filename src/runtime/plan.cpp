#include "runtime/plan.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "base/count.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/threads.h"
#include "runtime/evaluate.h"
#include "runtime/plan_builder.h"

namespace varve::runtime {

std::vector<bool> steady_nodes(const ir::Graph& graph, const PlanRoles& roles) {
  if (roles.steady.empty()) return {};
  std::vector<bool> steady(graph.nodes.size());
  for (size_t i = 0; i < roles.steady.size(); ++i)
    steady[static_cast<size_t>(graph.inputs[i])] = roles.steady[i];
  for (size_t n = 0; n < steady.size(); ++n) {
    const std::vector<ir::ValueId>& from = graph.nodes[n].inputs;
    const bool made = !from.empty() && std::all_of(from.begin(), from.end(), [&](ir::ValueId v) {
      return steady[static_cast<size_t>(v.node)];
    });
    if (made || ir::is_constant(graph.nodes[n])) steady[n] = true;
  }
  return steady;
}

/// What one run writes: taken from the idle ones, given back afterwards.
struct Plan::Context {
  explicit Context(int64_t bytes, size_t pointers) : arena(bytes), pointers(pointers) {}
  ir::Storage arena;
  std::vector<void*> pointers;
  backend::Fault fault;
};

Plan::Plan(ir::Graph graph, PlanRoles roles, backend::KernelSet set, int threads)
    : Plan(graph, roles, set, threads,
           backend::CpuTarget(set, threads, steady_nodes(graph, roles))) {}

Plan::Plan(ir::Graph graph, PlanRoles roles, backend::KernelSet set, int threads,
           const transform::Target& target)
    : graph_(std::move(graph)), roles_(std::move(roles)) {
  PlanBuilder(*this, set, threads).build(target);
  if (kept_bytes_ > 0) kept_ = std::make_unique<ir::Storage>(kept_bytes_);
  seconds_.assign(steps_.size(), 0);
  idle_.reserve(8);
  idle_.push_back(make_context());
  // Asked for by the user's own environment; otherwise the library prints nothing.
  if (environment("VARVE_EXPLAIN") == "kernels") std::fputs(to_string(true).c_str(), stderr);
}

Plan::~Plan() = default;

void* Plan::address(const Place& place, std::byte* arena) const {
  if (place.kind == Place::Kind::arena) return arena + place.offset;
  if (place.kind == Place::Kind::kept) return kept_->data() + place.offset;
  check(place.kind == Place::Kind::constant, "inputs and outputs are placed per run");
  return constants_[static_cast<size_t>(place.index)].data() + place.offset;
}

std::unique_ptr<Plan::Context> Plan::make_context() const {
  auto c = std::make_unique<Context>(arena_bytes_, pointer_count_);
  for (const Patch& p : patches_) {
    const Place::Kind kind = p.place.kind;
    if (kind == Place::Kind::arena || kind == Place::Kind::kept || kind == Place::Kind::constant)
      c->pointers[p.pointer] = address(p.place, c->arena.data());
  }
  return c;
}

int Plan::run(std::span<const void* const> inputs, std::span<void* const> outputs,
              bool changed) const {
  std::unique_ptr<Context> context;
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      context = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!context) context = make_context();
  for (const Patch& p : patches_) {
    const auto i = static_cast<size_t>(p.place.index);
    if (p.place.kind == Place::Kind::input) {
      context->pointers[p.pointer] =
          static_cast<std::byte*>(const_cast<void*>(inputs[i])) + p.place.offset;
    } else if (p.place.kind == Place::Kind::output) {
      context->pointers[p.pointer] = static_cast<std::byte*>(outputs[i]) + p.place.offset;
    }
  }
  context->fault.set = false;
  context->fault.thrown = nullptr;
  run_steps(*context, false, changed);
  const int bad = unfinished_guard(*context);
  if (bad < 0) run_steps(*context, true, changed);
  std::lock_guard lock(mutex_);
  if (profiling_) ++runs_;
  idle_.push_back(std::move(context));
  return bad;
}

void Plan::run_steps(Context& context, bool commit, bool changed) const {
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& s = steps_[i];
    if (s.commit != commit || (s.steady && !changed)) continue;
    void* const* at = context.pointers.data() + s.pointers;
    void* const* out = at + s.inputs.size();
    auto* scratch =
        s.kernel->scratch_bytes() ? static_cast<std::byte*>(out[s.outputs.size()]) : nullptr;
    if (profiling_) {
      const auto start = Clock::now();
      s.kernel->run({at, out, scratch, &context.fault});
      seconds_[i] += std::chrono::duration<double>(Clock::now() - start).count();
    } else {
      s.kernel->run({at, out, scratch, &context.fault});
    }
    if (context.fault.set.load(std::memory_order_relaxed)) [[unlikely]] {
      raise_fault(graph_.nodes[static_cast<size_t>(s.node)], context.fault);
    }
  }
}

namespace {

/// Whether every element is finite, by the exponent bits: no floating exception, and it vectorizes.
template <class Bits>
bool finite_bits(const void* p, int64_t n, Bits exponent) {
  const Bits* bits = static_cast<const Bits*>(p);
  constexpr int64_t kBlock = 4096;
  std::atomic<bool> fine{true};
  parallel_for(n, 8 * kBlock, [&](int64_t first, int64_t last) {
    for (int64_t begin = first; begin < last && fine.load(std::memory_order_relaxed);
         begin += kBlock) {
      const int64_t end = std::min(last, begin + kBlock);
      Bits bad = 0;
      for (int64_t i = begin; i < end; ++i)
        bad |= static_cast<Bits>((bits[i] & exponent) == exponent);
      if (bad) fine.store(false, std::memory_order_relaxed);
    }
  });
  return fine.load();
}

bool finite(const void* p, int64_t n, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return finite_bits<uint32_t>(p, n, 0x7f800000u);
    case DType::f64:
      return finite_bits<uint64_t>(p, n, 0x7ff0000000000000u);
    case DType::f16:
      return finite_bits<uint16_t>(p, n, 0x7c00u);
    case DType::bf16:
      return finite_bits<uint16_t>(p, n, 0x7f80u);
    default:
      return true;
  }
}

}  // namespace

int Plan::unfinished_guard(const Context& context) const {
  for (size_t i = 0; i < guards_.size(); ++i) {
    const ir::TensorType& t =
        graph_.type(graph_.outputs[static_cast<size_t>(roles_.outputs()) + i]);
    if (!finite(context.pointers[guard_pointers_[i]], t.shape.size(), t.dtype))
      return static_cast<int>(i);
  }
  return -1;
}

namespace {
std::string place_text(const Place& p) {
  static constexpr const char* kinds[] = {"input ", "output ", "constant ",
                                          "arena+", "kept+",   "nowhere"};
  const auto kind = static_cast<int>(p.kind);
  if (p.kind == Place::Kind::none) return kinds[kind];
  const bool numbered = p.kind != Place::Kind::arena && p.kind != Place::Kind::kept;
  return kinds[kind] + std::to_string(numbered ? p.index : p.offset);
}
}  // namespace

std::string Plan::to_string(bool declined) const {
  std::string out = "plan: " + count_of(steps_.size(), "kernel") + ", arena " +
                    std::to_string(arena_bytes_) + " bytes";
  if (kept_bytes_ > 0) out += ", kept " + std::to_string(kept_bytes_) + " bytes";
  out += "\n";
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& s = steps_[i];
    char line[64];
    std::snprintf(line, sizeof line, "%4zu %s ", i,
                  s.commit   ? "commit"
                  : s.steady ? "steady"
                             : "      ");
    out += line;
    out += s.name;
    out += s.node >= 0 ? ": " + ir::to_text(graph_.nodes[static_cast<size_t>(s.node)], s.node)
                       : std::string();
    for (size_t o = 0; o < s.outputs.size(); ++o) {
      out += " -> " + place_text(s.outputs[o]);
      if (s.formats[o] != backend::Format::plain)
        out += std::string(" in ") + ir::name_of(s.formats[o]);
    }
    out += "\n";
    for (size_t d = 0; declined && d < s.declined.size(); ++d)
      out += "              not " + s.declined[d] + "\n";
  }
  return out;
}

void Plan::profile(bool on) const {
  std::lock_guard lock(mutex_);
  profiling_ = on;
  runs_ = 0;
  seconds_.assign(steps_.size(), 0);
}

std::string Plan::profile_text() const {
  std::lock_guard lock(mutex_);
  double total = 0;
  for (double s : seconds_) total += s;
  std::string out = "   us/run    share  kernel\n";
  for (size_t i = 0; i < steps_.size(); ++i) {
    char line[160];
    const double us = runs_ ? 1e6 * seconds_[i] / static_cast<double>(runs_) : 0;
    const Step& s = steps_[i];
    const auto* node = s.node >= 0 ? &graph_.nodes[static_cast<size_t>(s.node)] : nullptr;
    std::snprintf(line, sizeof line, "%9.1f  %6.1f%%  %s %s %s\n", us,
                  total > 0 ? 100 * seconds_[i] / total : 0, s.name, node ? node->op->name : "",
                  node && !node->outputs.empty() ? node->outputs[0].to_string().c_str() : "");
    out += line;
  }
  return out;
}

}  // namespace varve::runtime
