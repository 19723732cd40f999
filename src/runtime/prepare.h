// From a node and the layouts of its inputs to a prepared kernel; shared by evaluation and plans.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

using backend::packed;

struct Prepared {
  std::unique_ptr<backend::Kernel> kernel;
  const char* name = "";
  std::vector<bool> pack;  ///< inputs to be copied to row-major order first
  std::vector<std::string> declined;
};

/// The best kernel for a node: a backend's for the strides as they are, else a backend's for packed
/// inputs, else the reference. `kernel` is null where only a decomposition helps.
Prepared prepare(const ir::Operation& node, std::span<const backend::Layout> inputs,
                 std::span<const backend::Layout> outputs, backend::KernelSet set, int threads);

/// The kernel that copies one layout to another of the same type and shape.
std::unique_ptr<backend::Kernel> prepare_copy(const backend::Layout& from,
                                              const backend::Layout& to, backend::KernelSet set,
                                              int threads);
/// UnsupportedError that says which kernels declined and why.
[[noreturn]] void no_kernel(const ir::Operation& node, const std::vector<std::string>& declined);

}  // namespace varve::runtime
