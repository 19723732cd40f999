#include "io/onnx/table.h"

namespace varve::io::onnx {

std::vector<std::span<const Row>> all_rows() {
  return {
      math_rows(),        logic_rows(),         activation_rows(), cast_rows(),
      constant_rows(),    shape_rows(),         index_rows(),      reduce_rows(),
      convolution_rows(), normalization_rows(), quantize_rows(),   recurrent_rows(),
      pooling_rows(),     image_rows(),         attention_rows(),  loss_rows(),
      sequence_rows(),    training_rows(),      text_rows(),       signal_rows(),
      control_rows(),
  };
}

const Row* find_row(std::string_view domain, std::string_view name, int64_t opset) {
  const Row* best = nullptr;
  for (const auto& rows : all_rows()) {
    for (const Row& row : rows) {
      if (row.name != name || row.domain != domain || row.since > opset) continue;
      if (!best || row.since > best->since) best = &row;
    }
  }
  return best && best->until && best->until < opset ? nullptr : best;
}

}  // namespace varve::io::onnx
