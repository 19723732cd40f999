// Evaluation node by node: what uncompiled reading does, and the oracle of the rest. Only a
// composite without a kernel that comes again runs as a plan of its own.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

struct ExecuteOptions {
  backend::KernelSet kernels = backend::KernelSet::all;
};

/// What holds for this thread's evaluations, while it lives.
class ExecuteScope {
 public:
  explicit ExecuteScope(ExecuteOptions options);
  ~ExecuteScope();
  ExecuteScope(const ExecuteScope&) = delete;
  ExecuteScope& operator=(const ExecuteScope&) = delete;

 private:
  ExecuteOptions before_;
};
ExecuteOptions execute_options();

/// The output of a node that only views its input; none where it has to be computed.
std::optional<ir::Array> view_of(const ir::Operation& node, std::span<const ir::TensorType> types,
                                 std::span<const ir::Array> inputs);

/// Runs a node on given elements; views where the op allows it. Outputs come in the op's order.
std::vector<ir::Array> run_node(const ir::Operation& node, std::span<const ir::TensorType> types,
                                std::span<const ir::Array> inputs);

/// Runs a graph; one array a graph output.
std::vector<ir::Array> run_graph(const ir::Graph& graph, std::span<const ir::Array> inputs);

/// The error that a kernel's fault stands for.
[[noreturn]] void raise_fault(const ir::Operation& node, const backend::Fault& fault);

}  // namespace varve::runtime
