// Which axis of an input or output counts the samples, and the samples that a file states.
#pragma once
#include <map>
#include <string>

#include "io/onnx/program.h"
#include "ir/node.h"

namespace varve::io::onnx {

/// The name under which the file leaves the number of samples open, "" where it has none: one that
/// is the first axis of an input, and stands in all of them if there is such.
std::string batch_name(const Program& program);

/// The axis of a value that counts the samples: the one of that name, else the first.
int batch_axis(const formats::onnx::ValueInfo& info, const std::string& batch);

/// The inputs for any batch as a layer takes them, the batch in front of all; `named` gives sizes
/// that the file leaves open under a name. Throws UnsupportedError for sizes that stay open, and
/// for inputs without a batch, which no layer has.
ir::Types samples_of(const Program& program, bool channels_last,
                     const std::map<std::string, int64_t>& named = {});

}  // namespace varve::io::onnx
