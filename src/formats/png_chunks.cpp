#include "formats/png_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "formats/gzip.h"
#include "formats/image.h"
#include "formats/png.h"

namespace varve::formats {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
constexpr int64_t kOverhead = 12;  // length, type and CRC of a chunk
constexpr int kGrey = 0, kRgb = 2, kPalette = 3, kGreyAlpha = 4, kRgba = 6;

uint32_t big_u32(const std::byte* p) {
  return std::to_integer<uint32_t>(p[0]) << 24 | std::to_integer<uint32_t>(p[1]) << 16 |
         std::to_integer<uint32_t>(p[2]) << 8 | std::to_integer<uint32_t>(p[3]);
}

void put_big_u32(std::byte* p, uint32_t value) {
  for (int shift : {24, 16, 8, 0}) *p++ = static_cast<std::byte>(value >> shift);
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Scanner {
 public:
  Scanner(const Source& source, Buffer& file) : source_(source), file_(file) {}

  PngChunks run() {
    out_.parts.push_back({0, static_cast<int64_t>(kSignature.size())});
    at_ = static_cast<int64_t>(kSignature.size());
    while (!ended_ && !out_.cut) next();
    if (ended_ && out_.data_bytes == 0) source_.fail("chunk IDAT missing");
    if (ended_ && at_ != file_.size()) {
      source_.fail(fmt::format("end of file: expected {} bytes, got {}", at_, file_.size()));
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    source_.fail(fmt::format("chunk {} at byte {}: {}", type_, at_, what));
  }

  void next() {
    const int64_t left = file_.size() - at_;
    if (left < kOverhead) return ends_early("");
    const std::byte* p = file_.data() + at_;
    size_ = big_u32(p);
    type_ = as_text({p + 4, 4});
    if (!std::all_of(type_.begin(), type_.end(), is_letter)) {
      source_.fail(fmt::format("chunk at byte {}: expected a type of 4 letters, got \"{}\"", at_,
                               escaped(type_)));
    }
    if (at_ == out_.parts[0].size && type_ != "IHDR") fail("expected IHDR first");
    if (size_ > INT32_MAX) fail(fmt::format("length: expected <= 2147483647, got {}", size_));
    if (size_ > left - kOverhead) {
      return ends_early(fmt::format("length {}, only {} bytes left", size_, left - kOverhead));
    }
    const uint32_t expected = big_u32(p + 8 + size_);
    const uint32_t got = crc32({p + 4, static_cast<size_t>(4 + size_)});
    if (expected != got) fail(fmt::format("CRC: expected {:08x}, got {:08x}", expected, got));
    accept();
    at_ += kOverhead + size_;
  }

  // A file cut within its pixels is left to the decoder, which knows the row.
  void ends_early(const std::string& what) {
    const bool in_data = !what.empty() && type_ == "IDAT";
    if (in_data) close_chunk(file_.size() - at_);
    if (out_.data_bytes > 0 || in_data) {
      out_.cut = true;
    } else if (what.empty()) {
      source_.fail(fmt::format("chunk at byte {}: expected at least {} bytes, got {}; truncated?",
                               at_, kOverhead, file_.size() - at_));
    } else {
      fail(what + "; truncated?");
    }
  }

  void close_chunk(int64_t left) {
    std::byte* p = file_.data() + at_;
    const auto size = static_cast<uint32_t>(left - kOverhead);
    put_big_u32(p, size);
    put_big_u32(p + 8 + size, crc32({p + 4, size_t{size} + 4}));
    out_.parts.push_back({at_, left});
    out_.data_bytes += size;
  }

  void accept() {
    const bool data = type_ == "IDAT";
    if (data && data_ended_) fail("the IDAT chunks are not consecutive");
    if (!data && out_.data_bytes > 0) data_ended_ = true;
    if (type_ == "IHDR") {
      header();
    } else if (type_ == "PLTE") {
      palette();
    } else if (type_ == "tRNS") {
      transparency();
    } else if (type_ == "IEND") {
      if (size_ != 0) fail(fmt::format("length: expected 0, got {}", size_));
      ended_ = true;
    } else if (data) {
      if (out_.colour_type == kPalette && out_.palette.size == 0) fail("expected PLTE before it");
      out_.data_bytes += size_;
    } else if (type_[0] >= 'A' && type_[0] <= 'Z') {
      fail("unknown critical chunk");
    } else {
      return;  // ancillary: never decoded
    }
    // A palette is applied here, so its transparency is none of the decoder's business.
    if (type_ == "tRNS" && out_.colour_type == kPalette) return;
    out_.parts.push_back({at_, kOverhead + size_});
  }

  void header() {
    if (out_.width != 0) fail("a second IHDR");
    if (size_ != 13) fail(fmt::format("length: expected 13, got {}", size_));
    const std::byte* p = file_.data() + at_ + 8;
    out_.width = big_u32(p);
    out_.height = big_u32(p + 4);
    check_image_size(source_, "IHDR", out_.width, out_.height);
    out_.bit_depth = std::to_integer<int>(p[8]);
    out_.colour_type = std::to_integer<int>(p[9]);
    const int depth = out_.bit_depth, colour = out_.colour_type;
    const bool known = colour == kGrey || colour == kRgb || colour == kPalette ||
                       colour == kGreyAlpha || colour == kRgba;
    if (!known) source_.fail(fmt::format("IHDR: colour type: expected 0 2 3 4 6, got {}", colour));
    const bool small = depth == 1 || depth == 2 || depth == 4;
    const bool fits = depth == 8 || (depth == 16 && colour != kPalette) ||
                      (small && (colour == kGrey || colour == kPalette));
    if (!fits) {
      source_.fail(fmt::format("IHDR: bit depth: expected {} with colour type {}, got {}",
                               colour == kGrey      ? "1 2 4 8 16"
                               : colour == kPalette ? "1 2 4 8"
                                                    : "8 16",
                               colour, depth));
    }
    for (int i : {10, 11}) {
      if (p[i] != std::byte{0}) {
        source_.fail(fmt::format("IHDR: {} method: expected 0, got {}",
                                 i == 10 ? "compression" : "filter", std::to_integer<int>(p[i])));
      }
    }
    if (p[12] > std::byte{1}) {
      source_.fail(fmt::format("IHDR: interlace method: expected 0 or 1, got {}",
                               std::to_integer<int>(p[12])));
    }
    out_.interlaced = p[12] == std::byte{1};
    if (out_.raw_bytes() > 4 * kMaxImagePixels) {
      source_.fail(fmt::format("IHDR: {}x{} with {} bits a channel > limit {} bytes", out_.width,
                               out_.height, depth, 4 * kMaxImagePixels));
    }
  }

  void palette() {
    if (out_.palette.size != 0) fail("a second PLTE");
    if (out_.data_bytes > 0) fail("after IDAT");
    if (out_.colour_type == kGrey || out_.colour_type == kGreyAlpha) fail("not allowed with grey");
    const int64_t limit = out_.colour_type == kPalette ? 3 << out_.bit_depth : 3 * 256;
    if (size_ == 0 || size_ % 3 != 0 || size_ > limit) {
      fail(fmt::format("length: expected a multiple of 3 from 3 to {}, got {}", limit, size_));
    }
    out_.palette = {at_ + 8, size_};
  }

  void transparency() {
    if (out_.transparency.size != 0) fail("a second tRNS");
    if (out_.data_bytes > 0) fail("after IDAT");
    const int colour = out_.colour_type;
    if (colour == kPalette) {
      if (size_ == 0 || size_ > out_.palette.size / 3) {
        fail(fmt::format("length: expected 1..{}, got {}", out_.palette.size / 3, size_));
      }
    } else if (const int64_t expected = colour == kGrey  ? 2
                                        : colour == kRgb ? 6
                                                         : -1;
               size_ != expected) {
      fail(expected < 0 ? "not allowed with an alpha channel"
                        : fmt::format("length: expected {}, got {}", expected, size_));
    }
    out_.transparency = {at_ + 8, size_};
  }

  const Source& source_;
  Buffer& file_;
  PngChunks out_;
  int64_t at_ = 0, size_ = 0;
  std::string type_;
  bool data_ended_ = false, ended_ = false;
};

}  // namespace

int64_t PngChunks::raw_bytes() const {
  const int channels = colour_type == kRgb         ? 3
                       : colour_type == kRgba      ? 4
                       : colour_type == kGreyAlpha ? 2
                                                   : 1;
  // Without the filter bytes and the padding of rows, which interlacing would change.
  return width * height * channels * bit_depth / 8;
}

bool is_png(const Source& source) {
  const auto size = static_cast<int64_t>(kSignature.size());
  return source.size() >= size && source.read(0, size).text() == kSignature;
}

PngChunks scan_png(const Source& source, Buffer& file) { return Scanner(source, file).run(); }

}  // namespace varve::formats
