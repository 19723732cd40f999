// The safetensors container: an 8-byte length, a JSON header, the tensors' bytes.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/file.h"

namespace varve::formats {

inline constexpr int64_t kMaxSafetensorsHeader = 100'000'000;

/// A file whose header has been read and checked; tensors are read when asked for, with pread.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    /// The file's own name of the type: "F32", "F8_E4M3".
    std::string type;
    Shape shape;
    /// Within the data section.
    int64_t begin = 0, end = 0;
    /// Empty for types that Varve does not compute with (8 bits and fewer of floating point).
    std::optional<DType> dtype;
    /// "F32[1000,1000]", as messages show it.
    std::string to_string() const;
  };

  /// Throws IoError; FormatError for everything that the format forbids: overlaps, gaps, trailing
  /// bytes, duplicate names, unknown keys and types.
  static SafetensorsFile open(const std::string& path);
  explicit SafetensorsFile(Source source);

  /// In the order of their bytes.
  const std::vector<Entry>& tensors() const { return tensors_; }
  /// Null where there is none of that name.
  const Entry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The path as messages show it.
  const std::string& name() const { return source_.name(); }

  /// The elements of one tensor. C64 gives f32 with a last axis of 2. Throws FormatError
  /// `tensor "w": dtype F8_E4M3 not supported for training`, IoError where the file has changed.
  Array read(const Entry& entry) const;

 private:
  Source source_;
  std::vector<Entry> tensors_;
  std::unordered_map<std::string_view, size_t> index_;
  std::map<std::string, std::string> metadata_;
  int64_t data_begin_ = 0;
};

/// A tensor to write: a view of its bytes, row-major.
struct NamedBytes {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Writes atomically: widest types first and then by name, as the reference implementation does, so
/// that every tensor is aligned; the header is padded with spaces to 8 bytes. `kept`: see
/// AtomicFile. Throws IoError; ValueError for names that repeat, are "__metadata__" or no UTF-8,
/// ShapeError where the bytes do not fit the shape.
void write_safetensors(const std::string& path, std::vector<NamedBytes> tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       const std::string& kept = "previous file");

}  // namespace varve::formats
