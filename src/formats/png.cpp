#include "formats/png.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/gzip.h"
#include "formats/image.h"
#include "formats/kind.h"
#include "formats/png_chunks.h"

namespace varve::formats {
namespace {

// What libpng's callbacks see. An error leaves its text in `error` and jumps: C++ exceptions do not
// pass through C code.
struct Decoder {
  const Buffer* file = nullptr;
  const PngChunks* chunks = nullptr;
  size_t part = 0;
  int64_t position = 0;  // within the part
  bool starved = false;
  std::array<char, 256> error{};

  png_structp png = nullptr;
  png_infop info = nullptr;
  int pass = 0, passes = 1;
  int64_t row = 0;
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp text) {
  auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
  std::strncpy(decoder->error.data(), text, decoder->error.size() - 1);
  png_longjmp(png, 1);
}

// Only chunks that matter reach libpng, so whatever it warns of matters too.
void on_warning(png_structp png, png_const_charp text) { on_error(png, text); }

void on_read(png_structp png, png_bytep out, size_t size) {
  auto* d = static_cast<Decoder*>(png_get_io_ptr(png));
  while (size > 0) {
    if (d->part == d->chunks->parts.size()) {
      d->starved = true;
      png_error(png, "data end");
    }
    const PngChunks::Part& part = d->chunks->parts[d->part];
    const auto n = std::min(size, static_cast<size_t>(part.size - d->position));
    std::memcpy(out, d->file->data() + part.offset + d->position, n);
    out += n;
    size -= n;
    d->position += static_cast<int64_t>(n);
    if (d->position == part.size) {
      ++d->part;
      d->position = 0;
    }
  }
}

// Between setjmp and a jump only plain values may live.
bool read_header(Decoder& d) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  png_set_read_fn(d.png, &d, on_read);
  png_set_user_limits(d.png, kMaxImageSide, kMaxImageSide);
  png_set_benign_errors(d.png, 0);
  png_read_info(d.png, d.info);
  const PngChunks& chunks = *d.chunks;
  if (chunks.colour_type == PNG_COLOR_TYPE_PALETTE) {
    png_set_packing(d.png);
  } else {
    if (chunks.bit_depth < 8) png_set_expand_gray_1_2_4_to_8(d.png);
    if (chunks.transparency.size > 0) png_set_tRNS_to_alpha(d.png);
    if (chunks.bit_depth == 16) png_set_swap(d.png);
  }
  d.passes = png_set_interlace_handling(d.png);
  png_read_update_info(d.png, d.info);
  return true;
}

bool read_rows(Decoder& d, std::byte* pixels, int64_t stride) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  for (d.pass = 0; d.pass < d.passes; ++d.pass) {
    for (d.row = 0; d.row < d.chunks->height; ++d.row) {
      png_read_row(d.png, reinterpret_cast<png_bytep>(pixels + d.row * stride), nullptr);
    }
  }
  d.pass = d.passes - 1;
  png_read_end(d.png, nullptr);
  return true;
}

[[noreturn]] void fail_decoding(const Source& source, const Decoder& d) {
  const std::string_view error = d.error.data();
  if (d.starved || error == "Not enough image data") {
    std::string text = fmt::format("ended after row {} of {}", d.row, d.chunks->height);
    if (d.passes > 1) text += fmt::format(" in pass {} of {}", d.pass + 1, d.passes);
    source.fail(text + "; truncated?");
  }
  source.fail(fmt::format("row {} of {}: {}", d.row, d.chunks->height, error));
}

Array expand_palette(const Source& source, const Buffer& file, const PngChunks& chunks,
                     const Buffer& indices) {
  const int64_t colours = chunks.palette.size / 3, alphas = chunks.transparency.size;
  const auto* palette = reinterpret_cast<const uint8_t*>(file.data() + chunks.palette.offset);
  const auto* alpha = reinterpret_cast<const uint8_t*>(file.data() + chunks.transparency.offset);
  const int64_t channels = alphas > 0 ? 4 : 3;
  Array image(DType::u8, {chunks.height, chunks.width, channels}, source.name());
  uint8_t* out = image.span<uint8_t>().data();
  for (int64_t i = 0; i < indices.size(); ++i, out += channels) {
    const auto index = std::to_integer<int64_t>(indices.data()[i]);
    if (index >= colours) {
      source.fail(fmt::format("palette: pixel at row {} column {}: expected index < {}, got {}",
                              i / chunks.width, i % chunks.width, colours, index));
    }
    std::copy_n(palette + 3 * index, 3, out);
    if (alphas > 0) out[3] = index < alphas ? alpha[index] : 255;
  }
  return image;
}

struct Encoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte> out;
  ~Encoder() { png_destroy_write_struct(&png, &info); }
};

bool write_rows(Encoder& e, const Array& image, int channels) {
  if (setjmp(png_jmpbuf(e.png))) return false;
  constexpr std::array kColours{PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                PNG_COLOR_TYPE_RGB_ALPHA};
  const int64_t height = image.shape[0], width = image.shape[1];
  png_set_IHDR(e.png, e.info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
               kColours[static_cast<size_t>(channels - 1)], PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  png_write_info(e.png, e.info);
  for (int64_t y = 0; y < height; ++y) {
    png_write_row(e.png,
                  reinterpret_cast<png_const_bytep>(image.bytes.data() + y * width * channels));
  }
  png_write_end(e.png, nullptr);
  return true;
}

}  // namespace

void fail_magic(const Source& source, const char* what) {
  const FileKind kind = kind_of(source);
  if (kind != FileKind::text && kind != FileKind::unknown) fail_kind(source, what, {}, "");
  constexpr int64_t kShown = 8;
  const Buffer head = source.read(0, std::min(source.size(), kShown));
  source.fail(fmt::format("not {}: starts with \"{}\"", what, escaped(head.text())));
}

Array read_png(const std::string& path) { return read_png(Source::open(path)); }

Array read_png(const Source& source) {
  if (!is_png(source)) fail_magic(source, "a PNG");
  if (source.size() > kDefaultLimit) {
    source.fail(fmt::format("file too long: expected at most {} bytes, got {}", kDefaultLimit,
                            source.size()));
  }
  Buffer file = source.read(0, source.size());
  source.check_unchanged();
  const PngChunks chunks = scan_png(source, file);

  Decoder d;
  d.file = &file;
  d.chunks = &chunks;
  d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning);
  d.info = d.png ? png_create_info_struct(d.png) : nullptr;
  if (!d.info) throw IoError(source.name() + ": libpng needs memory, not available");
  if (!read_header(d)) source.fail(std::string("header: ") + d.error.data());

  const auto stride = static_cast<int64_t>(png_get_rowbytes(d.png, d.info));
  // Rows that the data cannot hold are decoded into one, to say where they end.
  const bool possible = chunks.raw_bytes() <= chunks.data_bytes * kDeflateRatio;
  Buffer pixels(possible ? stride * chunks.height : stride, source.name());
  if (!read_rows(d, pixels.data(), possible ? stride : 0) || chunks.cut) fail_decoding(source, d);
  check(possible, "deflate keeps to its ratio");

  if (chunks.colour_type == PNG_COLOR_TYPE_PALETTE) {
    return expand_palette(source, file, chunks, pixels);
  }
  Array image;
  image.dtype = chunks.bit_depth == 16 ? DType::u16 : DType::u8;
  image.shape = {chunks.height, chunks.width, int64_t{png_get_channels(d.png, d.info)}};
  image.bytes = pixels;
  return image;
}

Buffer encode_png(const Array& image) {
  const int channels = check_writable_image("write_png", image);
  Encoder e;
  e.png = png_create_write_struct(
      PNG_LIBPNG_VER_STRING, nullptr, [](png_structp png, png_const_charp) { png_longjmp(png, 1); },
      [](png_structp, png_const_charp) {});
  e.info = e.png ? png_create_info_struct(e.png) : nullptr;
  if (!e.info) throw IoError("write_png: libpng needs memory, not available");
  png_set_write_fn(
      e.png, &e.out,
      [](png_structp png, png_bytep data, size_t size) {
        auto* out = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
        const auto* bytes = reinterpret_cast<const std::byte*>(data);
        out->insert(out->end(), bytes, bytes + size);
      },
      nullptr);
  if (!write_rows(e, image, channels)) throw IoError("write_png: libpng failed");
  Buffer out(static_cast<int64_t>(e.out.size()), "write_png");
  std::copy(e.out.begin(), e.out.end(), out.data());
  return out;
}

void write_png(const std::string& path, const Array& image) {
  const Buffer bytes = encode_png(image);
  write_file(path, bytes.span());
}

}  // namespace varve::formats
