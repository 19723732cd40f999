// One replay of a program.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "io/onnx/program.h"

namespace varve::io::onnx {

class Run {
 public:
  Run(const Program& program, const Program::Options& options)
      : program_(program),
        options_(options),
        allowed_(options.elements),
        iterations_(options.iterations) {}

  /// How many elements a tensor may have: options.elements, or 64 times as many as the caller's
  /// largest input, or a sixteenth of options.elements for each sample of his batch. A large batch
  /// is no hostile size.
  int64_t allowed() const { return allowed_; }
  /// Takes an input of the caller's into account; `batched`: its first size is the batch.
  void allow(const Shape& input, bool batched);
  /// Takes `count` iterations of that weight; false where fewer are left.
  bool spend(int64_t count, int64_t each);
  int64_t iterations_left() const { return iterations_; }

  /// What names mean where a node stands.
  struct Frame {
    std::unordered_map<std::string, Value> values;
    const Frame* outer = nullptr;  ///< of the graph around; null in functions
    const std::vector<Node>* nodes = nullptr;
    /// Attributes of the call of a function, which its nodes refer to; null outside functions.
    const std::unordered_map<std::string, const Attribute*>* bound = nullptr;
  };

  /// Replays nodes; `frame` holds their inputs.
  Values nodes(const std::vector<Node>& nodes, const std::vector<std::string>& outputs,
               Frame& frame);
  /// Replays a graph in an attribute of the node that runs now; `structured`: as the body of an
  /// operation of Varve's own, which is traced.
  Values body(const Graph& graph, Values inputs, bool structured);
  /// A value that nodes before `index` of the graph that runs now gave, computed again.
  Value recompute(const std::string& name, const std::vector<std::pair<std::string, Value>>& given,
                  int64_t index);
  /// What an attribute stands for; null where the function's caller left it out.
  const Attribute* resolve(const Attribute& attribute) const;
  const Program::Options& options() const { return options_; }
  /// Null where nodes compute what the file says; so they do in bodies that are traced, whose
  /// values cannot leave them as new statistics.
  Training* training() const { return structured_ ? nullptr : options_.training; }

 private:
  Values step(const Steps::Step& step, Frame& frame);
  Values function(const Steps::Step& step, Values inputs, const Frame& frame);
  const Value* find(const std::string& name, const Frame& frame) const;
  const Program& program_;
  const Program::Options& options_;
  int64_t allowed_, iterations_;
  const Frame* current_ = nullptr;
  /// Whether the node that runs now, or a node of a graph inside it, has read what is batched.
  bool read_batch_ = false;
  bool structured_ = false;
};

}  // namespace varve::io::onnx
