#include "runtime/plan_builder.h"

#include <algorithm>

#include "base/error.h"
#include "base/math.h"
#include "runtime/order.h"
#include "runtime/prepare.h"

namespace varve::runtime {

void PlanBuilder::build(const transform::Target& target) {
  const size_t n = plan_.graph_.nodes.size();
  values_.resize(n);
  steady_ = steady_nodes(plan_.graph_, plan_.roles_);
  selected_ = transform::select(plan_.graph_, target);
  mark_commits();
  order_ = frugal_order(plan_.graph_, commits_);
  claim_outputs();
  bind_inputs();
  for (int32_t node : order_) {
    if (!commits_[static_cast<size_t>(node)]) schedule(node);
  }
  hold_guards();
  for (int32_t node : order_) {
    if (commits_[static_cast<size_t>(node)]) schedule(node);
  }
  copy_outputs();
  settle_places();
}

void PlanBuilder::mark_commits() {
  const ir::Graph& g = plan_.graph_;
  commits_.assign(g.nodes.size(), true);
  uses_.assign(g.nodes.size(), 0);
  for (const auto& node : g.nodes) {
    for (ir::ValueId v : node.inputs) ++uses_[static_cast<size_t>(v.node)];
  }
  const int results = plan_.roles_.results,
            assigned = static_cast<int>(plan_.roles_.assigned.size());
  for (int i = 0; i < static_cast<int>(g.outputs.size()); ++i) {
    const auto node = static_cast<size_t>(g.outputs[static_cast<size_t>(i)].node);
    ++uses_[node];
    if (i < results || i >= results + assigned) commits_[node] = false;
  }
  for (size_t i = g.nodes.size(); i-- > 0;) {
    // What may fail must do so before any variable is changed.
    const ir::Traits& traits = g.nodes[i].op->traits;
    if (commits_[i] && !traits.faults) continue;
    commits_[i] = false;
    for (ir::ValueId v : g.nodes[i].inputs) commits_[static_cast<size_t>(v.node)] = false;
  }
  // Nor need the rest wait but where it makes what is assigned, or reads that.
  std::vector<bool> assigns(g.nodes.size(), false);
  for (int i = results; i < results + assigned; ++i)
    assigns[static_cast<size_t>(g.outputs[static_cast<size_t>(i)].node)] = true;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const auto& inputs = g.nodes[i].inputs;
    if (!assigns[i] && std::none_of(inputs.begin(), inputs.end(), [&](ir::ValueId v) {
          return commits_[static_cast<size_t>(v.node)];
        })) {
      commits_[i] = false;
    }
  }
}

/// A kernel may write an output directly where the value is nobody else's output and no view.
void PlanBuilder::claim_outputs() {
  const ir::Graph& g = plan_.graph_;
  claims_.resize(g.nodes.size());
  for (size_t i = 0; i < g.nodes.size(); ++i) claims_[i].assign(g.nodes[i].outputs.size(), -1);
  claimed_.assign(static_cast<size_t>(plan_.roles_.outputs()), -1);
  for (int i = 0; i < plan_.roles_.outputs(); ++i) {
    const ir::ValueId v = g.outputs[static_cast<size_t>(i)];
    int& claim = claims_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
    if (claim >= 0 || g.node(v).op->traits.structural || g.node(v).op->view) continue;
    const transform::Candidate& way = selected_[static_cast<size_t>(v.node)];
    if (way.outputs[static_cast<size_t>(v.output)] != backend::Format::plain) continue;
    // An assigned variable's memory may only be written once the guards have passed.
    if (i >= plan_.roles_.results && !commits_[static_cast<size_t>(v.node)]) continue;
    claim = i;
    claimed_[static_cast<size_t>(i)] = v.node;
  }
}

int PlanBuilder::new_buffer(int64_t bytes) {
  buffers_.push_back({{Place::Kind::arena, 0, 0}, std::max<int64_t>(bytes, 1), -1, -1});
  return static_cast<int>(buffers_.size()) - 1;
}

int PlanBuilder::new_fixed(Place place) {
  const int b = new_buffer(0);
  buffers_.back().place = place;
  buffers_.back().fixed = true;
  return b;
}

/// Whether what is made of these seldom changes, so that it may be made beforehand.
bool PlanBuilder::all_steady(std::span<const Held> in, bool commit) const {
  if (commit || in.empty() || plan_.roles_.steady.empty()) return false;
  return std::all_of(in.begin(), in.end(),
                     [&](const Held& h) { return buffers_[static_cast<size_t>(h.buffer)].steady; });
}

/// The buffer outlasts a run.
void PlanBuilder::keep(int buffer) {
  Buffer& b = buffers_[static_cast<size_t>(buffer)];
  if (b.fixed) return;
  b.fixed = true;
  b.place = {Place::Kind::kept, 0, plan_.kept_bytes_};
  plan_.kept_bytes_ += round_up(b.bytes, int64_t{64});
}

void PlanBuilder::bind_inputs() {
  const ir::Graph& g = plan_.graph_;
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const ir::TensorType& t = g.nodes[static_cast<size_t>(g.inputs[i])].outputs[0];
    const int b = new_fixed({Place::Kind::input, static_cast<int>(i), 0});
    const std::vector<bool>& steady = plan_.roles_.steady;
    buffers_.back().steady = i < steady.size() && steady[i];
    input_buffers_.push_back(b);
    values_[static_cast<size_t>(g.inputs[i])] = {{b, 0, packed(t)}};
  }
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (!ir::is_constant(g.nodes[i])) continue;
    const auto& literal = g.nodes[i].attributes.get<ir::Literal>("value");
    const int b = new_fixed({Place::Kind::constant, static_cast<int>(plan_.constants_.size()), 0});
    buffers_.back().steady = true;
    plan_.constants_.push_back(literal.array);
    values_[i] = {{b, 0, {literal.dtype, literal.shape, literal.array.strides}}};
  }
}

void PlanBuilder::touch(int buffer) {
  Buffer& b = buffers_[static_cast<size_t>(buffer)];
  const int step = static_cast<int>(pending_.size());
  if (b.first < 0) b.first = step;
  b.last = step;
}

bool PlanBuilder::schedule_view(int32_t n) {
  const ir::GraphNode& node = plan_.graph_.nodes[static_cast<size_t>(n)];
  if (!node.op->view) return false;
  const Held from =
      held_in(node.inputs[0], backend::Format::plain, commits_[static_cast<size_t>(n)]);
  ir::Types types;
  for (ir::ValueId v : node.inputs) types.push_back(plan_.graph_.type(v));
  auto view =
      node.op->view({*node.op, types, node.attributes}, node.outputs[0], from.layout.strides);
  if (!view) return false;
  const DType d = node.outputs[0].dtype;
  values_[static_cast<size_t>(n)] = {{from.buffer,
                                      from.offset + view->offset * size_of(d),
                                      {d, node.outputs[0].shape, std::move(view->strides)}}};
  return true;
}

PlanBuilder::Held PlanBuilder::pack(const Held& from, bool commit) {
  Held to{new_buffer(from.layout.shape.size() * size_of(from.layout.dtype)),
          0,
          {from.layout.dtype, from.layout.shape, ir::row_major(from.layout.shape)}};
  add_step(prepare_copy(from.layout, to.layout, set_, threads_), "copy", -1, commit,
           all_steady(std::span(&from, 1), commit), {from}, {to});
  return to;
}

/// A value in a format: as it is, or made anew once for all who want it so.
PlanBuilder::Held PlanBuilder::held_in(ir::ValueId v, backend::Format format, bool commit) {
  const Held& own = value(v);
  if (own.layout.format == format) return own;
  const auto key = std::tuple(v.node, v.output, format);
  if (const auto made = relaid_.find(key); made != relaid_.end()) return made->second;
  Held to{new_buffer(own.layout.shape.size() * size_of(own.layout.dtype)),
          0,
          {own.layout.dtype, own.layout.shape, ir::row_major(own.layout.shape), format}};
  add_step(prepare_copy(own.layout, to.layout, set_, threads_), "relay", -1, commit,
           all_steady(std::span(&own, 1), commit), {own}, {to});
  relaid_.emplace(key, to);
  return to;
}

bool PlanBuilder::try_in_place(const backend::Kernel& kernel, const std::vector<Held>& in,
                               const std::vector<Held>& taken, Held& out, int output, int32_t n,
                               bool steady) {
  const ir::GraphNode& node = plan_.graph_.nodes[static_cast<size_t>(n)];
  const int64_t bytes = out.layout.shape.size() * size_of(out.layout.dtype);
  for (size_t which = 0; which < node.inputs.size(); ++which) {
    if (!kernel.in_place(static_cast<int>(which), output)) continue;
    const Held& held = in[which];
    const Buffer& b = buffers_[static_cast<size_t>(held.buffer)];
    if (b.fixed || b.steady != steady || held.offset != 0 || b.bytes != bytes) continue;
    if (held.layout.format != out.layout.format) continue;
    if (held.layout.format == backend::Format::plain && !held.layout.contiguous()) continue;
    if (!last_reader(in, which, node.inputs[which])) continue;
    // Another output of the same node may lie there already.
    if (std::any_of(taken.begin(), taken.end(),
                    [&](const Held& other) { return other.buffer == held.buffer; })) {
      continue;
    }
    out.buffer = held.buffer;
    return true;
  }
  return false;
}

/// Whether nothing but this one input slot will read the buffer again, under any view.
bool PlanBuilder::last_reader(const std::vector<Held>& in, size_t which, ir::ValueId v) const {
  if (uses_[static_cast<size_t>(v.node)] != 1) return false;
  for (size_t i = 0; i < in.size(); ++i) {
    if (i != which && in[i].buffer == in[which].buffer) return false;
  }
  for (size_t i = 0; i < values_.size(); ++i) {
    if (static_cast<int32_t>(i) == v.node || uses_[i] == 0) continue;
    for (const Held& other : values_[i]) {
      if (other.buffer == in[which].buffer) return false;
    }
  }
  return true;
}

bool PlanBuilder::is_read(ir::ValueId v) const {
  const ir::Graph& g = plan_.graph_;
  const auto has = [v](const std::vector<ir::ValueId>& list) {
    return std::find(list.begin(), list.end(), v) != list.end();
  };
  return has(g.outputs) || std::any_of(g.nodes.begin(), g.nodes.end(),
                                       [&](const ir::GraphNode& n) { return has(n.inputs); });
}

void PlanBuilder::schedule(int32_t n) {
  const auto index = static_cast<size_t>(n);
  const ir::GraphNode& node = plan_.graph_.nodes[index];
  if (!schedule_view(n)) {
    std::vector<Held> in, out;
    std::vector<backend::Layout> in_layouts, out_layouts;
    const transform::Candidate& way = selected_[index];
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      in.push_back(held_in(node.inputs[i], way.inputs[i], commits_[index]));
      in_layouts.push_back(in.back().layout);
      in_layouts.back().steady =
          !steady_.empty() && steady_[static_cast<size_t>(node.inputs[i].node)];
    }
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      out_layouts.push_back(packed(node.outputs[o]));
      out_layouts.back().format = way.outputs[o];
    }
    Prepared p = prepare(node, in_layouts, out_layouts, set_, threads_);
    if (!p.kernel) no_kernel(node, p.declined);
    for (size_t i = 0; i < in.size(); ++i) {
      if (p.pack[i]) in[i] = pack(in[i], commits_[index]);
    }
    const bool gives_results = std::any_of(claims_[index].begin(), claims_[index].end(),
                                           [](int output) { return output >= 0; });
    const bool steady = !gives_results && all_steady(in, commits_[index]);
    if (!steady) take_packings(*p.kernel, n, in);
    for (size_t o = 0; o < out_layouts.size(); ++o) {
      Held h{-1, 0, out_layouts[o]};
      const int claim = claims_[index][o];
      if (claim >= 0) {
        h.buffer = new_fixed({Place::Kind::output, claim, 0});
      } else if (p.kernel->optional(static_cast<int>(o)) &&
                 !is_read({n, static_cast<int32_t>(o)})) {
        h.buffer = new_fixed({Place::Kind::none, 0, 0});
      } else if (!try_in_place(*p.kernel, in, out, h, static_cast<int>(o), n, steady)) {
        h.buffer = new_buffer(h.layout.shape.size() * size_of(h.layout.dtype));
      }
      out.push_back(std::move(h));
    }
    add_step(std::move(p.kernel), p.name, n, commits_[index], steady, in, out);
    plan_.steps_.back().declined = std::move(p.declined);
    values_[index] = std::move(out);
  }
  for (ir::ValueId v : node.inputs) --uses_[static_cast<size_t>(v.node)];
}

/// What seldom changes is laid out for the kernel when it does.
void PlanBuilder::take_packings(backend::Kernel& kernel, int32_t n, std::vector<Held>& in) {
  for (size_t i = 0; i < in.size(); ++i) {
    if (!all_steady(std::span(&in[i], 1), commits_[static_cast<size_t>(n)])) continue;
    backend::Packing packing = kernel.take_packing(static_cast<int>(i));
    if (!packing.kernel) continue;
    const Held to{new_buffer(packing.bytes), 0, in[i].layout};
    add_step(std::move(packing.kernel), "packing", n, false, true, {in[i]}, {to});
    in[i] = to;
  }
}

void PlanBuilder::add_step(std::unique_ptr<backend::Kernel> kernel, const char* name, int32_t node,
                           bool commit, bool steady, const std::vector<Held>& in,
                           const std::vector<Held>& out) {
  PendingStep p{in, out, -1};
  for (const Held& h : out) buffers_[static_cast<size_t>(h.buffer)].steady = steady;
  for (const Held& h : in) {
    if (!steady && buffers_[static_cast<size_t>(h.buffer)].steady) keep(h.buffer);
  }
  for (const Held& h : in) touch(h.buffer);
  for (const Held& h : out) touch(h.buffer);
  if (const int64_t bytes = kernel->scratch_bytes()) {
    p.scratch = new_buffer(bytes);
    touch(p.scratch);
  }
  Step s;
  s.kernel = std::move(kernel);
  s.name = name;
  s.node = node;
  s.commit = commit;
  s.steady = steady;
  for (const Held& h : out) s.formats.push_back(h.layout.format);
  plan_.steps_.push_back(std::move(s));
  pending_.push_back(std::move(p));
}

void PlanBuilder::hold_guards() {
  const ir::Graph& g = plan_.graph_;
  for (size_t i = static_cast<size_t>(plan_.roles_.outputs()); i < g.outputs.size(); ++i) {
    Held h = value(g.outputs[i]);
    if (h.layout.format == backend::Format::plain && !h.layout.contiguous()) h = pack(h, false);
    if (buffers_[static_cast<size_t>(h.buffer)].steady) keep(h.buffer);
    touch(h.buffer);
    plan_.guards_.push_back(
        {buffers_[static_cast<size_t>(h.buffer)].place.kind, h.buffer, h.offset});
  }
}

void PlanBuilder::copy_outputs() {
  const ir::Graph& g = plan_.graph_;
  const PlanRoles& roles = plan_.roles_;
  // Last of all: an assigned variable must not change before everything has read it.
  for (int i = 0; i < roles.outputs(); ++i) {
    if (claimed_[static_cast<size_t>(i)] >= 0) continue;
    const ir::ValueId v = g.outputs[static_cast<size_t>(i)];
    const Held from = value(v);
    const Held to{new_fixed({Place::Kind::output, i, 0}), 0, packed(g.type(v))};
    add_step(prepare_copy(from.layout, to.layout, set_, threads_), "copy", -1, true, false, {from},
             {to});
  }
}

void PlanBuilder::settle_places() {
  std::vector<Block> blocks;
  std::vector<int> block_of(buffers_.size(), -1);
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].fixed || buffers_[i].first < 0) continue;
    block_of[i] = static_cast<int>(blocks.size());
    blocks.push_back({buffers_[i].bytes, buffers_[i].first, buffers_[i].last, 0});
  }
  plan_.arena_bytes_ = place_blocks(blocks);
  auto settled = [&](int buffer, int64_t offset) {
    Place p = buffers_[static_cast<size_t>(buffer)].place;
    if (const int b = block_of[static_cast<size_t>(buffer)]; b >= 0)
      p.offset = blocks[static_cast<size_t>(b)].offset;
    p.offset += offset;
    return p;
  };
  auto add_pointer = [&](const Place& p) { plan_.patches_.push_back({plan_.pointer_count_++, p}); };
  for (size_t s = 0; s < pending_.size(); ++s) {
    Step& step = plan_.steps_[s];
    step.pointers = plan_.pointer_count_;
    for (const Held& h : pending_[s].inputs) step.inputs.push_back(settled(h.buffer, h.offset));
    for (const Held& h : pending_[s].outputs) step.outputs.push_back(settled(h.buffer, h.offset));
    for (const Place& p : step.inputs) add_pointer(p);
    for (const Place& p : step.outputs) add_pointer(p);
    if (pending_[s].scratch >= 0) {
      step.scratch = settled(pending_[s].scratch, 0);
      add_pointer(step.scratch);
    }
  }
  for (Place& g : plan_.guards_) {
    g = settled(g.index, g.offset);
    plan_.guard_pointers_.push_back(plan_.pointer_count_);
    add_pointer(g);
  }
  for (size_t a = 0; a < plan_.roles_.assigned.size(); ++a)
    plan_.in_place_.push_back(overwritable(static_cast<int>(a)));
}

/// An assigned variable can be overwritten where its new value is written in place of the old one,
/// or where the old one has been read for the last time before the step that writes.
bool PlanBuilder::overwritable(int assigned) const {
  const int output = plan_.roles_.results + assigned,
            input = plan_.roles_.assigned[static_cast<size_t>(assigned)];
  if (input < 0) return false;
  bool written = false;
  for (const Step& step : plan_.steps_) {
    int slot = -1;
    for (size_t o = 0; o < step.outputs.size(); ++o) {
      if (step.outputs[o].kind == Place::Kind::output && step.outputs[o].index == output)
        slot = static_cast<int>(o);
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i].kind != Place::Kind::input || step.inputs[i].index != input) continue;
      if (written) return false;
      if (slot >= 0 && !step.kernel->in_place(static_cast<int>(i), slot)) return false;
    }
    written |= slot >= 0;
  }
  return true;
}

}  // namespace varve::runtime
