#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/math.h"
#include "formats/atomic_file.h"
#include "formats/safetensors.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

const char* type_name(DType dtype) {
  switch (dtype) {
    case DType::bool_:
      return "BOOL";
    case DType::u8:
      return "U8";
    case DType::i8:
      return "I8";
    case DType::u16:
      return "U16";
    case DType::i16:
      return "I16";
    case DType::u32:
      return "U32";
    case DType::i32:
      return "I32";
    case DType::u64:
      return "U64";
    case DType::i64:
      return "I64";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::f32:
      return "F32";
    case DType::f64:
      return "F64";
  }
  throw InternalError("unknown dtype");
}

// The reference implementation's order of types, from last to first.
int rank_of(DType dtype) {
  constexpr std::array kOrder{DType::u64, DType::i64,  DType::f64,  DType::f32, DType::u32,
                              DType::i32, DType::bf16, DType::f16,  DType::u16, DType::i16,
                              DType::i8,  DType::u8,   DType::bool_};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), dtype) - kOrder.begin());
}

void check_text(const char* what, const std::string& text) {
  if (first_invalid_utf8(text) >= 0) {
    throw ValueError(
        fmt::format("write_safetensors: {} {}: expected UTF-8", what, in_quotes(text)));
  }
}

void check_tensors(const std::vector<NamedBytes>& sorted) {
  std::vector<std::string_view> names;
  for (const NamedBytes& tensor : sorted) {
    check_text("tensor name", tensor.name);
    if (tensor.name == "__metadata__") {
      throw ValueError("write_safetensors: a tensor cannot be named \"__metadata__\"");
    }
    const int64_t expected = byte_count(tensor.dtype, tensor.shape);
    if (expected != static_cast<int64_t>(tensor.bytes.size())) {
      throw ShapeError(
          fmt::format("write_safetensors: tensor {}: expected {} bytes for {} {}, got {}",
                      in_quotes(tensor.name), expected, name_of(tensor.dtype),
                      tensor.shape.to_string(), tensor.bytes.size()));
    }
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    throw ValueError("write_safetensors: tensor " + in_quotes(*twice) + " given twice");
  }
}

std::string make_header(const std::vector<NamedBytes>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      check_text("metadata key", key);
      check_text(("metadata " + key).c_str(), value);
      if (header.back() != '{') header += ',';
      header += json_quoted(key) + ':' + json_quoted(value);
    }
    header += '}';
  }
  int64_t offset = 0;
  for (const NamedBytes& tensor : tensors) {
    const int64_t end = offset + static_cast<int64_t>(tensor.bytes.size());
    if (header.size() > 1) header += ',';
    header += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          json_quoted(tensor.name), type_name(tensor.dtype),
                          fmt::join(tensor.shape.dims(), ","), offset, end);
    offset = end;
  }
  header += '}';
  header.resize(static_cast<size_t>(round_up(static_cast<int64_t>(header.size()), 8)), ' ');
  if (static_cast<int64_t>(header.size()) > kMaxSafetensorsHeader) {
    throw ValueError(fmt::format("write_safetensors: header: expected at most {} bytes, got {}",
                                 kMaxSafetensorsHeader, header.size()));
  }
  return header;
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<NamedBytes> tensors,
                       const std::map<std::string, std::string>& metadata,
                       const std::string& kept) {
  std::sort(tensors.begin(), tensors.end(), [](const NamedBytes& a, const NamedBytes& b) {
    const int ra = rank_of(a.dtype), rb = rank_of(b.dtype);
    return ra != rb ? ra < rb : a.name < b.name;
  });
  check_tensors(tensors);
  const std::string header = make_header(tensors, metadata);
  const uint64_t length = header.size();
  int64_t total = 8 + static_cast<int64_t>(length);
  for (const NamedBytes& tensor : tensors) total += static_cast<int64_t>(tensor.bytes.size());
  AtomicFile file(path, total, kept);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::string_view(header));
  for (const NamedBytes& tensor : tensors) file.write(tensor.bytes);
  file.commit();
}

}  // namespace varve::formats
