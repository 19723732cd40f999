#include "formats/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "formats/jpeg.h"
#include "formats/png.h"

namespace varve::formats {
namespace {

void check_u8_image(const char* operation, const Array& image) {
  if (image.dtype != DType::u8) {
    throw DTypeError(fmt::format("{}: expected u8, got {}", operation, name_of(image.dtype)));
  }
  if (image.shape.rank() != 3 || image.shape[2] < 1 || image.shape[2] > 4) {
    throw ShapeError(fmt::format("{}: expected [height, width, 1..4], got {}", operation,
                                 image.shape.to_string()));
  }
}

bool name_ends_with(const std::string& name, std::initializer_list<std::string_view> endings) {
  std::string lower = name;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

// The weights with which inputs [first, first + count) make one output.
struct Window {
  int64_t first = 0, count = 0;
  std::vector<int32_t> weights;
};
// u8 times weight summed stays within 31 bits: 8 bits of value, 22 of weight, one of rounding.
constexpr int kWeightBits = 22;

std::vector<Window> windows(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  std::vector<Window> result(static_cast<size_t>(out));
  std::vector<double> weights;
  for (int64_t i = 0; i < out; ++i) {
    // Written as Pillow has it: the weights' last bits decide how a half rounds.
    const double center = (static_cast<double>(i) + 0.5) * scale;
    Window& window = result[static_cast<size_t>(i)];
    window.first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const int64_t end = std::min(in, static_cast<int64_t>(center + support + 0.5));
    window.count = end - window.first;
    weights.clear();
    double sum = 0;
    for (int64_t k = window.first; k < end; ++k) {
      const double distance = std::abs((static_cast<double>(k) - center + 0.5) * (1.0 / support));
      weights.push_back(std::max(0.0, 1.0 - distance));
      sum += weights.back();
    }
    for (double w : weights) {
      window.weights.push_back(static_cast<int32_t>(0.5 + w * (1.0 / sum) * (1 << kWeightBits)));
    }
  }
  return result;
}

// One axis of a resize: `in` is [outer, size, inner], `out` [outer, windows, inner].
void resample(std::span<const uint8_t> in, int64_t outer, int64_t size, int64_t inner,
              const std::vector<Window>& windows, std::span<uint8_t> out) {
  const auto count = static_cast<int64_t>(windows.size());
  parallel_for(outer * count, std::max<int64_t>(1, 16384 / inner), [&](int64_t begin, int64_t end) {
    std::vector<int32_t> sums(static_cast<size_t>(inner));
    for (int64_t i = begin; i < end; ++i) {
      const Window& window = windows[static_cast<size_t>(i % count)];
      std::fill(sums.begin(), sums.end(), 1 << (kWeightBits - 1));
      for (int64_t k = 0; k < window.count; ++k) {
        const uint8_t* row = in.data() + (i / count * size + window.first + k) * inner;
        const int32_t weight = window.weights[static_cast<size_t>(k)];
        for (int64_t j = 0; j < inner; ++j) sums[static_cast<size_t>(j)] += weight * row[j];
      }
      uint8_t* to = out.data() + i * inner;
      for (int64_t j = 0; j < inner; ++j) {
        to[j] =
            static_cast<uint8_t>(std::clamp(sums[static_cast<size_t>(j)] >> kWeightBits, 0, 255));
      }
    }
  });
}

Array resize_columns(const Array& image, int64_t width) {
  const int64_t height = image.shape[0], old = image.shape[1], channels = image.shape[2];
  if (width == old) return image;
  Array out(DType::u8, {height, width, channels}, "resize");
  resample(image.span<uint8_t>(), height, old, channels, windows(old, width), out.span<uint8_t>());
  return out;
}

Array resize_rows(const Array& image, int64_t height) {
  const int64_t old = image.shape[0], width = image.shape[1], channels = image.shape[2];
  if (height == old) return image;
  Array out(DType::u8, {height, width, channels}, "resize");
  resample(image.span<uint8_t>(), 1, old, width * channels, windows(old, height),
           out.span<uint8_t>());
  return out;
}

}  // namespace

Array read_image(const std::string& path, int channels) {
  return read_image(Source::open(path), channels);
}

Array read_image(const Source& source, int channels) {
  Array image;
  if (is_png(source)) {
    image = to_8_bit(read_png(source));
  } else if (is_jpeg(source)) {
    image = read_jpeg(source);
  } else {
    const bool png = name_ends_with(source.name(), {".png"});
    const bool jpeg = name_ends_with(source.name(), {".jpg", ".jpeg"});
    fail_magic(source, png ? "a PNG" : jpeg ? "a JPEG" : "a PNG or JPEG");
  }
  return channels == 0 ? image : to_channels(image, channels);
}

void check_image_size(const Source& source, const char* where, int64_t width, int64_t height) {
  if (width < 1 || height < 1) {
    source.fail(fmt::format("{}: expected sides >= 1, got {}x{}", where, width, height));
  }
  if (width > kMaxImageSide || height > kMaxImageSide) {
    source.fail(fmt::format("{}: {}x{} > limit {} per side", where, width, height, kMaxImageSide));
  }
  if (width * height > kMaxImagePixels) {
    source.fail(fmt::format("{}: {}x{} > limit {} pixels", where, width, height, kMaxImagePixels));
  }
}

int check_writable_image(const char* operation, const Array& image) {
  if (image.dtype != DType::u8) {
    throw DTypeError(fmt::format("{}: expected u8, got {}", operation, name_of(image.dtype)));
  }
  const Shape& shape = image.shape;
  const int64_t channels = shape.rank() == 3 ? shape[2] : shape.rank() == 2 ? 1 : 0;
  if (channels < 1 || channels > 4 || shape[0] < 1 || shape[1] < 1 || shape[0] > kMaxImageSide ||
      shape[1] > kMaxImageSide) {
    throw ShapeError(fmt::format(
        "{}: expected [height, width, channels] with sides 1..{} and 1..4 channels, got {}",
        operation, kMaxImageSide, shape.to_string()));
  }
  return static_cast<int>(channels);
}

Array to_8_bit(const Array& image) {
  if (image.dtype != DType::u16) return image;
  Array out(DType::u8, image.shape, "image");
  const auto in = image.span<uint16_t>();
  std::transform(in.begin(), in.end(), out.span<uint8_t>().begin(),
                 [](uint32_t v) { return static_cast<uint8_t>((v * 255 + 32767) / 65535); });
  return out;
}

Array to_channels(const Array& image, int channels) {
  check_u8_image("to_channels", image);
  if (channels != 1 && channels != 3 && channels != 4) {
    throw ValueError(fmt::format("to_channels: expected 1, 3 or 4, got {}", channels));
  }
  const auto from = static_cast<int>(image.shape[2]);
  if (from == channels) return image;
  Array out(DType::u8, {image.shape[0], image.shape[1], channels}, "image");
  const uint8_t* p = image.span<uint8_t>().data();
  const uint8_t* end = p + image.bytes.size();
  for (uint8_t* q = out.span<uint8_t>().data(); p != end; p += from, q += channels) {
    const uint8_t r = p[0], g = from > 2 ? p[1] : r, b = from > 2 ? p[2] : r;
    if (channels == 1) {
      q[0] =
          from > 2 ? static_cast<uint8_t>((19595u * r + 38470u * g + 7471u * b + 32768u) >> 16) : r;
      continue;
    }
    q[0] = r, q[1] = g, q[2] = b;
    if (channels == 4) q[3] = from == 2 ? p[1] : 255;
  }
  return out;
}

Array resize(const Array& image, int64_t height, int64_t width) {
  check_u8_image("resize", image);
  const int64_t old_height = image.shape[0], old_width = image.shape[1];
  if (old_height < 1 || old_width < 1) {
    throw ShapeError("resize: expected sides >= 1, got " + image.shape.to_string());
  }
  if (height < 1 || width < 1 || height > kMaxImageSide || width > kMaxImageSide) {
    throw ValueError(
        fmt::format("resize: expected sides 1..{}, got {}x{}", kMaxImageSide, width, height));
  }
  // Columns first, unless that makes the picture larger and rows first makes it smaller.
  if (height < old_height && width > old_width) {
    return resize_columns(resize_rows(image, height), width);
  }
  return resize_rows(resize_columns(image, width), height);
}

}  // namespace varve::formats
