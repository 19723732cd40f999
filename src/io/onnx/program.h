// A model that can be replayed: every node is a call of Varve's own functions, so what comes out is
// an ordinary graph.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "io/onnx/call.h"
#include "io/onnx/table.h"
#include "io/onnx/value.h"
#include "varve/tensor.h"

namespace varve::io::onnx {

/// Nodes in their order, with what replaying needs.
struct Steps {
  struct Step {
    const Node* node;
    int64_t index;
    const Row* row;  ///< null: a function of the model's own
    const formats::onnx::Function* function = nullptr;
    int64_t version;
    std::vector<std::string> last_used;  ///< names that nothing after it reads
  };
  std::vector<Step> steps;
  std::unordered_map<std::string, Value> constants;  ///< initializers
};

class Program {
 public:
  /// Throws UnsupportedError with every node that cannot be replayed, by name, domain and opset.
  explicit Program(formats::onnx::Model model);
  Program(const Program&) = delete;  // steps point into the model
  Program& operator=(const Program&) = delete;

  const formats::onnx::Model& model() const { return model_; }
  /// The inputs that a caller gives: those without an initializer of their name come first, the
  /// others may be left out.
  std::vector<const formats::onnx::ValueInfo*> inputs() const;
  bool has_default(const std::string& input) const;

  /// Initializers that may be trained: floating, and read by no op on the host.
  struct Weight {
    const TensorData* data;
    bool trainable;  ///< running statistics and scales of quantization are not
  };
  const std::vector<Weight>& weights() const { return weights_; }

  struct Options {
    /// In place of initializers of these names.
    std::map<std::string, Value> weights = {};
    /// Where the model was written for a fixed batch: that batch, and the one that it runs at.
    int64_t declared_batch = 0, batch = 0;
    /// Null: all nodes compute what the file says.
    Training* training = nullptr;
    /// Whether a trace is run again in place of the nodes: then it may hold nothing random, and no
    /// loop whose end the data decide, for its iterations are not counted.
    bool replayed = false;
    /// What a file may ask for: elements of one tensor where the caller's inputs are small
    /// (Run::allowed), and iterations of all loops together.
    int64_t elements = kMaxElements, iterations = int64_t{1} << 30;
  };
  /// The outputs in their order. Throws FormatError for inputs that are missing or of another type
  /// or shape than the model says.
  Values run(const std::map<std::string, Value>& inputs, const Options& options) const;
  Values run(const std::map<std::string, Value>& inputs) const { return run(inputs, Options{}); }

  const Steps& steps(const void* owner) const { return prepared_.at(owner); }

 private:
  void prepare(const std::vector<Node>& nodes, const Graph* graph,
               const std::vector<std::string>& outputs, const formats::onnx::Opsets& opsets,
               std::vector<std::string>& unsupported);
  void find_weights();
  formats::onnx::Model model_;
  std::unordered_map<const void*, Steps> prepared_;  ///< by the address of the list of nodes
  /// By domain, name and overload.
  std::map<std::tuple<std::string, std::string, std::string>, const formats::onnx::Function*>
      functions_;
  std::set<const formats::onnx::Function*> seen_;
  std::vector<Weight> weights_;
};

}  // namespace varve::io::onnx
