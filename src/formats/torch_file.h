// Files of PyTorch's torch.save: tensors by name. Both forms, the zip archive and the older row of
// pickles. A pickle is a program; only the instructions that build numbers, texts, lists, tuples,
// dicts and tensors are known, and nothing is ever run.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/file.h"

namespace varve::formats {

/// A file whose pickle has been read; tensors are copied out when asked for.
class TorchFile {
 public:
  struct Entry {
    std::string name;  ///< keys of the dicts it lies in, joined by dots: "state_dict.conv1.weight"
    DType dtype = DType::f32;
    Shape shape;
  };
  /// Throws IoError; FormatError for damage, and for anything but tensors in dicts and lists.
  static TorchFile open(const std::string& path);
  explicit TorchFile(Source source);
  ~TorchFile();
  TorchFile(TorchFile&&) noexcept;

  const std::vector<Entry>& tensors() const;
  const std::string& name() const;
  /// The elements of tensor number `i`, row-major.
  Array read(size_t i) const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace varve::formats
