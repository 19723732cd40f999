// room: io
// ONNX files: models of other programs (opset 7 to 27) read, run, and made layers that train;
// models of Varve's written for other programs.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "varve/nn/layer.h"
#include "varve/tensor.h"

namespace varve::onnx {

/// An input or output of a model.
struct Port {
  std::string name;
  std::string type;  ///< "tensor(float32)[batch, 3, 224, 224]"
};

struct LayerOptions {
  /// Images come as Varve has them, [batch, height, width, channels], and are turned for a model
  /// that takes [batch, channels, height, width].
  bool channels_last = false;
  std::string name = {};
};

struct ModelOptions {
  /// What the plans of Model::run may take together, in bytes; the one that ran last is kept
  /// whatever it takes. 0: no plans, every run is node by node.
  int64_t plan_bytes = int64_t{1} << 30;
};

/// A model from an ONNX file. Copies share everything.
class Model {
 public:
  /// Throws IoError; FormatError, naming byte or node, for a damaged or hostile file (external data
  /// are read below the file's folder only); UnsupportedError that lists every node whose op is not
  /// read, with domain and opset.
  static Model load(std::string_view path, ModelOptions options = {});

  /// What a caller gives; inputs with a default in the file are left out.
  std::vector<Port> inputs() const;
  std::vector<Port> outputs() const;  ///< in the order of the file
  /// Computes the outputs by name: node by node the first time, and by a plan, as jit makes them,
  /// when inputs of the same names, types and shapes come again, unless what nodes do is random or
  /// depends on elements. Plans of at most 16 combinations are kept, those that came last. Runs of
  /// one combination by several threads wait for one another. Throws FormatError for inputs that
  /// are missing or not as the model says, IndexError for a name that it does not have,
  /// UnsupportedError where an output is no tensor.
  std::map<std::string, Tensor> run(const std::map<std::string, Tensor>& inputs) const;

  /// How many plans are kept now.
  int plans() const;

  /// The model as a layer: called on its inputs in order, it replays the graph as Varve's own
  /// operations, so it differentiates, compiles, trains and is saved like any other. Floating
  /// initializers are its variables, under their names; running statistics and scales of
  /// quantization are not trained, and what ops need to know beforehand (sizes of a resize) stays a
  /// constant. A model written for batches of one size takes others, too. Samples come first in
  /// every input and output, also where the file has the axis of that name elsewhere. Where the
  /// file states the sizes of a sample, the layer is built.
  ///
  /// Called with training = false it computes what the file says. While it is trained, nodes that
  /// were exported for inference do what they were made for, as the layers of the same names:
  /// Dropout drops by its ratio, and BatchNormalization uses the batch and moves its running
  /// statistics by its momentum, unless its scale or the whole layer is frozen. Statistics that
  /// the graph computes, and nodes in bodies of If, Loop and Scan that a trace records, stay as the
  /// file says.
  ///     varve::Model model(onnx::load("m.onnx").layer());
  Layer layer(LayerOptions options = {}) const;

  /// For Varve itself.
  struct State;
  explicit Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

/// Model::load.
Model load(std::string_view path, ModelOptions options = {});

/// Writes a built model in inference mode as an ONNX file: opset 17, IR version 8, weights inside
/// under their paths; inputs and outputs keep names and layout, and the batch is left open. Atomic.
/// Throws IoError; ValueError where the model was not built; UnsupportedError, naming the operation
/// and its place, for what ONNX cannot say (or where the file would have 2 GiB or more).
void save(const Layer& model, std::string_view path);

}  // namespace varve::onnx
