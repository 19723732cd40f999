// Safetensors files of tensors with checksums: what models, weights and checkpoints are stored as.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "nn/config.h"
#include "varve/tensor.h"
#include "varve/weights.h"

namespace varve::io {

/// Versions of what Varve writes; a reader takes its own and older ones.
inline constexpr int64_t kFormatVersion = 1;
inline constexpr const char* kVersionKey = "varve.format_version";
inline constexpr const char* kKindKey = "varve.kind";  // "model", "weights" or "checkpoint"
inline constexpr const char* kChecksumsKey = "varve.checksums";
inline constexpr const char* kHeaderKey = "varve.header_checksum";  // of all the rest of the header

/// "F32[128,784]", as safetensors writes types.
std::string type_text(DType dtype, const Shape& shape);

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Writes atomically, with format version, kind and checksums. `kept`: what a full disk's message
/// says is still there. Throws IoError.
void write_tensors(const std::string& path, const char* kind,
                   const std::vector<NamedTensor>& tensors,
                   std::map<std::string, std::string> metadata,
                   const std::string& kept = "previous file");

class TensorFile {
 public:
  /// Throws IoError, FormatError; also where the file is of a newer format version, or Varve's own
  /// with a damaged header.
  explicit TensorFile(const std::string& path);

  const formats::SafetensorsFile& file() const { return file_; }
  /// Empty where there is none.
  std::string metadata(const std::string& key) const;
  /// FormatError where the file is of another kind.
  void require_kind(const char* kind) const;
  /// A metadata value as JSON. Throws FormatError, naming the key.
  config::Json json(const std::string& key) const;
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  /// The elements, checked against the checksum where there is one: FormatError `tensor "w":
  /// checksum: expected 1a2b3c4d, got 00000000`.
  Tensor read(const std::string& name) const;
  [[noreturn]] void fail(const std::string& what, const std::string& hint = {}) const;

 private:
  void check_version() const;
  void check_header() const;

  formats::SafetensorsFile file_;
  std::map<std::string, std::string> checksums_;
};

/// Reads the variables whose names are prefix + path; see load_weights. With a prefix, tensors
/// without it are not unexpected.
LoadReport load_variables(const TensorFile& file, const std::string& prefix,
                          const std::vector<NamedVariable>& variables, LoadOptions options);

}  // namespace varve::io
