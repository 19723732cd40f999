#include "runtime/prepared_nodes.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mix.h"
#include "runtime/optimize.h"
#include "runtime/widen.h"
#include "varve/numerics.h"

namespace varve::runtime {
namespace {

using backend::Layout;

/// Functions of the user's own may be other ones at the same address, graphs cost much to compare.
bool plain(const ir::Attributes& attributes) {
  return std::none_of(attributes.begin(), attributes.end(), [](const auto& a) {
    return std::holds_alternative<ir::GraphRef>(a.second) ||
           std::holds_alternative<ir::Opaque>(a.second) ||
           std::holds_alternative<ir::Literal>(a.second);
  });
}

struct Remembered {
  const ir::OpDef* op = nullptr;
  ir::Attributes attributes;
  std::vector<Layout> inputs;
  backend::KernelSet set = backend::KernelSet::all;
  int threads = 0;
  bool winograd = true;  // whether it was allowed
  std::shared_ptr<PreparedNode> prepared;
  bool met_again = false;

  bool fits(const ir::Operation& node, std::span<const ir::TensorType> types,
            std::span<const ir::Array> arrays, backend::KernelSet from, int count) const {
    if (op != node.op || set != from || threads != count || winograd != winograd_allowed() ||
        inputs.size() != types.size()) {
      return false;
    }
    for (size_t i = 0; i < types.size(); ++i) {
      if (inputs[i].dtype != types[i].dtype || inputs[i].shape != types[i].shape ||
          inputs[i].strides != arrays[i].strides) {
        return false;
      }
    }
    return ir::same(attributes, node.attributes);
  }
};

size_t hash_of(const ir::Operation& node, std::span<const ir::TensorType> types,
               std::span<const ir::Array> arrays) {
  // By name: addresses differ from run to run, and with them what falls on one place.
  size_t h = mix(std::hash<std::string_view>()(node.op->name), ir::hash(node.attributes));
  for (size_t i = 0; i < types.size(); ++i) {
    h = mix(h, static_cast<size_t>(types[i].dtype));
    for (int64_t d : types[i].shape) h = mix(h, static_cast<size_t>(d));
    for (int64_t s : arrays[i].strides) h = mix(h, static_cast<size_t>(s));
  }
  return h;
}

constexpr size_t kRemembered = 256;
thread_local std::vector<Remembered> table;  // by hash: the last one that fell there

int64_t arena_bytes_kept() {
  int64_t bytes = 0;
  for (const Remembered& r : table) {
    if (r.prepared && r.prepared->plan) bytes += r.prepared->plan->arena_bytes();
  }
  return bytes;
}

std::shared_ptr<PreparedNode> prepare_anew(const ir::Operation& node,
                                           std::span<const Layout> inputs, backend::KernelSet set,
                                           int threads) {
  std::vector<Layout> outputs;
  for (const ir::TensorType& t : node.outputs) outputs.push_back(packed(t));
  auto made = std::make_shared<PreparedNode>();
  if (computes_in_f32(node, inputs, outputs, set, threads)) {
    made->way = PreparedNode::Way::widened;
  } else {
    made->kernel = prepare(node, inputs, outputs, set, threads);
    if (!made->kernel.kernel && node.op->decompose) made->way = PreparedNode::Way::decomposition;
  }
  return made;
}

/// A plan costs as much as many runs node by node: it is made for what comes a second time, and
/// kept where all of a thread's hold little memory. Its results have the bits that they had node by
/// node.
std::unique_ptr<const Plan> plan_of(const ir::Operation& node,
                                    std::span<const ir::TensorType> types, PreparedNode::Way way,
                                    backend::KernelSet set, int threads) {
  constexpr int64_t kMostArena = int64_t{1} << 20, kMostArenas = int64_t{32} << 20;
  PlanRoles roles;
  roles.results = static_cast<int>(node.outputs.size());
  ir::Graph graph = optimize(instead_of_kernel(node, types, way), roles, set, threads,
                             Precision::f32, Means::whole);
  auto plan = std::make_unique<const Plan>(std::move(graph), std::move(roles), set, threads);
  const int64_t bytes = plan->arena_bytes();
  return bytes <= kMostArena && arena_bytes_kept() + bytes <= kMostArenas ? std::move(plan)
                                                                          : nullptr;
}

}  // namespace

ir::Graph instead_of_kernel(const ir::Operation& node, std::span<const ir::TensorType> types,
                            PreparedNode::Way way) {
  const ir::SiteScope site(node.site);
  return ir::trace_body(ir::Types(types.begin(), types.end()), [&](std::span<const Tensor> x) {
    return way == PreparedNode::Way::widened ? widened(node, x)
                                             : node.op->decompose(x, node.attributes);
  });
}

std::shared_ptr<const PreparedNode> prepared_node(const ir::Operation& node,
                                                  std::span<const ir::TensorType> types,
                                                  std::span<const ir::Array> inputs,
                                                  backend::KernelSet set, int threads) {
  const auto layouts = [&] {
    std::vector<Layout> out;
    for (size_t i = 0; i < types.size(); ++i)
      out.push_back({types[i].dtype, types[i].shape, inputs[i].strides});
    return out;
  };
  if (!plain(node.attributes)) return prepare_anew(node, layouts(), set, threads);
  if (table.empty()) table.resize(kRemembered);
  const size_t place = hash_of(node, types, inputs) % kRemembered;
  if (Remembered& slot = table[place]; slot.fits(node, types, inputs, set, threads)) {
    std::shared_ptr<PreparedNode> found = slot.prepared;
    if (!slot.met_again && found->way != PreparedNode::Way::kernel) {
      slot.met_again = true;
      // Planning may run nodes of its own, which may take the slot.
      found->plan = plan_of(node, types, found->way, set, threads);
    }
    return found;
  }
  std::vector<Layout> in = layouts();
  auto made = prepare_anew(node, in, set, threads);
  table[place] = {node.op, node.attributes,    std::move(in), set,
                  threads, winograd_allowed(), made,          false};
  return made;
}

}  // namespace varve::runtime
