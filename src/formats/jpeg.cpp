#include "formats/jpeg.h"

// jpeglib.h needs FILE, jerror.h needs jpeglib.h.
// clang-format off
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/image.h"
#include "formats/png.h"

namespace varve::formats {
namespace {

constexpr int kMaxScans = 64;
// Scans times pixels: time is spent on each pixel once a scan. Ten scans, what encoders write by
// default, fit at the largest size.
constexpr int64_t kMaxScanPixels = 10 * kMaxImagePixels;
// Coefficients of a progressive picture are kept whole, two bytes each; with the pixels this stays
// below 512 MiB.
constexpr long kMaxMemory = 300L << 20;

// What the callbacks see. An error leaves its text and jumps: C++ exceptions do not pass through C.
struct State {
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::array<char, JMSG_LENGTH_MAX> text{};
  std::jmp_buf jump;
};

State& state_of(j_common_ptr common) { return *static_cast<State*>(common->client_data); }

[[noreturn]] void stop(j_common_ptr common, const std::string_view text) {
  State& state = state_of(common);
  state.text[text.copy(state.text.data(), state.text.size() - 1)] = 0;
  std::longjmp(state.jump, 1);
}

[[noreturn]] void on_error(j_common_ptr common) {
  State& state = state_of(common);
  // No backing store: libjpeg's words for more memory than it is allowed.
  if (common->err->msg_code == JERR_NO_BACKING_STORE) {
    stop(common, "progressive picture needs more than 300 MiB to decode");
  }
  common->err->format_message(common, state.text.data());
  std::longjmp(state.jump, 1);
}

void on_message(j_common_ptr common, int level) {
  if (level < 0) on_error(common);
}

void on_progress(j_common_ptr common) {
  auto* jpeg = reinterpret_cast<j_decompress_ptr>(common);
  if (jpeg->input_scan_number > kMaxScans) stop(common, "more than 64 scans");
  const int64_t pixels = int64_t{jpeg->image_width} * jpeg->image_height;
  if (jpeg->input_scan_number * pixels > kMaxScanPixels) {
    stop(common, "more scans than a picture of this size may have");
  }
}

void install(State& state, j_common_ptr common, jpeg_error_mgr*& slot) {
  slot = jpeg_std_error(&state.errors);
  state.errors.error_exit = on_error;
  state.errors.emit_message = on_message;
  common->client_data = &state;
}

struct Decoder {
  State state;
  jpeg_decompress_struct jpeg{};
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
};

bool read_header(Decoder& d, const Buffer& file) {
  if (setjmp(d.state.jump)) return false;
  install(d.state, reinterpret_cast<j_common_ptr>(&d.jpeg), d.jpeg.err);
  jpeg_create_decompress(&d.jpeg);
  d.jpeg.client_data = &d.state;
  d.jpeg.mem->max_memory_to_use = kMaxMemory;
  jpeg_mem_src(&d.jpeg, reinterpret_cast<const unsigned char*>(file.data()),
               static_cast<unsigned long>(file.size()));
  for (int marker : {1, 2}) jpeg_save_markers(&d.jpeg, JPEG_APP0 + marker, 0xffff);
  jpeg_read_header(&d.jpeg, TRUE);
  d.state.progress.progress_monitor = on_progress;
  d.jpeg.progress = &d.state.progress;
  return true;
}

bool start(Decoder& d) {
  if (setjmp(d.state.jump)) return false;
  d.jpeg.out_color_space = d.jpeg.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&d.jpeg);
  return true;
}

bool read_rows(Decoder& d, std::byte* pixels, int64_t stride) {
  if (setjmp(d.state.jump)) return false;
  while (d.jpeg.output_scanline < d.jpeg.output_height) {
    auto* row = reinterpret_cast<JSAMPROW>(pixels + int64_t{d.jpeg.output_scanline} * stride);
    jpeg_read_scanlines(&d.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&d.jpeg);
  return true;
}

const jpeg_marker_struct* find_marker(const Decoder& d, int number, std::string_view begin) {
  for (const auto* m = d.jpeg.marker_list; m != nullptr; m = m->next) {
    const std::string_view data(reinterpret_cast<const char*>(m->data), m->data_length);
    if (m->marker == JPEG_APP0 + number && data.starts_with(begin)) return m;
  }
  return nullptr;
}

// Tag 0x0112 of the first directory of the TIFF structure in an EXIF marker; 1 (upright) where
// there is none or the data make no sense: they are not needed to read the picture.
int orientation_of(const Decoder& d) {
  using namespace std::string_view_literals;
  const auto* marker = find_marker(d, 1, "Exif\0\0"sv);
  if (marker == nullptr) return 1;
  const uint8_t* tiff = marker->data + 6;
  const auto size = int64_t{marker->data_length} - 6;
  if (size < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const bool big = tiff[0] == 'M';
  const auto number = [&](int64_t at, int count) {
    int64_t value = 0;
    for (int i = 0; i < count; ++i) value = value * 256 + tiff[big ? at + i : at + count - 1 - i];
    return value;
  };
  const int64_t directory = number(4, 4);
  if (number(2, 2) != 42 || directory > size - 2) return 1;
  const int64_t entries = number(directory, 2);
  for (int64_t i = 0; i < entries; ++i) {
    const int64_t entry = directory + 2 + 12 * i;
    if (entry + 12 > size) return 1;
    if (number(entry, 2) != 0x0112) continue;
    const int64_t value = number(entry + 8, 2);
    return number(entry + 2, 2) == 3 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// The stored picture turned and mirrored into the one to see (EXIF 2.32, tag Orientation).
Array oriented(const Array& stored, int orientation) {
  if (orientation == 1) return stored;
  const int64_t h = stored.shape[0], w = stored.shape[1], c = stored.shape[2];
  const bool transposed = orientation >= 5;
  const bool flip_rows =
      orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool flip_columns =
      orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const int64_t out_h = transposed ? w : h, out_w = transposed ? h : w;
  Array out(DType::u8, {out_h, out_w, c}, "image");
  const std::byte* from = stored.bytes.data();
  std::byte* to = out.bytes.data();
  for (int64_t y = 0; y < out_h; ++y) {
    const int64_t v = flip_rows ? out_h - 1 - y : y;
    for (int64_t x = 0; x < out_w; ++x, to += c) {
      const int64_t u = flip_columns ? out_w - 1 - x : x;
      std::copy_n(from + (transposed ? u * w + v : v * w + u) * c, c, to);
    }
  }
  return out;
}

void check_header(const Source& source, const Decoder& d) {
  check_image_size(source, "SOF", d.jpeg.image_width, d.jpeg.image_height);
  const J_COLOR_SPACE space = d.jpeg.jpeg_color_space;
  if (space == JCS_CMYK || space == JCS_YCCK) {
    source.fail("JPEG: CMYK is not supported; expected grey or RGB");
  }
  if (space == JCS_UNKNOWN) {
    source.fail(fmt::format("JPEG: components: expected 1 (grey) or 3 (RGB), got {}",
                            d.jpeg.num_components));
  }
}

struct Encoder {
  State state;
  jpeg_compress_struct jpeg{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  ~Encoder() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }
};

bool encode(Encoder& e, const Array& image, int channels, int quality) {
  if (setjmp(e.state.jump)) return false;
  install(e.state, reinterpret_cast<j_common_ptr>(&e.jpeg), e.jpeg.err);
  jpeg_create_compress(&e.jpeg);
  e.jpeg.client_data = &e.state;
  jpeg_mem_dest(&e.jpeg, &e.bytes, &e.size);
  e.jpeg.image_width = static_cast<JDIMENSION>(image.shape[1]);
  e.jpeg.image_height = static_cast<JDIMENSION>(image.shape[0]);
  e.jpeg.input_components = channels;
  e.jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&e.jpeg);
  jpeg_set_quality(&e.jpeg, quality, TRUE);
  jpeg_start_compress(&e.jpeg, TRUE);
  while (e.jpeg.next_scanline < e.jpeg.image_height) {
    const int64_t offset = int64_t{e.jpeg.next_scanline} * image.shape[1] * channels;
    auto* row = reinterpret_cast<JSAMPROW>(const_cast<std::byte*>(image.bytes.data() + offset));
    jpeg_write_scanlines(&e.jpeg, &row, 1);
  }
  jpeg_finish_compress(&e.jpeg);
  return true;
}

}  // namespace

bool is_jpeg(const Source& source) {
  return source.size() >= 3 && source.read(0, 3).text() == "\xff\xd8\xff";
}

Array read_jpeg(const std::string& path) { return read_jpeg(Source::open(path)); }

Array read_jpeg(const Source& source) {
  if (!is_jpeg(source)) fail_magic(source, "a JPEG");
  if (source.size() > kDefaultLimit) {
    source.fail(fmt::format("file too long: expected at most {} bytes, got {}", kDefaultLimit,
                            source.size()));
  }
  const Buffer file = source.read(0, source.size());
  source.check_unchanged();
  const auto d = std::make_unique<Decoder>();
  const auto fail = [&] { source.fail(std::string("JPEG: ") + d->state.text.data()); };
  if (!read_header(*d, file)) fail();
  check_header(source, *d);
  const int orientation = orientation_of(*d);
  if (!start(*d)) fail();
  Array image(DType::u8, {d->jpeg.output_height, d->jpeg.output_width, d->jpeg.output_components},
              source.name());
  const int64_t stride = image.shape[1] * image.shape[2];
  const bool announced = find_marker(*d, 2, std::string_view("MPF\0", 4)) != nullptr;
  if (!read_rows(*d, image.bytes.data(), stride)) fail();
  const auto left = static_cast<int64_t>(d->jpeg.src->bytes_in_buffer);
  if (left > 0 && !announced) {
    source.fail(
        fmt::format("end of file: expected {} bytes, got {}", file.size() - left, file.size()));
  }
  return oriented(image, orientation);
}

Buffer encode_jpeg(const Array& image, int quality) {
  const int channels = check_writable_image("write_jpeg", image);
  if (channels != 1 && channels != 3) {
    throw ShapeError(fmt::format("write_jpeg: expected 1 or 3 channels, got {}", channels));
  }
  if (quality < 1 || quality > 100) {
    throw ValueError(fmt::format("write_jpeg: quality: expected 1..100, got {}", quality));
  }
  const auto e = std::make_unique<Encoder>();
  if (!encode(*e, image, channels, quality)) {
    throw IoError(std::string("write_jpeg: ") + e->state.text.data());
  }
  Buffer out(static_cast<int64_t>(e->size), "write_jpeg");
  std::copy_n(reinterpret_cast<const std::byte*>(e->bytes), e->size, out.data());
  return out;
}

void write_jpeg(const std::string& path, const Array& image, int quality) {
  const Buffer bytes = encode_jpeg(image, quality);
  write_file(path, bytes.span());
}

}  // namespace varve::formats
