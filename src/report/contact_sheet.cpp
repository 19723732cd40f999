#include "report/contact_sheet.h"

#include <algorithm>
#include <cstring>

#include "base/math.h"
#include "formats/image.h"

namespace varve::report {
namespace {

constexpr uint8_t kSheet[] = {0xfd, 0xfc, 0xf9};
constexpr uint8_t kGreySheet = 0xfc;

void paste(formats::Array& sheet, const formats::Array& picture, int64_t top, int64_t left,
           int64_t scale) {
  const int64_t height = picture.shape[0], width = picture.shape[1], channels = picture.shape[2];
  const int64_t across = sheet.shape[1];
  const std::span<const uint8_t> from = picture.span<uint8_t>();
  const std::span<uint8_t> to = sheet.span<uint8_t>();
  for (int64_t y = 0; y < height * scale; ++y) {
    for (int64_t x = 0; x < width * scale; ++x) {
      const int64_t source = ((y / scale) * width + x / scale) * channels;
      const int64_t target = ((top + y) * across + left + x) * channels;
      std::copy_n(from.begin() + source, channels, to.begin() + target);
    }
  }
}

}  // namespace

formats::Array contact_sheet(std::span<const formats::Array> pictures,
                             const ContactSheet& options) {
  if (pictures.empty()) throw ValueError("contact_sheet: no pictures");
  int channels = 1;
  int64_t height = 0, width = 0;
  for (const formats::Array& p : pictures) {
    if (formats::check_writable_image("contact_sheet", p) >= 3) channels = 3;
    height = std::max(height, p.shape[0]);
    width = std::max(width, p.shape[1]);
  }
  const int64_t scale = std::max(1, options.scale), gap = std::max(0, options.gap);
  const int64_t columns =
      std::clamp<int64_t>(options.columns, 1, static_cast<int64_t>(pictures.size()));
  const int64_t rows = ceil_div(static_cast<int64_t>(pictures.size()), columns);
  const int64_t cell_height = height * scale + gap, cell_width = width * scale + gap;
  formats::Array sheet(DType::u8,
                       Shape{rows * cell_height + gap, columns * cell_width + gap, channels});
  const std::span<uint8_t> pixels = sheet.span<uint8_t>();
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = channels == 1 ? kGreySheet : kSheet[i % 3];
  for (size_t i = 0; i < pictures.size(); ++i) {
    formats::Array p = pictures[i];
    if (p.shape.rank() == 2) p.shape = Shape{p.shape[0], p.shape[1], 1};
    p = formats::to_channels(p, channels);
    const int64_t row = static_cast<int64_t>(i) / columns,
                  column = static_cast<int64_t>(i) % columns;
    paste(sheet, p, gap + row * cell_height + (height - p.shape[0]) * scale / 2,
          gap + column * cell_width + (width - p.shape[1]) * scale / 2, scale);
  }
  return sheet;
}

}  // namespace varve::report
