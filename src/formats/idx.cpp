#include "formats/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "formats/atomic_file.h"
#include "formats/gzip.h"
#include "formats/kind.h"

namespace varve::formats {
namespace {

struct TypeCode {
  int code;
  DType dtype;
};
constexpr std::array<TypeCode, 6> kTypes{{{0x08, DType::u8},
                                          {0x09, DType::i8},
                                          {0x0B, DType::i16},
                                          {0x0C, DType::i32},
                                          {0x0D, DType::f32},
                                          {0x0E, DType::f64}}};
constexpr int kMaxRank = 8;

// The bytes of the file in order, inflated where they are packed.
class Stream {
 public:
  explicit Stream(const Source& source) : source_(source) {
    if (is_gzip(source)) gzip_.emplace(source);
  }
  bool packed() const { return gzip_.has_value(); }
  // More than this cannot come out of the bytes present.
  int64_t upper_bound() const { return packed() ? source_.size() * kDeflateRatio : source_.size(); }
  int64_t position() const { return position_; }
  int64_t read(std::span<std::byte> out) {
    int64_t n;
    if (gzip_) {
      n = gzip_->read(out);
    } else {
      n = std::min(static_cast<int64_t>(out.size()), source_.size() - position_);
      source_.read(position_, out.first(static_cast<size_t>(n)));
    }
    position_ += n;
    return n;
  }

 private:
  const Source& source_;
  std::optional<GzipReader> gzip_;
  int64_t position_ = 0;
};

DType parse_magic(const Source& source, std::span<const std::byte> magic) {
  const auto at = [&](size_t i) { return std::to_integer<int>(magic[i]); };
  if (at(0) != 0 || at(1) != 0) {
    fail_kind(source, "an IDX file", {FileKind::idx, FileKind::gzip},
              fmt::format("magic[0..1]: expected 00 00, got {:02X} {:02X}", at(0), at(1)));
  }
  const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const TypeCode& t) { return t.code == at(2); });
  if (type == kTypes.end()) {
    source.fail(fmt::format("magic[2]: expected 08 09 0B 0C 0D 0E, got {:02X}", at(2)));
  }
  if (at(3) < 1 || at(3) > kMaxRank) {
    source.fail(fmt::format("magic[3]: expected rank 1..{}, got {}", kMaxRank, at(3)));
  }
  return type->dtype;
}

void read_header(const Source& source, Stream& stream, std::span<std::byte> out) {
  if (stream.read(out) < static_cast<int64_t>(out.size())) {
    fail_kind(
        source, "an IDX file", {FileKind::idx, FileKind::gzip},
        fmt::format("header: expected at least {} bytes, got {}; truncated?",
                    std::max<int64_t>(8, static_cast<int64_t>(out.size()) + 4), stream.position()));
  }
}

}  // namespace

Array read_idx(const std::string& path) { return read_idx(Source::open(path)); }

Array read_idx(const Source& source) {
  Stream stream(source);
  std::array<std::byte, 4> magic;
  read_header(source, stream, magic);
  const DType dtype = parse_magic(source, magic);
  const int rank = std::to_integer<int>(magic[3]);
  std::array<std::byte, 4 * kMaxRank> sizes;
  read_header(source, stream, std::span(sizes).first(static_cast<size_t>(4 * rank)));
  std::vector<int64_t> dims;
  for (size_t i = 0; i < static_cast<size_t>(4 * rank); i += 4) {
    int64_t dim = 0;
    for (size_t k = 0; k < 4; ++k) dim = dim * 256 + std::to_integer<int64_t>(sizes[i + k]);
    dims.push_back(dim);
  }
  const Shape shape(dims);
  const int64_t header = stream.position();
  int64_t bytes = 0;
  if (!byte_count(size_of(dtype), dims, bytes) || bytes > INT64_MAX - header) {
    source.fail("shape " + shape.to_string() + ": element count overflows");
  }
  if (header + bytes > stream.upper_bound()) {
    source.fail(fmt::format("expected {} bytes, got {}{}; truncated?", header + bytes,
                            stream.packed() ? "at most " : "", stream.upper_bound()));
  }
  Array array(dtype, shape, source.name());
  if (stream.read(array.bytes.span()) < bytes) {
    source.fail(
        fmt::format("expected {} bytes, got {}; truncated?", header + bytes, stream.position()));
  }
  std::byte extra;
  if (stream.read({&extra, 1}) > 0) {
    if (stream.packed()) source.fail("gzip: more data than the header declares");
    source.fail(fmt::format("end of file: expected {} bytes, got {} ({} too many)", header + bytes,
                            source.size(), source.size() - header - bytes));
  }
  source.check_unchanged();
  swap_bytes(array.bytes.span(), size_of(dtype));
  return array;
}

LabelledImages read_idx_pair(const std::string& images_path, const std::string& labels_path) {
  LabelledImages pair{read_idx(images_path), read_idx(labels_path)};
  const auto check_rank = [](const std::string& path, const Array& array, int expected,
                             const char* guess) {
    if (array.shape.rank() == expected) return;
    const bool swapped = array.shape.rank() == 4 - expected;
    throw FormatError(fmt::format("{}: rank {}{}; expected {}", shown(path), array.shape.rank(),
                                  swapped ? guess : "", expected));
  };
  check_rank(images_path, pair.images, 3, " (labels?)");
  check_rank(labels_path, pair.labels, 1, " (images?)");
  if (is_floating(pair.labels.dtype)) {
    throw FormatError(fmt::format("{}: labels: expected integers, got {}", shown(labels_path),
                                  name_of(pair.labels.dtype)));
  }
  if (pair.images.shape[0] != pair.labels.shape[0]) {
    throw FormatError(fmt::format("{}: labels: {} items, images: {}", shown(labels_path),
                                  pair.labels.shape[0], pair.images.shape[0]));
  }
  return pair;
}

void write_idx(const std::string& path, const Array& array) {
  const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const TypeCode& t) { return t.dtype == array.dtype; });
  if (type == kTypes.end()) {
    throw DTypeError(fmt::format("write_idx: expected u8, i8, i16, i32, f32 or f64, got {}",
                                 name_of(array.dtype)));
  }
  const int rank = array.shape.rank();
  const auto fits = [](int64_t dim) { return dim >= 0 && dim <= int64_t{UINT32_MAX}; };
  if (rank < 1 || rank > kMaxRank || !std::all_of(array.shape.begin(), array.shape.end(), fits)) {
    throw ShapeError(fmt::format("write_idx: expected rank 1..{} and sizes below 2^32, got {}",
                                 kMaxRank, array.shape.to_string()));
  }
  const int64_t header = 4 + 4 * int64_t{rank};
  Buffer out(header + array.bytes.size(), shown(path));
  std::byte* p = out.data();
  for (int value : {0, 0, type->code, rank}) *p++ = static_cast<std::byte>(value);
  for (int64_t dim : array.shape) {
    for (int shift : {24, 16, 8, 0}) *p++ = static_cast<std::byte>(dim >> shift & 255);
  }
  std::copy_n(array.bytes.data(), array.bytes.size(), p);
  swap_bytes(out.span().subspan(static_cast<size_t>(header)), size_of(array.dtype));
  if (path.ends_with(".gz")) out = gzip(out.span());
  write_file(path, out.span());
}

}  // namespace varve::formats
