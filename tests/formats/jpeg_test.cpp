#include "formats/jpeg.h"

// jpeglib.h needs FILE, jerror.h needs jpeglib.h.
// clang-format off
#include <stdio.h>
#include <jpeglib.h>
// clang-format on
#include <algorithm>
#include <cmath>

#include "formats/image.h"
#include "golden.h"
#include "helpers.h"

namespace varve::formats {
namespace {

const std::string kGolden = VARVE_SOURCE_DIR "/tests/formats/golden/";

Array smooth(int64_t height, int64_t width) {
  Array out(DType::u8, {height, width, 3});
  auto* p = out.span<uint8_t>().data();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t k = 0; k < 3; ++k) {
        *p++ = static_cast<uint8_t>(std::min<int64_t>(255, x * (3 + k) + y * (5 - k) + 40 * k));
      }
    }
  }
  return out;
}

// Progressive, grey, one coefficient a scan: `scans` of them, at most 65.
std::string many_scans(int scans) {
  std::vector<jpeg_scan_info> script{{1, {0, 0, 0, 0}, 0, 0, 0, 0}};
  for (int i = 1; i < 64; ++i) script.push_back({1, {0, 0, 0, 0}, i, i, 0, 1});
  script.push_back({1, {0, 0, 0, 0}, 1, 63, 1, 0});
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = jpeg.image_height = 16;
  jpeg.input_components = 1;
  jpeg.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg.scan_info = script.data();
  jpeg.num_scans = scans;
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<JSAMPLE> row(16);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) row[static_cast<size_t>(x)] = static_cast<JSAMPLE>(x * y * 7);
    JSAMPROW p = row.data();
    jpeg_write_scanlines(&jpeg, &p, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string out(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return out;
}

std::string with_exif(const std::string& file, int orientation, bool big) {
  const std::string tiff =
      big ? std::string("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1", 18) + bytes({0, orientation, 0, 0})
          : std::string("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0", 18) +
                bytes({orientation, 0, 0, 0});
  const std::string data = std::string("Exif\0\0", 6) + tiff + std::string(4, '\0');
  return file.substr(0, 2) + bytes({0xff, 0xe1, 0, static_cast<int>(data.size() + 2)}) + data +
         file.substr(2);
}

Array read_memory(const std::string& file) {
  return read_jpeg(Source::memory("m", as_bytes(file)));
}

TEST(Jpeg, ReadsWhatPillowWrites) {
  for (const Golden& row : golden(".jpg")) expect_golden(row, read_jpeg(row.path()));
}

TEST(Jpeg, TakesBackNearlyWhatItWrote) {
  const Array image = smooth(33, 47);
  const Buffer file = encode_jpeg(image, 100);
  const Array back = read_jpeg(Source::memory("m", file.span()));
  ASSERT_EQ(back.shape, image.shape);
  double squares = 0;
  for (size_t i = 0; i < back.span<uint8_t>().size(); ++i) {
    squares += std::pow(back.span<uint8_t>()[i] - image.span<uint8_t>()[i], 2);
  }
  const double psnr =
      10 * std::log10(255 * 255 * static_cast<double>(image.bytes.size()) / squares);
  EXPECT_GT(psnr, 40);
  Array grey(DType::u8, {8, 8});
  std::fill_n(grey.bytes.data(), 64, std::byte{99});
  const Buffer small = encode_jpeg(grey);
  EXPECT_EQ(read_jpeg(Source::memory("m", small.span())).span<uint8_t>()[17], 99);
}

TEST(Jpeg, AppliesEveryExifOrientation) {  // B068
  // Quadrants, each 16 wide, so that the blocks of the code keep to themselves.
  Array image(DType::u8, {32, 48, 1});
  for (int64_t i = 0; i < image.bytes.size(); ++i) {
    const int64_t row = i / 48 / 16, column = i % 48 / 16;
    image.bytes.data()[i] = static_cast<std::byte>(20 + 40 * (3 * row + column));
  }
  const std::string file(encode_jpeg(image, 100).text());
  // The numbers of the blocks as a viewer shows them.
  const std::vector<std::vector<int>> expected{
      {0, 1, 2, 3, 4, 5}, {2, 1, 0, 5, 4, 3}, {5, 4, 3, 2, 1, 0}, {3, 4, 5, 0, 1, 2},
      {0, 3, 1, 4, 2, 5}, {3, 0, 4, 1, 5, 2}, {5, 2, 4, 1, 3, 0}, {2, 5, 1, 4, 0, 3}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (bool big : {false, true}) {
      const Array out = read_memory(with_exif(file, orientation, big));
      const int64_t rows = orientation > 4 ? 3 : 2, columns = orientation > 4 ? 2 : 3;
      ASSERT_EQ(out.shape, Shape({16 * rows, 16 * columns, 1}));
      for (int64_t i = 0; i < 6; ++i) {
        const int64_t at = (16 * (i / columns) + 8) * 16 * columns + 16 * (i % columns) + 8;
        const int value = std::to_integer<int>(out.bytes.data()[at]);
        EXPECT_EQ((value + 5 - 20) / 40,
                  expected[static_cast<size_t>(orientation - 1)][static_cast<size_t>(i)])
            << orientation;
      }
    }
  }
  for (int orientation : {0, 9}) {
    EXPECT_EQ(read_memory(with_exif(file, orientation, true)).shape, image.shape);
  }
}

TEST(Jpeg, RefusesEveryBadInput) {  // B061, B062, B067, B068
  const std::string good = read_text(kGolden + "colour.jpg");
  const size_t frame = good.find("\xff\xc0");
  ASSERT_NE(frame, good.npos);
  std::string deep = good, lossless = good, wide = good, empty = good;
  deep[frame + 4] = 12;
  lossless[frame + 1] = '\xc3';
  wide.replace(frame + 5, 4, bytes({0x75, 0x30, 0x75, 0x30}));
  empty.replace(frame + 7, 2, bytes({0, 0}));
  check_bad_inputs(
      [](const std::string& path) { read_jpeg(path); },
      {{"B061", "GIF89a and more", "not a JPEG (it begins like a GIF image)"},
       {"B062", wide, "SOF: 30000x30000 > limit 16384 per side"},
       {"B062 0", empty, "JPEG: Empty JPEG image (DNL not supported)"},
       {"B067", good.substr(0, good.size() - 40), "JPEG: Premature end of JPEG file"},
       {"B067 header", good.substr(0, 30), "JPEG: Premature end of JPEG file"},
       {"B067 no end", good.substr(0, good.size() - 2), "JPEG: Premature end of JPEG file"},
       {"B068 CMYK", read_text(kGolden + "cmyk.jpg"),
        "JPEG: CMYK is not supported; expected grey or RGB"},
       {"B068 12 bits", deep, "JPEG: Unsupported JPEG data precision 12"},
       {"B068 lossless", lossless, "JPEG: Unsupported JPEG process: SOF type 0xc3"},
       {"R7", good + "PK",
        "end of file: expected " + std::to_string(good.size()) + " bytes, got " +
            std::to_string(good.size() + 2)}});
}

TEST(Jpeg, FurtherPicturesMayFollowWhereAMarkerAnnouncesThem) {
  const std::string good = read_text(kGolden + "colour.jpg");
  const std::string announced = good.substr(0, 2) + bytes({0xff, 0xe2, 0, 6}) +
                                std::string("MPF\0", 4) + good.substr(2) + good;
  EXPECT_EQ(read_memory(announced).bytes.text(), read_memory(good).bytes.text());
}

TEST(Jpeg, TakesSixtyFourScansAndNoMore) {  // B069
  EXPECT_EQ(read_memory(many_scans(64)).shape, Shape({16, 16, 1}));
  EXPECT_EQ(message_of([] { read_memory(many_scans(65)); }), "m: JPEG: more than 64 scans");
}

TEST(Jpeg, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) { read_jpeg(source); };
  check_damage(read, read_text(kGolden + "grey.jpg"));
  check_damage(read, read_text(kGolden + "progressive.jpg"));
  check_damage(read, read_text(kGolden + "orientation6.jpg"));
}

TEST(Jpeg, RefusesToWriteWhatTheFormatCannotHold) {
  EXPECT_EQ(message_of([] {
              encode_jpeg(Array(DType::u8, {2, 2, 4}));
            }),
            "write_jpeg: expected 1 or 3 channels, got 4");
  EXPECT_EQ(message_of([] {
              encode_jpeg(Array(DType::u8, {2, 2, 3}), 0);
            }),
            "write_jpeg: quality: expected 1..100, got 0");
}

}  // namespace
}  // namespace varve::formats
