#include "nn/batch.h"

#include "base/any_batch.h"

namespace varve::nn {

int64_t at_batch(int64_t size, int64_t batch) {
  const int64_t batches = batches_in(size);
  return batches ? batches * batch : size;
}

Shape at_batch(const Shape& shape, int64_t batch) {
  std::vector<int64_t> dims = shape.dims();
  for (int64_t& d : dims) d = at_batch(d, batch);
  return Shape(std::move(dims));
}

ir::TensorType at_batch(const ir::TensorType& type, int64_t batch) {
  return {type.dtype, at_batch(type.shape, batch)};
}

namespace {

ir::Graph at_batch(const ir::Graph& graph, int64_t batch) {
  ir::Graph out = graph;
  for (ir::GraphNode& node : out.nodes) {
    node.attributes = nn::at_batch(node.attributes, batch);
    for (ir::TensorType& t : node.outputs) t = nn::at_batch(t, batch);
  }
  return out;
}

}  // namespace

ir::Attributes at_batch(const ir::Attributes& attributes, int64_t batch) {
  ir::Attributes out = attributes;
  for (const auto& [name, value] : attributes) {
    if (const auto* size = std::get_if<int64_t>(&value)) {
      out.set(name, at_batch(*size, batch));
    } else if (const auto* sizes = std::get_if<ir::Ints>(&value)) {
      ir::Ints list = *sizes;
      for (int64_t& s : list) s = at_batch(s, batch);
      out.set(name, std::move(list));
    } else if (const auto* body = std::get_if<ir::GraphRef>(&value)) {
      out.set(name, std::make_shared<const ir::Graph>(at_batch(**body, batch)));
    }
  }
  return out;
}

}  // namespace varve::nn
