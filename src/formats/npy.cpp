#include "formats/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/math.h"
#include "formats/atomic_file.h"
#include "formats/kind.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr int64_t kMaxHeader = 10'000;

struct TypeCode {
  std::string_view code;  // without the byte order
  DType dtype;
  bool complex = false;
};
constexpr TypeCode kTypes[]{{"b1", DType::bool_},     {"u1", DType::u8},        {"i1", DType::i8},
                            {"u2", DType::u16},       {"i2", DType::i16},       {"u4", DType::u32},
                            {"i4", DType::i32},       {"u8", DType::u64},       {"i8", DType::i64},
                            {"f2", DType::f16},       {"f4", DType::f32},       {"f8", DType::f64},
                            {"c8", DType::f32, true}, {"c16", DType::f64, true}};

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran;
  std::optional<std::vector<int64_t>> shape;
};

// The header is a Python dictionary; only the three keys it has, and only literals, are grammar
// here. Nothing is ever evaluated.
class HeaderParser {
 public:
  HeaderParser(const Source& source, std::string_view text) : source_(source), text_(text) {}

  Header run() {
    expect('{');
    while (!accept('}')) {
      const size_t at = begin_token();
      const std::string key = string("a key in quotes");
      expect(':');
      if (key == "descr") {
        check_once(at, key, header_.descr.has_value());
        header_.descr = read_descr();
      } else if (key == "fortran_order") {
        check_once(at, key, header_.fortran.has_value());
        header_.fortran = boolean();
      } else if (key == "shape") {
        check_once(at, key, header_.shape.has_value());
        header_.shape = tuple();
      } else {
        at_ = at;
        fail("'descr', 'fortran_order' or 'shape'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ + 1 != text_.size() || text_[at_] != '\n') fail("blanks and a newline at the end");
    if (!header_.descr) source_.fail("header: 'descr' is missing");
    if (!header_.fortran) source_.fail("header: 'fortran_order' is missing");
    if (!header_.shape) source_.fail("header: 'shape' is missing");
    return header_;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    const std::string_view rest = text_.substr(at_, 10);
    source_.fail(fmt::format("header byte {}: expected {}, got {}", at_, expected,
                             rest.empty() ? "the end" : in_quotes(rest)));
  }
  void check_once(size_t at, const std::string& key, bool seen) {
    if (seen) source_.fail(fmt::format("header byte {}: '{}' is given twice", at, key));
  }
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  size_t begin_token() {
    skip_space();
    return at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("'") + c + "'");
  }

  std::string string(const char* what) {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail(what);
    const size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) fail("a closing quote");
    std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return out;
  }

  std::string read_descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      source_.fail("descr: structured types are not supported");
    }
    return string("a type in quotes");
  }

  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail("True or False");
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> dims;
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t dim = -1;
      const char* end = text_.data() + text_.size();
      const auto result = std::from_chars(text_.data() + at_, end, dim);
      if (result.ec != std::errc() || dim < 0) fail("an integer >= 0");
      at_ = static_cast<size_t>(result.ptr - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // written by Python 2
      dims.push_back(dim);
      if (!accept(',')) {
        if (dims.size() == 1) fail("','");  // (3) is a number, (3,) a tuple
        expect(')');
        break;
      }
    }
    return dims;
  }

  const Source& source_;
  std::string_view text_;
  size_t at_ = 0;
  Header header_;
};

struct Type {
  TypeCode code;
  bool big_endian;
};

Type parse_type(const Source& source, const std::string& descr) {
  const std::string_view text = descr;
  const char order = text.empty() ? '\0' : text[0];
  const std::string_view code = text.substr(std::min<size_t>(1, text.size()));
  if (code.starts_with("O") || text.starts_with("O")) {
    source.fail("descr: object arrays (pickle) are never loaded");
  }
  for (const TypeCode& type : kTypes) {
    if (type.code != code || std::string_view("<>|=").find(order) == std::string_view::npos)
      continue;
    const bool one_byte = size_of(type.dtype) == 1;
    if (order == '|' && !one_byte) break;
    return {type, order == '>'};
  }
  source.fail(
      fmt::format("descr: {} is not supported; expected b1, u1..u8, i1..i8, f2..f8, c8 or c16",
                  in_quotes(descr)));
}

// From Fortran order: the first axis varies fastest there.
Buffer to_c_order(const std::byte* data, const std::vector<int64_t>& dims, int64_t item,
                  const std::string& name) {
  int64_t bytes = 0;
  check(byte_count(item, dims, bytes), "the size was checked");
  Buffer out(bytes, name);
  std::vector<int64_t> index(dims.size(), 0), strides(dims.size());
  int64_t stride = item;
  for (size_t i = 0; i < dims.size(); ++i) {
    strides[i] = stride;
    stride *= dims[i];
  }
  int64_t offset = 0;
  for (std::byte* to = out.data(); to != out.data() + bytes; to += item) {
    std::memcpy(to, data + offset, static_cast<size_t>(item));
    for (size_t axis = dims.size(); axis-- > 0;) {
      offset += strides[axis];
      if (++index[axis] < dims[axis]) break;
      offset -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return out;
}

// Where the header lies in the file: after magic, version and its length.
struct HeaderPlace {
  int64_t offset, size;
};

HeaderPlace find_header(const Source& source, const Buffer& file) {
  const std::string_view text = file.text();
  if (!text.starts_with(kMagic)) {
    fail_kind(source, "a .npy file", {FileKind::npy},
              fmt::format("magic: expected \\x93NUMPY, got \"{}\"",
                          escaped(text.substr(0, kMagic.size()))));
  }
  const auto byte = [&](int64_t i) { return std::to_integer<int64_t>(file.data()[i]); };
  if (file.size() < 10)
    source.fail(fmt::format("file too short: expected at least 10 bytes, got {}", file.size()));
  const int64_t major = byte(6), minor = byte(7);
  if (major < 1 || major > 3 || minor != 0) {
    source.fail(fmt::format("version: supported 1.0-3.0, got {}.{}", major, minor));
  }
  const int64_t offset = major == 1 ? 10 : 12;
  if (file.size() < offset) {
    source.fail(
        fmt::format("file too short: expected at least {} bytes, got {}", offset, file.size()));
  }
  int64_t size = byte(8) + (byte(9) << 8);
  if (major > 1) size += (byte(10) << 16) + (byte(11) << 24);
  if (size > kMaxHeader) source.fail(fmt::format("header length: {} > limit {}", size, kMaxHeader));
  if (size > file.size() - offset) {
    source.fail(fmt::format("header: expected {} bytes, file has {}; truncated?", size,
                            file.size() - offset));
  }
  return {offset, size};
}

void check_bools(const Source& source, const Buffer& data) {
  if (const int64_t bad = first_non_bool(data.span()); bad >= 0) {
    source.fail(fmt::format("data: element {}: expected 0 or 1, got {}", bad,
                            std::to_integer<int>(data.data()[bad])));
  }
}

}  // namespace

Array read_npy(const std::string& path) { return parse_npy(read_file(path, INT64_MAX), path); }

Array parse_npy(const Buffer& file, const std::string& name) {
  const Source source = Source::memory(name, file.span());
  const HeaderPlace place = find_header(source, file);
  const auto text =
      file.text().substr(static_cast<size_t>(place.offset), static_cast<size_t>(place.size));
  const Header header = HeaderParser(source, text).run();
  const Type type = parse_type(source, *header.descr);
  const int64_t item = size_of(type.code.dtype) * (type.code.complex ? 2 : 1);
  std::vector<int64_t> dims = *header.shape;
  int64_t bytes = 0;
  if (!byte_count(item, dims, bytes)) {
    source.fail("shape " + Shape(dims).to_string() + ": element count overflows");
  }
  const int64_t begin = place.offset + place.size, present = file.size() - begin;
  if (present < bytes) {
    source.fail(fmt::format("data: expected {} bytes, file has {}", bytes, present),
                "the file may be truncated");
  }
  if (present > bytes) {
    source.fail(fmt::format("end of file: expected {} bytes, got {}", begin + bytes, file.size()));
  }
  Array array;
  array.dtype = type.code.dtype;
  // One dimension, or sides of 1, read the same both ways.
  const bool ordered = !*header.fortran || std::count_if(dims.begin(), dims.end(),
                                                         [](int64_t d) { return d != 1; }) < 2;
  const bool aligned = begin % 64 == 0 && reinterpret_cast<uintptr_t>(file.data()) % 64 == 0;
  if (!ordered) {
    array.bytes = to_c_order(file.data() + begin, dims, item, source.name());
  } else if (aligned && !type.big_endian) {
    array.bytes = Buffer(file, begin, bytes);
  } else {
    array.bytes = Buffer(bytes, source.name());
    std::copy_n(file.data() + begin, bytes, array.bytes.data());
  }
  if (type.big_endian) swap_bytes(array.bytes.span(), size_of(array.dtype));
  if (array.dtype == DType::bool_) check_bools(source, array.bytes);
  if (type.code.complex) dims.push_back(2);
  array.shape = Shape(std::move(dims));
  return array;
}

Buffer encode_npy(const Array& array) {
  if (array.dtype == DType::bf16) {
    throw DTypeError("write_npy: NumPy has no bf16; convert to f32 first");
  }
  std::string code;
  for (const TypeCode& type : kTypes) {
    if (type.dtype == array.dtype && !type.complex) code = type.code;
  }
  const char order = size_of(array.dtype) == 1 ? '|' : '<';
  std::string header =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}", order, code,
                  fmt::join(array.shape.dims(), ", "), array.shape.rank() == 1 ? "," : "");
  // Magic, version, length, header and newline together fill blocks of 64 bytes.
  constexpr int64_t kFixed = 10;
  const int64_t total = round_up(kFixed + static_cast<int64_t>(header.size()) + 1, 64);
  header.resize(static_cast<size_t>(total - kFixed - 1), ' ');
  header += '\n';
  Buffer out(total + array.bytes.size(), "write_npy");
  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 255),
            static_cast<char>(header.size() >> 8)};
  start += header;
  std::copy_n(as_bytes(start).begin(), start.size(), out.data());
  std::copy_n(array.bytes.data(), array.bytes.size(), out.data() + total);
  return out;
}

void write_npy(const std::string& path, const Array& array) {
  const Buffer bytes = encode_npy(array);
  write_file(path, bytes.span());
}

}  // namespace varve::formats
