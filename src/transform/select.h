// Selection: how every value of a grouped graph lies in memory, and with that which kernels run,
// so that the predicted time of the whole graph is least.
//   conv -> relu -> filter gradient   ->   the gradient's kernel is faster on blocks of channels:
//   conv writes them, relu keeps them, or they are made once for all who want them
#pragma once
#include <vector>

#include "ir/format.h"
#include "ir/graph.h"

namespace varve::transform {

/// One way to run a node: the formats of what it reads and writes, and the predicted time.
struct Candidate {
  std::vector<ir::Format> inputs, outputs;
  double seconds = 0;
};

/// What a backend tells of its kernels: a pure function of op, shapes, instruction set and threads.
class Target {
 public:
  virtual ~Target() = default;
  /// The ways to run a node, all plain the first.
  virtual std::vector<Candidate> candidates(const ir::Graph& graph, int32_t node) const = 0;
  /// The time to change how a value lies.
  virtual double relay_seconds(const ir::TensorType& type, ir::Format from,
                               ir::Format to) const = 0;
};

/// A candidate for every node, by node number: those of the least sum of their times and of the
/// changes of format between them, each made once for all its readers. Inputs, constants and what
/// the graph returns are plain. The sum is minimized exactly, by eliminating one unknown after the
/// other (Bertele and Brioschi, Nonserial Dynamic Programming, 1972), as long as no table of costs
/// outgrows `kLargestTable`; where one would, the node or value that most others depend on stays
/// plain.
std::vector<Candidate> select(const ir::Graph& graph, const Target& target);

constexpr size_t kLargestTable = 1 << 16;

}  // namespace varve::transform
