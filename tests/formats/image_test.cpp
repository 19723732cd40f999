#include "formats/image.h"

#include <algorithm>

#include "formats/jpeg.h"
#include "formats/png.h"
#include "golden.h"
#include "helpers.h"

namespace varve::formats {
namespace {

// The picture of golden/make_golden.py.
Array picture(int64_t height, int64_t width, int64_t channels) {
  Array out(DType::u8, {height, width, channels});
  auto* p = out.span<uint8_t>().data();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t k = 0; k < channels; ++k) {
        *p++ = static_cast<uint8_t>(x * 37 + y * 91 + k * 53 + x * y * 17 / 5);
      }
    }
  }
  return out;
}

Shape parse_shape(const std::string& text) {
  std::vector<int64_t> dims;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, 'x');) dims.push_back(std::stoll(part));
  return Shape(dims);
}

TEST(Resize, GivesTheBitsOfPillow) {
  for (const Golden& row : golden("resize")) {
    const Shape from = parse_shape(row.name), to = parse_shape(row.shape);
    expect_golden(row, resize(picture(from[0], from[1], from[2]), to[0], to[1]));
  }
}

TEST(Resize, ToTheSameSizeChangesNothing) {
  const Array image = picture(7, 5, 3);
  EXPECT_EQ(resize(image, 7, 5).bytes.text(), image.bytes.text());
}

TEST(Resize, AConstantPictureStaysConstant) {
  Array image(DType::u8, {37, 41, 3});
  std::fill_n(image.bytes.data(), image.bytes.size(), std::byte{201});
  for (int64_t side : {1, 2, 36, 38, 100}) {
    for (uint8_t v : std::as_const(image).span<uint8_t>().first(3)) EXPECT_EQ(v, 201);
    const Array out = resize(image, side, 2 * side);
    EXPECT_EQ(std::count(out.span<uint8_t>().begin(), out.span<uint8_t>().end(), 201),
              out.bytes.size());
  }
}

TEST(Resize, RefusesWhatItCannotDo) {
  EXPECT_EQ(message_of([] { resize(picture(2, 2, 1), 0, 3); }),
            "resize: expected sides 1..16384, got 3x0");
  EXPECT_EQ(message_of([] {
              resize(Array(DType::f32, {2, 2, 1}), 1, 1);
            }),
            "resize: expected u8, got f32");
  EXPECT_EQ(message_of([] {
              resize(Array(DType::u8, {2, 2}), 1, 1);
            }),
            "resize: expected [height, width, 1..4], got [2, 2]");
}

TEST(Channels, GreyIsPillowsLuma) {
  for (const Golden& row : golden("grey")) expect_golden(row, to_channels(picture(9, 11, 3), 1));
}

TEST(Channels, AreAddedAndDroppedAsDocumented) {  // B070
  Array two(DType::u8, {1, 1, 2});
  two.bytes.data()[0] = std::byte{9};
  two.bytes.data()[1] = std::byte{50};
  const auto list = [](const Array& image) {
    return std::vector<int>(image.span<uint8_t>().begin(), image.span<uint8_t>().end());
  };
  EXPECT_EQ(list(to_channels(two, 1)), (std::vector<int>{9}));
  EXPECT_EQ(list(to_channels(two, 3)), (std::vector<int>{9, 9, 9}));
  EXPECT_EQ(list(to_channels(two, 4)), (std::vector<int>{9, 9, 9, 50}));
  EXPECT_EQ(list(to_channels(picture(1, 1, 3), 4)), (std::vector<int>{0, 53, 106, 255}));
  EXPECT_EQ(list(to_channels(picture(1, 1, 4), 3)), (std::vector<int>{0, 53, 106}));
  EXPECT_EQ(message_of([&] { to_channels(two, 2); }), "to_channels: expected 1, 3 or 4, got 2");
}

TEST(Image, SixteenBitsAreRoundedToEight) {
  Array deep(DType::u16, {1, 4, 1});
  const std::array<uint16_t, 4> values{0, 128, 129, 65535};
  std::copy(values.begin(), values.end(), deep.span<uint16_t>().begin());
  const Array out = to_8_bit(deep);
  EXPECT_EQ(std::vector<int>(out.span<uint8_t>().begin(), out.span<uint8_t>().end()),
            (std::vector<int>{0, 0, 1, 255}));
}

TEST(Image, TheContentDecidesNotTheName) {  // B061
  Folder folder;
  const std::string png = folder / "really.jpg", jpeg = folder / "really.png";
  write_png(png, picture(3, 4, 3));
  write_jpeg(jpeg, picture(3, 4, 3));
  EXPECT_EQ(read_image(png).bytes.text(), picture(3, 4, 3).bytes.text());
  EXPECT_EQ(read_image(jpeg).shape, Shape({3, 4, 3}));
  EXPECT_EQ(read_image(jpeg, 1).shape, Shape({3, 4, 1}));
  const std::string text = folder.file("text.png", "Hello");
  EXPECT_EQ(message_of([&] { read_image(text); }), text + ": not a PNG: starts with \"Hello\"");
  const std::string other = folder.file("text.JPG", "Hello, world\n");
  EXPECT_EQ(message_of([&] { read_image(other); }),
            other + ": not a JPEG: starts with \"Hello, w\"");
  const std::string none = folder.file("data", "\n\x1b[2Jx");
  EXPECT_EQ(message_of([&] { read_image(none); }),
            none + ": not a PNG or JPEG: starts with \"\\x0a\\x1b[2Jx\"");
}

}  // namespace
}  // namespace varve::formats
