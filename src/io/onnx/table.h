// The table of ONNX operators: one row for each that is read.
//
// How to add one: in the file of its family write a function `Values name(Call& c)` that takes
// inputs and attributes from the call (call.h has all there is), calls Varve's own functions on the
// tensors and returns the outputs; then a row in the family's list below it. Where versions differ,
// either ask c.version() in the function or write two rows (`since`; the highest that is not above
// the model's opset counts). What must be known while a trace records (a shape, axes) is read by
// c.ints(i): name such inputs in the row's `host`. A new family: its `..._rows()` here and in
// table.cpp. tests/io runs the conformance suite over all of them.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "io/onnx/value.h"

namespace varve::io::onnx {

class Call;
using Operator = Values (*)(Call& call);

inline constexpr uint32_t input_bit(int i) { return 1u << i; }
inline constexpr const char* kMl = "ai.onnx.ml";
inline constexpr const char* kTraining = "ai.onnx.preview.training";
inline constexpr const char* kPreview = "ai.onnx.preview";

struct Row {
  const char* name;
  int since;  ///< the first opset that has it so
  Operator function;
  /// Bits of the inputs whose elements are read on the host: weights there stay constants.
  uint32_t host = 0;
  /// The first output has the ONNX type of the first input (float8, int4), whose elements it moves.
  bool keeps_type = false;
  int until = 0;  ///< the last opset that has it; 0: none
  const char* domain = "";
  bool random = false;  ///< draws anew each time, however well its inputs are known
};

/// The row of an operator at an opset of its domain; null where there is none.
const Row* find_row(std::string_view domain, std::string_view name, int64_t opset);
/// All of them, family by family.
std::vector<std::span<const Row>> all_rows();

std::span<const Row> math_rows();
std::span<const Row> logic_rows();
std::span<const Row> activation_rows();
std::span<const Row> cast_rows();
std::span<const Row> constant_rows();
std::span<const Row> shape_rows();
std::span<const Row> index_rows();
std::span<const Row> reduce_rows();
std::span<const Row> convolution_rows();
std::span<const Row> normalization_rows();
std::span<const Row> quantize_rows();
std::span<const Row> recurrent_rows();
std::span<const Row> pooling_rows();
std::span<const Row> image_rows();
std::span<const Row> attention_rows();
std::span<const Row> loss_rows();
std::span<const Row> sequence_rows();
std::span<const Row> training_rows();
std::span<const Row> text_rows();
std::span<const Row> signal_rows();
std::span<const Row> control_rows();

}  // namespace varve::io::onnx
