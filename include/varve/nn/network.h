// room: nn
// Networks: layers in a sequence, or between inputs and outputs. Model and Sequential are these
// with training on top.
#pragma once
#include <string>
#include <vector>

#include "varve/nn/layer.h"

namespace varve::nn {

/// One layer after another. Parts are named by their own name or by type and number: "dense_1". A
/// leading nn::Input fixes the shape of a sample, and the layers are built at once.
Layer sequential(std::vector<Layer> layers, Where where = Where::here());
/// Appends a layer. Throws ValueError where the layer is no sequence.
void append(Layer& sequence, const Layer& layer);

/// The computation that was recorded from inputs (of nn::Input, or any tensors computed from them)
/// to outputs, as a layer. Calls of layers are replayed as calls, operations between them with
/// their attributes, at each batch size. A layer that was called twice is one part with one set of
/// weights. Throws ValueError where an output does not come from an nn::Input, or from one that is
/// not among the inputs; ShapeError, naming the line, for an operation whose sizes other than the
/// first change with the batch; ValueError for one that holds the batch size as a number.
Layer functional(const Tensors& inputs, const Tensors& outputs, Where where = Where::here());

/// A type with the batch left open: its size is -1.
struct OpenType {
  DType dtype = f32;
  Shape shape;
};
/// What a built model takes and gives, by name. The name of an output is that of the layer which
/// makes it (`digit`), made different by a number where one layer makes several.
struct Port {
  std::string name;
  OpenType type;
};
std::vector<Port> inputs_of(const Layer& model);   ///< in the order of a call
std::vector<Port> outputs_of(const Layer& model);  ///< in the order of a call

/// One call of a layer inside a model.
struct LayerCall {
  std::string path;               ///< "encoder.dense_1"; inputs have their own name
  std::string type;               ///< "dense", "input"
  int depth = 0;                  ///< parts of parts lie deeper
  Layer layer;                    ///< not for inputs
  std::vector<int> from;          ///< rows of this list that its inputs come from, same depth
  std::vector<OpenType> outputs;  ///< types of what it gives
  int64_t parameters = 0;         ///< of the layer with its parts, shared ones counted at each call
  int64_t trainable = 0;
  double flops = 0;  ///< a sample's, forward
};
/// Every call of a layer in a model that was built, parts before the layer that they belong to.
/// Needs: built for samples of known shape (ValueError).
std::vector<LayerCall> describe(const Layer& model);

}  // namespace varve::nn
