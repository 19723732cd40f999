// room: io
// Weights in safetensors files, by name.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "varve/nn/layer.h"
#include "varve/tensor.h"

namespace varve {

struct LoadOptions {
  /// Load what fits and leave the rest as it is.
  bool partial = false;
  /// Tensors that the model does not know are no fault.
  bool ignore_unexpected = false;
  /// NaN or infinity in the file is a FormatError; else a warning counts the tensors that hold it.
  bool require_finite = false;
};

/// How a file and a model differ.
struct LoadReport {
  std::vector<std::string> missing;     ///< `model expects "fc1.kernel" F32[784,128]: not in file`
  std::vector<std::string> unexpected;  ///< `file has "fc3.kernel" F32[10,10]: not in the model`
  std::vector<std::string> different;   ///< `"fc1.kernel": model F32[784,128], file F32[784,256]`
  std::vector<std::string> not_finite;  ///< `tensor "fc1.kernel": nan at [3, 7]`, one a tensor
  /// Whether all fits.
  bool complete() const { return missing.empty() && unexpected.empty() && different.empty(); }
  /// All of it, at most ten lines of each kind.
  std::string to_string() const;
};

/// Writes the variables under their paths. Atomic; each tensor's CRC-32 stands in the metadata.
/// Throws IoError.
void save_weights(std::string_view path, const std::vector<NamedVariable>& variables,
                  const std::map<std::string, std::string>& metadata = {});

/// Reads variables by their paths from any safetensors file. Floating types convert into each other
/// (f16 and bf16 files load into f32). Unless all fits, or `partial` is set, nothing is changed and
/// FormatError lists what is missing, unexpected and different. Throws IoError, FormatError.
LoadReport load_weights(std::string_view path, const std::vector<NamedVariable>& variables,
                        LoadOptions options = {});

}  // namespace varve
