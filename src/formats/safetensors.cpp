#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/math.h"
#include "formats/json_reader.h"
#include "formats/kind.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

struct TypeInfo {
  std::string_view name;
  int bits;
  std::optional<DType> dtype;
};
const std::array<TypeInfo, 22> kTypes{
    {{"BOOL", 8, DType::bool_}, {"F4", 4, {}},           {"F6_E2M3", 6, {}},
     {"F6_E3M2", 6, {}},        {"U8", 8, DType::u8},    {"I8", 8, DType::i8},
     {"F8_E5M2", 8, {}},        {"F8_E4M3", 8, {}},      {"F8_E8M0", 8, {}},
     {"F8_E4M3FNUZ", 8, {}},    {"F8_E5M2FNUZ", 8, {}},  {"I16", 16, DType::i16},
     {"U16", 16, DType::u16},   {"F16", 16, DType::f16}, {"BF16", 16, DType::bf16},
     {"I32", 32, DType::i32},   {"U32", 32, DType::u32}, {"F32", 32, DType::f32},
     {"C64", 64, DType::f32},   {"F64", 64, DType::f64}, {"I64", 64, DType::i64},
     {"U64", 64, DType::u64}}};
constexpr std::string_view kComplex = "C64";
constexpr int64_t kLengthBytes = 8;

const TypeInfo* find_type(std::string_view name) {
  const auto found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeInfo& t) { return t.name == name; });
  return found == kTypes.end() ? nullptr : &*found;
}

std::string dims_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.dims(), ","));
}

// Reads the JSON of one header into entries; what each may hold is checked here, how they lie
// beside each other by the file.
class HeaderReader {
 public:
  using Entry = SafetensorsFile::Entry;
  HeaderReader(const Source& source, std::string_view text, int64_t data_size)
      : source_(source), json_(source, "header: ", text), data_size_(data_size) {}

  void read(std::vector<Entry>& tensors, std::map<std::string, std::string>& metadata) {
    if (const JsonKind kind = json_.peek(); kind != JsonKind::object) {
      json_.skip();  // what is no JSON at all is said first
      source_.fail(fmt::format("header: expected an object, got {}", name_of(kind)));
    }
    if (json_.position() != 0) source_.fail("header: expected '{' at byte 0");
    json_.begin_object();
    std::string name;
    int64_t position = 0, metadata_position = -1;
    std::unordered_map<std::string, int64_t> positions;
    while (json_.next_member(name, position)) {
      if (name == "__metadata__") {
        if (metadata_position >= 0) {
          json_.fail_twice("__metadata__", metadata_position, position);
        }
        metadata_position = position;
        read_metadata(metadata);
        continue;
      }
      const auto [first, added] = positions.emplace(name, position);
      if (!added) json_.fail_twice("tensor " + in_quotes(name), first->second, position);
      tensors.push_back(read_entry(name));
    }
    json_.end();
  }

 private:
  void expect(JsonKind kind, const std::string& where) {
    if (const JsonKind got = json_.peek(); got != kind) {
      source_.fail(fmt::format("{}: expected {}, got {}", where, name_of(kind), name_of(got)));
    }
  }

  void read_metadata(std::map<std::string, std::string>& metadata) {
    expect(JsonKind::object, "__metadata__");
    json_.begin_object();
    std::string key;
    int64_t position = 0;
    std::map<std::string, int64_t> positions;
    while (json_.next_member(key, position)) {
      const auto [first, added] = positions.emplace(key, position);
      if (!added) json_.fail_twice("__metadata__." + escaped(key), first->second, position);
      expect(JsonKind::string, "__metadata__." + escaped(key));
      metadata[key] = json_.string();
    }
  }

  // An integer >= 0 as the header writes it.
  int64_t read_size(const std::string& where) {
    const JsonKind kind = json_.peek();
    const std::string_view text = json_.skip();
    int64_t value = -1;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = kind == JsonKind::number && result.ptr == text.data() + text.size();
    if (!whole || (result.ec == std::errc() && value < 0) || text.front() == '-') {
      source_.fail(fmt::format("{}: expected integer >= 0, got {}", where, escaped(text)));
    }
    if (result.ec != std::errc()) {
      source_.fail(fmt::format("{}: expected integer < 2^63, got {}", where, escaped(text)));
    }
    return value;
  }

  Entry read_entry(const std::string& name) {
    const std::string where = "tensor " + in_quotes(name);
    expect(JsonKind::object, where);
    Entry entry;
    entry.name = name;
    std::array<int64_t, 3> seen{-1, -1, -1};
    std::string key;
    int64_t position = 0;
    json_.begin_object();
    while (json_.next_member(key, position)) {
      const auto field = std::find(kFields.begin(), kFields.end(), key);
      if (field == kFields.end()) {
        source_.fail(fmt::format("{}: unknown key {}; expected dtype, shape, data_offsets", where,
                                 in_quotes(key)));
      }
      int64_t& first = seen[static_cast<size_t>(field - kFields.begin())];
      if (first >= 0) json_.fail_twice(where + ": " + key, first, position);
      first = position;
      if (key == "dtype") {
        read_type(where, entry);
      } else if (key == "shape") {
        read_shape(where, entry);
      } else {
        read_offsets(where, entry);
      }
    }
    for (size_t i = 0; i < seen.size(); ++i) {
      if (seen[i] < 0) source_.fail(fmt::format("{}: {}: missing", where, kFields[i]));
    }
    check_entry(where, entry);
    return entry;
  }

  void read_type(const std::string& where, Entry& entry) {
    expect(JsonKind::string, where + ": dtype");
    entry.type = json_.string();
    const TypeInfo* type = find_type(entry.type);
    if (type == nullptr) {
      std::string names;
      for (const TypeInfo& t : kTypes) names += (names.empty() ? "" : ", ") + std::string(t.name);
      source_.fail(fmt::format("{}: dtype: expected one of {}, got {}", where, names,
                               in_quotes(entry.type)));
    }
    entry.dtype = type->dtype;
  }

  void read_shape(const std::string& where, Entry& entry) {
    expect(JsonKind::array, where + ": shape");
    std::vector<int64_t> dims;
    json_.begin_array();
    while (json_.next_element()) {
      dims.push_back(read_size(fmt::format("{}: shape[{}]", where, dims.size())));
    }
    entry.shape = Shape(std::move(dims));
  }

  void read_offsets(const std::string& where, Entry& entry) {
    expect(JsonKind::array, where + ": data_offsets");
    std::vector<int64_t> offsets;
    json_.begin_array();
    while (json_.next_element()) {
      offsets.push_back(read_size(fmt::format("{}: data_offsets[{}]", where, offsets.size())));
    }
    if (offsets.size() != 2) {
      source_.fail(
          fmt::format("{}: data_offsets: expected 2 numbers, got {}", where, offsets.size()));
    }
    entry.begin = offsets[0];
    entry.end = offsets[1];
  }

  void check_entry(const std::string& where, const Entry& entry) {
    int64_t bits = 0;
    if (!byte_count(find_type(entry.type)->bits, entry.shape.dims(), bits)) {
      source_.fail(
          fmt::format("{}: shape {}: element count overflows", where, dims_text(entry.shape)));
    }
    if (bits % 8 != 0) {
      source_.fail(
          fmt::format("{}: {}: {} bits are no whole bytes", where, entry.to_string(), bits));
    }
    if (entry.begin > entry.end) {
      source_.fail(
          fmt::format("{}: data_offsets: begin {} > end {}", where, entry.begin, entry.end));
    }
    if (entry.end - entry.begin != bits / 8) {
      source_.fail(fmt::format("{}: data_offsets: expected {} bytes for {}, got {}", where,
                               bits / 8, entry.to_string(), entry.end - entry.begin));
    }
    if (entry.end > data_size_) {
      source_.fail(fmt::format("{}: ends at {}, data section has {}", where, entry.end, data_size_),
                   "the file may be truncated: compare the checksum or download again");
    }
  }

  static constexpr std::array<std::string_view, 3> kFields{"dtype", "shape", "data_offsets"};
  const Source& source_;
  JsonReader json_;
  int64_t data_size_;
};

int64_t read_header_length(const Source& source) {
  const auto fail = [&](const std::string& detail) {
    fail_kind(source, "a safetensors file", {FileKind::safetensors}, detail);
  };
  if (source.size() < kLengthBytes) {
    fail(fmt::format("file too short: expected at least {} bytes, got {}", kLengthBytes,
                     source.size()));
  }
  uint64_t length = 0;
  source.read(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > static_cast<uint64_t>(kMaxSafetensorsHeader)) {
    const bool text = kind_of(source) == FileKind::text;  // no length at all
    fail(text ? ""
              : fmt::format("header length: expected <= {}, got {} (not a safetensors file?)",
                            kMaxSafetensorsHeader, length));
  }
  const FileKind kind = kind_of(source);
  if (kind != FileKind::safetensors && kind != FileKind::unknown) fail("");
  const auto header = static_cast<int64_t>(length);
  if (header > source.size() - kLengthBytes) {
    source.fail(fmt::format("header: expected {} bytes, file has {}; truncated?", header,
                            source.size() - kLengthBytes),
                "compare the checksum or download again");
  }
  return header;
}

// The tensors in order of their bytes must fill the data section without gap or overlap.
void check_layout(const Source& source, const std::vector<SafetensorsFile::Entry>& tensors,
                  int64_t data_begin) {
  int64_t end = 0;
  const SafetensorsFile::Entry* before = nullptr;
  for (const auto& entry : tensors) {
    if (entry.begin < end) {
      source.fail(fmt::format("tensors {} and {} overlap at [{},{})", in_quotes(before->name),
                              in_quotes(entry.name), entry.begin, std::min(end, entry.end)));
    }
    if (entry.begin > end) {
      source.fail(fmt::format("unused bytes [{},{}) before tensor {}", end, entry.begin,
                              in_quotes(entry.name)));
    }
    end = entry.end;
    before = &entry;
  }
  if (data_begin + end != source.size()) {
    source.fail(
        fmt::format("end of file: expected {} bytes, got {}", data_begin + end, source.size()));
  }
}

}  // namespace

std::string SafetensorsFile::Entry::to_string() const { return type + dims_text(shape); }

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  return SafetensorsFile(Source::open(path));
}

SafetensorsFile::SafetensorsFile(Source source) : source_(std::move(source)) {
  const int64_t length = read_header_length(source_);
  const Buffer header = source_.read(kLengthBytes, length);
  data_begin_ = kLengthBytes + length;
  HeaderReader(source_, header.text(), source_.size() - data_begin_).read(tensors_, metadata_);
  std::sort(tensors_.begin(), tensors_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_layout(source_, tensors_, data_begin_);
  source_.check_unchanged();
  for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const SafetensorsFile::Entry* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

Array SafetensorsFile::read(const Entry& entry) const {
  const std::string where = "tensor " + in_quotes(entry.name);
  if (!entry.dtype) {
    source_.fail(fmt::format("{}: dtype {} not supported for training", where, entry.type));
  }
  std::vector<int64_t> dims = entry.shape.dims();
  if (entry.type == kComplex) dims.push_back(2);
  Array array(*entry.dtype, Shape(std::move(dims)), source_.name() + ": " + where);
  check(array.bytes.size() == entry.end - entry.begin, "the entry is one of this file");
  source_.read(data_begin_ + entry.begin, array.bytes.span());
  source_.check_unchanged();
  if (entry.dtype == DType::bool_) {
    if (const int64_t bad = first_non_bool(array.bytes.span()); bad >= 0) {
      source_.fail(fmt::format("{}: element {}: expected 0 or 1, got {}", where, bad,
                               std::to_integer<int>(array.bytes.data()[bad])));
    }
  }
  return array;
}

}  // namespace varve::formats
