// Which calls of a tile program become chains.
#include <algorithm>

#include "backend/cpu/tile_schedule.h"

namespace varve::cpu {
namespace {

using tiling::Instruction;
using tiling::Type;

constexpr size_t kMostCalls = 48;

bool contains(const std::vector<int32_t>& list, int32_t slot) {
  return std::find(list.begin(), list.end(), slot) != list.end();
}

class Joiner {
 public:
  Joiner(const tiling::TileProgram& program, Schedule& schedule)
      : program_(program), s_(schedule), uses_(schedule.slots.size(), 0) {
    for (const Step& step : s_.body) {
      for (int32_t slot : slots_read(s_, step)) ++uses_[static_cast<size_t>(slot)];
    }
  }

  void run() {
    std::vector<Step> body;
    body.swap(s_.body);
    for (const Step& step : body) take(step);
    flush();
    read_halves();
  }

 private:
  /// What a step computes of floats, one element from those at its place; nothing where no chain
  /// can have it.
  const Instruction* link(const Step& step) const {
    if (static_cast<size_t>(step.slot) >= program_.instructions.size()) return nullptr;
    const Instruction& in = program_.instructions[static_cast<size_t>(step.slot)];
    if (in.type != Type::f32 || s_.slots[static_cast<size_t>(step.slot)].splat) return nullptr;
    if (step.kind == StepKind::call) return chains(in.function) ? &in : nullptr;
    const bool copies = step.kind == StepKind::cast &&
                        (in.through == DType::f32 || in.through == DType::bf16) &&
                        program_.instructions[static_cast<size_t>(in.arguments[0])].type == in.type;
    return copies && chains(Pointwise::identity) ? &in : nullptr;
  }

  void take(const Step& step) {
    if (link(step) != nullptr) {
      if (links_.size() == kMostCalls) flush();
      links_.push_back(step);
      made_.push_back(step.slot);
      in_order_.push_back(step);
      return;
    }
    const std::vector<int32_t> reads = slots_read(s_, step);
    const bool waits =
        std::any_of(reads.begin(), reads.end(), [&](int32_t r) { return contains(made_, r); });
    const bool sinks = step.kind == StepKind::store || step.kind == StepKind::reduce;
    const bool writes =
        step.kind == StepKind::store || (step.in_place && step.kind != StepKind::load);
    // What is computed of a chain ends it, and so does what may write into arrays that it reads.
    if (!sinks && (waits || writes)) {
      flush();
      s_.body.push_back(step);
      return;
    }
    (waits || writes ? after_ : before_).push_back(step);
    in_order_.push_back(step);
  }

  void flush() {
    if (links_.size() > 1 && add_chain()) {
      Step step{.kind = StepKind::chain, .index = static_cast<int32_t>(s_.chains.size()) - 1};
      s_.body.insert(s_.body.end(), before_.begin(), before_.end());
      s_.body.push_back(step);
      s_.body.insert(s_.body.end(), after_.begin(), after_.end());
    } else {
      s_.body.insert(s_.body.end(), in_order_.begin(), in_order_.end());
    }
    for (std::vector<Step>* list : {&links_, &before_, &after_, &in_order_}) list->clear();
    made_.clear();
  }

  ChainInput kind_of(const SlotPlace& slot) const {
    if (slot.splat) return ChainInput::splat;
    // What is hoisted is the same in every row.
    const bool whole_blocks = s_.columns % static_cast<int64_t>(kBlock) == 0;
    return slot.hoisted && whole_blocks ? ChainInput::row : ChainInput::elements;
  }

  bool add_chain() {
    ChainStep step;
    Chain& chain = step.chain;
    std::vector<int> inside(s_.slots.size(), 0);  // uses within the chain
    const auto in_halves = [&](const Step& sink) {
      return sink.kind == StepKind::store && sink.dense && contains(made_, sink.slot) &&
             program_.outputs[static_cast<size_t>(sink.index)].dtype == DType::bf16;
    };
    for (const Step& sink : after_) inside[static_cast<size_t>(sink.slot)] += in_halves(sink);
    for (const Step& l : links_) {
      for (int k = 0; k < l.arity; ++k) {
        const int32_t slot = l.arguments[static_cast<size_t>(k)];
        ++inside[static_cast<size_t>(slot)];
        if (contains(made_, slot) || contains(step.inputs, slot)) continue;
        step.inputs.push_back(slot);
        chain.inputs.push_back(kind_of(s_.slots[static_cast<size_t>(slot)]));
      }
    }
    const auto value = [&](int32_t slot) {
      const auto made = std::find(made_.begin(), made_.end(), slot);
      return static_cast<int32_t>(
          made != made_.end()
              ? static_cast<std::ptrdiff_t>(step.inputs.size()) + (made - made_.begin())
              : std::find(step.inputs.begin(), step.inputs.end(), slot) - step.inputs.begin());
    };
    for (const Step& l : links_) {
      const Instruction& in = *link(l);
      Chain::Call call{l.kind == StepKind::cast ? Pointwise::identity : in.function};
      for (size_t k = 0; k < l.arity; ++k) call.arguments[k] = value(l.arguments[k]);
      call.rounded = l.kind == StepKind::cast && in.through == DType::bf16;
      chain.calls.push_back(call);
      step.cost += info(call.function).cost;
      const auto slot = static_cast<size_t>(l.slot);
      if (!l.in_place && uses_[slot] == inside[slot]) continue;
      step.outputs.push_back(l);
      chain.outputs.push_back({value(l.slot), false});
    }
    const size_t slots = s_.slots.size();
    for (const Step& sink : after_) {
      if (!in_halves(sink)) continue;
      step.outputs.push_back(sink);
      chain.outputs.push_back({value(sink.slot), true});
      // Where a tile that is not whole is written first.
      step.outputs.back().slot = static_cast<int32_t>(s_.slots.size());
      step.outputs.back().in_place = true;
      s_.slots.push_back({.halves = true, .element = 2});
    }
    if (step.inputs.size() <= kMostChainArrays && step.outputs.size() <= kMostChainArrays)
      step.code = compile(chain);
    if (step.code == nullptr) {
      s_.slots.resize(slots);
      return false;
    }
    uses_.resize(s_.slots.size(), 0);
    std::erase_if(after_, in_halves);
    s_.chains.push_back(std::move(step));
    return true;
  }

  /// Whether a load is one of bf16 that chains alone read.
  bool chains_read(const Step& load) const {
    if (load.kind != StepKind::load || !load.dense) return false;
    const SlotPlace& slot = s_.slots[static_cast<size_t>(load.slot)];
    const DType stored = program_.operands[static_cast<size_t>(load.index)].dtype;
    if (stored != DType::bf16 || slot.element != 4 || slot.splat || slot.hoisted) return false;
    return std::all_of(s_.body.begin(), s_.body.end(), [&](const Step& step) {
      return step.kind == StepKind::chain || !contains(slots_read(s_, step), load.slot);
    });
  }

  /// Chains widen bf16 themselves where no other step wants it as f32.
  void read_halves() {
    std::vector<Step*> loads;
    std::vector<int32_t> slots;
    for (Step& step : s_.body) {
      if (!chains_read(step)) continue;
      loads.push_back(&step);
      slots.push_back(step.slot);
    }
    std::vector<ChainStep> chains = s_.chains;
    for (ChainStep& step : chains) {
      bool changed = false;
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        if (!contains(slots, step.inputs[i])) continue;
        step.chain.inputs[i] = ChainInput::halves;
        changed = true;
      }
      if (changed) step.code = compile(step.chain);
      if (step.code == nullptr) return;
    }
    s_.chains = std::move(chains);
    for (Step* load : loads) {
      load->in_place = true;
      SlotPlace& slot = s_.slots[static_cast<size_t>(load->slot)];
      slot.halves = true;
      slot.element = 2;
    }
  }

  const tiling::TileProgram& program_;
  Schedule& s_;
  std::vector<int> uses_;  // by slot: steps that read it
  // Since the last flush: the calls and the slots they make, what comes before and after them, and
  // all of these as they were.
  std::vector<Step> links_, before_, after_, in_order_;
  std::vector<int32_t> made_;
};

}  // namespace

void join_chains(const tiling::TileProgram& program, Schedule& schedule) {
  Joiner(program, schedule).run();
}

}  // namespace varve::cpu
