#include "formats/png.h"

#include <rapidcheck.h>
#include <zlib.h>

#include <algorithm>

#include "formats/gzip.h"
#include "golden.h"
#include "helpers.h"

namespace varve::formats {
namespace {

const std::string kSignature = "\x89PNG\r\n\x1a\n";

std::string big(int64_t value) {
  return bytes(
      {int(value >> 24 & 255), int(value >> 16 & 255), int(value >> 8 & 255), int(value & 255)});
}

std::string chunk(const std::string& type, const std::string& data) {
  return big(static_cast<int64_t>(data.size())) + type + data +
         big(formats::crc32(as_bytes(type + data)));
}

std::string zlib(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
           raw.size());
  return out.substr(0, size);
}

void unzlib(const std::string& packed, size_t size) {
  std::string raw(size, '\0');
  uLongf length = size;
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(raw.data()), &length,
                       reinterpret_cast<const Bytef*>(packed.data()), packed.size()),
            Z_OK);
  ASSERT_EQ(length, size);
}

std::string header(int64_t width, int64_t height, int depth, int colour, int interlace = 0) {
  return chunk("IHDR", big(width) + big(height) + bytes({depth, colour, 0, 0, interlace}));
}

const std::string kEnd = chunk("IEND", "");
const std::string kGrey1x1 = header(1, 1, 8, 0);
const std::string kData1x1 = chunk("IDAT", zlib(std::string("\0\x7f", 2)));

uint16_t sample(int64_t x, int64_t y, int64_t k, int depth) {
  return static_cast<uint16_t>((x * 7919 + y * 104729 + k * 1299709) & ((1 << depth) - 1));
}

// The rows of one pass: every `step`th pixel from `origin`, unfiltered.
std::string rows(int width, int height, int channels, int depth, int x0, int dx, int y0, int dy) {
  std::string out;
  for (int y = y0; y < height && x0 < width; y += dy) {
    out += '\0';
    int bits = 0, filled = 0;
    for (int x = x0; x < width; x += dx) {
      for (int k = 0; k < channels; ++k) {
        const int v = sample(x, y, k, depth);
        if (depth == 16) out += static_cast<char>(v >> 8);
        if (depth >= 8) out += static_cast<char>(v);
        if (depth >= 8) continue;
        bits = bits << depth | v;
        if ((filled += depth) == 8) {
          out += static_cast<char>(bits);
          bits = filled = 0;
        }
      }
    }
    if (filled > 0) out += static_cast<char>(bits << (8 - filled));
  }
  return out;
}

std::string made_png(int width, int height, int colour, int depth, bool interlaced,
                     const std::string& extra = "") {
  const int channels = colour == 2 ? 3 : colour == 6 ? 4 : colour == 4 ? 2 : 1;
  std::string raw;
  if (interlaced) {
    constexpr int kPasses[7][4] = {{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4},
                                   {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}};
    for (auto& p : kPasses) raw += rows(width, height, channels, depth, p[0], p[1], p[2], p[3]);
  } else {
    raw = rows(width, height, channels, depth, 0, 1, 0, 1);
  }
  const std::string data = zlib(raw);  // in two chunks
  return kSignature + header(width, height, depth, colour, interlaced) + extra +
         chunk("IDAT", data.substr(0, data.size() / 2)) +
         chunk("IDAT", data.substr(data.size() / 2)) + kEnd;
}

void read_memory(const std::string& file) { read_png(Source::memory("m", as_bytes(file))); }

TEST(Png, ReadsWhatPillowWrites) {
  for (const Golden& row : golden(".png")) expect_golden(row, read_png(row.path()));
}

TEST(Png, ReadsEveryColourTypeDepthAndInterlacing) {
  for (auto [colour, depths] : std::vector<std::pair<int, std::vector<int>>>{
           {0, {1, 2, 4, 8, 16}}, {2, {8, 16}}, {4, {8, 16}}, {6, {8, 16}}}) {
    for (int depth : depths) {
      for (bool interlaced : {false, true}) {
        for (int width : {1, 2, 5, 8, 13}) {
          const std::string file = made_png(width, 11, colour, depth, interlaced);
          const Array image = read_png(Source::memory("m", as_bytes(file)));
          const int channels = colour == 2 ? 3 : colour == 6 ? 4 : colour == 4 ? 2 : 1;
          ASSERT_EQ(image.shape, Shape({11, width, channels}));
          ASSERT_EQ(image.dtype, depth == 16 ? DType::u16 : DType::u8);
          for (int64_t i = 0; i < image.shape.size(); ++i) {
            const int64_t x = i / channels % width, y = i / channels / width, k = i % channels;
            // Fewer bits are spread over 0..255: 255 is a multiple of 1, 3 and 15.
            const int expected =
                sample(x, y, k, depth) * (depth < 8 ? 255 / ((1 << depth) - 1) : 1);
            const int got = depth == 16 ? image.span<uint16_t>()[static_cast<size_t>(i)]
                                        : image.span<uint8_t>()[static_cast<size_t>(i)];
            ASSERT_EQ(got, expected) << colour << " " << depth << " " << x << "," << y;
          }
        }
      }
    }
  }
}

TEST(Png, PalettesBecomeColours) {
  const std::string palette = chunk("PLTE", bytes({10, 20, 30, 40, 50, 60}));
  for (bool interlaced : {false, true}) {
    const std::string plain = made_png(5, 3, 3, 1, interlaced, palette);
    const std::string clear =
        made_png(5, 3, 3, 1, interlaced, palette + chunk("tRNS", bytes({77})));
    const Array rgb = read_png(Source::memory("m", as_bytes(plain)));
    const Array rgba = read_png(Source::memory("m", as_bytes(clear)));
    ASSERT_EQ(rgb.shape, Shape({3, 5, 3}));
    ASSERT_EQ(rgba.shape, Shape({3, 5, 4}));
    for (int64_t i = 0; i < 15; ++i) {
      const int index = sample(i % 5, i / 5, 0, 1);
      const auto at = static_cast<size_t>(i);
      EXPECT_EQ(rgb.span<uint8_t>()[3 * at + 1], index ? 50 : 20);
      EXPECT_EQ(rgba.span<uint8_t>()[4 * at + 2], index ? 60 : 30);
      EXPECT_EQ(rgba.span<uint8_t>()[4 * at + 3], index ? 255 : 77);
    }
  }
}

TEST(Png, ATransparentColourGivesAnAlphaChannel) {
  const std::string file =
      made_png(4, 2, 0, 8, false, chunk("tRNS", bytes({0, sample(1, 1, 0, 8)})));
  const Array image = read_png(Source::memory("m", as_bytes(file)));
  ASSERT_EQ(image.shape, Shape({2, 4, 2}));
  EXPECT_EQ(image.span<uint8_t>()[2 * 5 + 1], 0);
  EXPECT_EQ(image.span<uint8_t>()[1], 255);
}

TEST(Png, TakesBackWhatItWrote) {
  EXPECT_TRUE(rc::check([] {
    const auto height = *rc::gen::inRange<int64_t>(1, 20),
               width = *rc::gen::inRange<int64_t>(1, 20);
    const auto channels = *rc::gen::inRange<int64_t>(1, 5);
    Array image(DType::u8, {height, width, channels});
    for (std::byte& b : image.bytes.span())
      b = static_cast<std::byte>(*rc::gen::arbitrary<uint8_t>());
    const Buffer file = encode_png(image);
    const Array back = read_png(Source::memory("m", file.span()));
    RC_ASSERT(back.shape == image.shape);
    RC_ASSERT(back.bytes.text() == image.bytes.text());
  }));
}

TEST(Png, RefusesEveryBadInput) {  // B061 to B066
  const std::string start = kSignature + kGrey1x1, good = start + kData1x1 + kEnd;
  std::string bad_crc = start + chunk("tEXt", std::string(7955, 'x')) + kData1x1 + kEnd;
  bad_crc[8000 + 8] ^= 1;
  const auto crc_of = [](const std::string& part) {
    std::string out = "xxxxxxxx";
    std::snprintf(out.data(), 9, "%08x", formats::crc32(as_bytes(part)));
    return out;
  };
  const std::string broken = bad_crc.substr(8004, 4 + kData1x1.size() - 12);
  check_bad_inputs(
      [](const std::string& path) { read_png(path); },
      {{"B061", "Hello", "not a PNG: starts with \"Hello\""},
       {"B061 empty", "", "not a PNG (it is empty)"},
       {"B062 0x0", kSignature + header(0, 0, 8, 0), "IHDR: expected sides >= 1, got 0x0"},
       {"B062 2^31", kSignature + header(int64_t{1} << 31, int64_t{1} << 31, 8, 0),
        "IHDR: 2147483648x2147483648 > limit 16384 per side"},
       {"B062", kSignature + header(30000, 30000, 8, 0) + kData1x1 + kEnd,
        "IHDR: 30000x30000 > limit 16384 per side"},
       {"B062 area", kSignature + header(16384, 4097, 8, 0),
        "IHDR: 16384x4097 > limit 67108864 pixels"},
       {"B062 bytes", kSignature + header(8192, 8192, 16, 6),
        "IHDR: 8192x8192 with 16 bits a channel > limit 268435456 bytes"},
       {"B063 CRC", bad_crc,
        "chunk IDAT at byte 8000: CRC: expected " +
            crc_of("IDAT" + zlib(std::string("\0\x7f", 2))) + ", got " + crc_of(broken)},
       {"B063 length", start + big(500) + "tEXt" + std::string(20, 'x'),
        "chunk tEXt at byte 33: length 500, only 16 bytes left; truncated?"},
       {"B063 huge length", start + big(0xffffffff) + "tEXt" + std::string(20, 'x'),
        "chunk tEXt at byte 33: length: expected <= 2147483647, got 4294967295"},
       {"B063 no IDAT", start + kEnd, "chunk IDAT missing"},
       {"B063 two IHDR", start + kGrey1x1 + kData1x1 + kEnd,
        "chunk IHDR at byte 33: a second IHDR"},
       {"B063 no IHDR", kSignature + kData1x1 + kEnd, "chunk IDAT at byte 8: expected IHDR first"},
       {"B063 type", start + chunk("I\nAT", "") + kEnd,
        "chunk at byte 33: expected a type of 4 letters, got \"I\\x0aAT\""},
       {"B063 critical", start + chunk("ABCD", "") + kData1x1 + kEnd,
        "chunk ABCD at byte 33: unknown critical chunk"},
       {"B063 apart", start + kData1x1 + chunk("tEXt", "x") + kData1x1 + kEnd,
        "chunk IDAT at byte 68: the IDAT chunks are not consecutive"},
       {"R7 data after IEND", good + "PK\x03\x04", "end of file: expected 67 bytes, got 71"},
       {"B064 depth", kSignature + header(1, 1, 3, 0) + kData1x1 + kEnd,
        "IHDR: bit depth: expected 1 2 4 8 16 with colour type 0, got 3"},
       {"B064 colour", kSignature + header(1, 1, 8, 5) + kData1x1 + kEnd,
        "IHDR: colour type: expected 0 2 3 4 6, got 5"},
       {"B064 interlace", kSignature + header(1, 1, 8, 0, 2) + kData1x1 + kEnd,
        "IHDR: interlace method: expected 0 or 1, got 2"},
       {"B064 index",
        made_png(5, 3, 3, 2, false, chunk("PLTE", bytes({1, 2, 3, 4, 5, 6, 7, 8, 9}))),
        "palette: pixel at row 0 column 1: expected index < 3, got 3"},
       {"B064 no palette", made_png(5, 3, 3, 2, false),
        "chunk IDAT at byte 33: expected PLTE before it"},
       {"B064 palette length", made_png(5, 3, 3, 2, false, chunk("PLTE", std::string(15, 'x'))),
        "chunk PLTE at byte 33: length: expected a multiple of 3 from 3 to 12, got 15"},
       {"B066 all rows, no end", start + kData1x1, "ended after row 1 of 1; truncated?"},
       {"B066 too few data", start + chunk("IDAT", zlib(std::string("\0", 1))) + kEnd,
        "ended after row 0 of 1; truncated?"},
       {"too many data", start + chunk("IDAT", zlib(std::string("\0\x7f\0\x7f", 4))) + kEnd,
        "row 0 of 1: IDAT: Too much image data"},
       {"bad filter", start + chunk("IDAT", zlib(std::string("\x09\x7f", 2))) + kEnd,
        "row 0 of 1: bad adaptive filter value"}});
}

TEST(Png, ACutFileSaysAfterWhichRowItEnds) {  // B066
  std::string raw;
  uint32_t noise = 1;
  for (int i = 0; i < 512 * 513; ++i) {
    noise = noise * 1664525 + 1013904223;  // does not compress, so half the file is half the rows
    raw += static_cast<char>(i % 513 == 0 ? 0 : noise >> 24);
  }
  const std::string file = kSignature + header(512, 512, 8, 0) + chunk("IDAT", zlib(raw)) + kEnd;
  const std::string message = message_of([&] { read_memory(file.substr(0, file.size() / 2)); });
  int row = 0;
  ASSERT_EQ(std::sscanf(message.c_str(), "m: ended after row %d of 512", &row), 1) << message;
  EXPECT_NEAR(row, 256, 2);
  // So little is left that the picture cannot be in it: nothing of its size is allocated.
  EXPECT_EQ(message_of([&] { read_memory(file.substr(0, 60)); }),
            "m: ended after row 0 of 512; truncated?");
}

TEST(Png, BombsInSkippedChunksAreNeverUnpacked) {  // B065
  const std::string bomb = zlib(std::string(50'000'000, '\0'));
  std::string file = kSignature + kGrey1x1;
  file += chunk("zTXt", std::string("k\0\0", 3) + bomb);
  file += chunk("iCCP", std::string("k\0\0", 3) + bomb) + kData1x1 + kEnd;
  const double unpacked = cpu_seconds([&] { unzlib(bomb, 50'000'000); });
  EXPECT_LT(cpu_seconds([&] { read_memory(file); }), unpacked / 4);
}

TEST(Png, TheTimeOfChunksGrowsNoFasterThanTheirNumber) {  // B065
  const auto seconds = [](int chunks) {
    std::string file = kSignature + kGrey1x1;
    for (int i = 0; i < chunks; ++i) file += chunk("tEXt", "");
    file += kData1x1 + kEnd;
    return cpu_seconds([&] { read_memory(file); });
  };
  const double million = seconds(1'000'000);
  // Where each looked back at all before it, it would be a hundred times.
  EXPECT_LT(million, 30 * seconds(100'000));
  // Two seconds on a machine that unpacks 50 megabytes in an eighth.
  const std::string packed = zlib(std::string(50'000'000, '\0'));
  EXPECT_LT(million, 15 * cpu_seconds([&] { unzlib(packed, 50'000'000); }));
}

TEST(Png, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) { read_png(source); };
  check_damage(read, made_png(5, 3, 2, 8, false));
  check_damage(read, made_png(5, 3, 3, 2, true, chunk("PLTE", std::string(12, 'x'))));
}

TEST(Png, RefusesToWriteWhatTheFormatCannotHold) {
  EXPECT_EQ(message_of([] {
              encode_png(Array(DType::f32, {2, 2}));
            }),
            "write_png: expected u8, got f32");
  EXPECT_EQ(message_of([] {
              encode_png(Array(DType::u8, {2, 2, 5}));
            }),
            "write_png: expected [height, width, channels] with sides 1..16384 and 1..4 channels, "
            "got [2, 2, 5]");
}

}  // namespace
}  // namespace varve::formats
