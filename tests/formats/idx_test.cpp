#include "formats/idx.h"

#include <algorithm>
#include <numeric>

#include "formats/gzip.h"
#include "formats/sha256.h"
#include "helpers.h"

namespace varve::formats {
namespace {

std::string packed(std::string_view text) { return std::string(gzip(as_bytes(text)).text()); }

const std::string kMnist = VARVE_SOURCE_DIR "/data/mnist/";

TEST(Gzip, TakesBackWhatItGave) {
  Folder folder;
  for (int64_t size : {0, 1, 2, 65535, 65536, 65537, 1'000'003}) {
    std::string text;
    for (int64_t i = 0; i < size; ++i) text += static_cast<char>(i * i >> 3);
    for (int level : {0, 1, 6, 9}) {
      const Buffer out = gzip(as_bytes(text), level);
      EXPECT_EQ(read_gzip(Source::memory("m", out.span())).text(), text);
    }
    EXPECT_EQ(read_maybe_gzip(folder.file("z", packed(text))).text(), text);
    EXPECT_EQ(read_maybe_gzip(folder.file("p", text)).text(), text);
  }
}

TEST(Gzip, ReadsTheOptionalPartsOfAHeader) {
  // gzip of "hi" with extra field, name, comment; the deflate data are one stored block.
  const std::string head = bytes({0x1f, 0x8b, 8, 4 + 8 + 16, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 'y'}) +
                           std::string("name\0comment\0", 13);
  const std::string data = bytes({1, 2, 0, 0xfd, 0xff, 'h', 'i'});
  const std::string tail = bytes({0xac, 0x2a, 0x93, 0xd8, 2, 0, 0, 0});
  const std::string all = head + data + tail;
  EXPECT_EQ(read_gzip(Source::memory("m", as_bytes(all))).text(), "hi");
}

TEST(Gzip, RefusesEveryBrokenFile) {  // B058
  const std::string good = packed("hello hello hello");
  std::string crc = good, length = good, method = good, flags = good;
  crc[good.size() - 8] ^= 1;
  length[good.size() - 4] ^= 1;
  method[2] = 7;
  flags[3] = '\x20';
  const auto read = [](const std::string& path) { read_gzip(Source::open(path)); };
  check_bad_inputs(
      read,
      {{"not gz", "PK\x03\x04 and many more bytes", "gzip: magic: expected 1f 8b, got 50 4b"},
       {"empty", "", "gzip: file too short: expected at least 18 bytes, got 0"},
       {"crc", crc, "gzip: CRC mismatch at end (expected e5f98881, got e5f98880)"},
       {"length", length, "gzip: length mismatch at end (expected 16, got 17)"},
       {"method", method, "gzip: method: expected 8 (deflate), got 7"},
       {"flags", flags, "gzip: flags: reserved bits set (20)"},
       {"second member", good + good,
        "gzip: end of file: expected 28 bytes, got 56 (a second member?)"},
       {"trailing", good + "x", "gzip: end of file: expected 28 bytes, got 29 (a second member?)"},
       {"trailer cut", good.substr(0, good.size() - 3),
        "gzip: trailer: expected 8 bytes, got 5; truncated?"},
       {"data cut", packed(std::string(5000, 'x')).substr(0, 20),
        "gzip: data end at byte 20; truncated?"},
       {"block type 3", good.substr(0, 10) + "\x07" + good.substr(11),
        "gzip: invalid data near byte 11: invalid block type"}});
  check_damage([](const Source& source) { read_gzip(source); }, good);
}

TEST(Gzip, StopsABombAtItsCap) {  // B059
  const std::string bomb = packed(std::string(20'000'000, '\0'));
  EXPECT_LT(bomb.size(), 20'000u);
  EXPECT_EQ(message_of([&] { read_gzip(Source::memory("bomb.gz", as_bytes(bomb)), 1'000'000); }),
            "bomb.gz: gzip: more than 1000000 bytes of data, the limit here");
  // A trailer that lies about the length does not change what is read.
  std::string lying = bomb;
  std::fill(lying.end() - 4, lying.end(), '\0');
  EXPECT_EQ(message_of([&] { read_gzip(Source::memory("b", as_bytes(lying))); }),
            "b: gzip: length mismatch at end (expected 0, got 20000000)");
}

TEST(Gzip, Crc32GivesTheStandardCheckValue) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc32(as_bytes("6789"), crc32(as_bytes("12345"))), 0xcbf43926u);
}

TEST(Idx, MnistHasItsPublishedShapeAndLabels) {
  const auto train =
      read_idx_pair(kMnist + "train-images-idx3-ubyte.gz", kMnist + "train-labels-idx1-ubyte.gz");
  const auto test =
      read_idx_pair(kMnist + "t10k-images-idx3-ubyte.gz", kMnist + "t10k-labels-idx1-ubyte.gz");
  EXPECT_EQ(train.images.shape, Shape({60000, 28, 28}));
  EXPECT_EQ(test.images.shape, Shape({10000, 28, 28}));
  const auto histogram = [](const Array& labels) {
    std::vector<int> counts(10);
    for (uint8_t label : labels.span<uint8_t>()) ++counts.at(label);
    return counts;
  };
  EXPECT_EQ(histogram(train.labels),
            (std::vector<int>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}));
  EXPECT_EQ(histogram(test.labels),
            (std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
  double sum = 0;
  for (uint8_t v : train.images.span<uint8_t>()) sum += v;
  EXPECT_NEAR(sum / 255 / static_cast<double>(train.images.bytes.size()), 0.1307, 5e-5);
}

TEST(Idx, UnpackedMnistHasItsPublishedChecksum) {
  const Buffer plain = read_maybe_gzip(kMnist + "train-images-idx3-ubyte.gz");
  EXPECT_EQ(sha256(plain.span()),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db");
}

TEST(Idx, EveryTypeAndRankSurvivesTheWayThroughAFile) {
  Folder folder;
  for (DType dtype : {DType::u8, DType::i8, DType::i16, DType::i32, DType::f32, DType::f64}) {
    for (const Shape& shape :
         {Shape{5}, Shape{2, 3, 7}, Shape{0}, Shape{3, 0, 2}, Shape{1, 2, 1, 2, 1, 2, 1, 2}}) {
      Array array(dtype, shape);
      uint32_t value = 11;  // wraps
      for (std::byte& b : array.bytes.span()) b = static_cast<std::byte>(value = value * 37 + 5);
      for (const char* name : {"a.idx", "a.idx.gz"}) {
        write_idx(folder / name, array);
        const Array back = read_idx(folder / name);
        EXPECT_EQ(back.dtype, dtype);
        EXPECT_EQ(back.shape, shape);
        EXPECT_EQ(back.bytes.text(), array.bytes.text());
      }
    }
  }
}

TEST(Idx, DataAreBigEndian) {
  const std::string file = bytes({0, 0, 0x0C, 1, 0, 0, 0, 2, 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xfe});
  const Array array = read_idx(Source::memory("m", as_bytes(file)));
  EXPECT_EQ(array.span<int32_t>()[0], 258);
  EXPECT_EQ(array.span<int32_t>()[1], -2);
}

TEST(Idx, RefusesEveryBadInput) {  // B053, B054, B055, B059
  const auto read = [](const std::string& path) { read_idx(path); };
  const std::string images = bytes({0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28});
  const std::string small = bytes({0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9});
  check_bad_inputs(
      read,
      {{"B053 zeros", bytes({0x12, 0x34, 8, 1, 0, 0, 0, 0}),
        "magic[0..1]: expected 00 00, got 12 34"},
       {"B053 type", bytes({0, 0, 7, 1, 0, 0, 0, 0}),
        "magic[2]: expected 08 09 0B 0C 0D 0E, got 07"},
       {"B053 rank 0", bytes({0, 0, 8, 0, 0, 0, 0, 0}), "magic[3]: expected rank 1..8, got 0"},
       {"B053 rank 9", bytes({0, 0, 8, 9, 0, 0, 0, 0}), "magic[3]: expected rank 1..8, got 9"},
       {"B053 short", bytes({0, 0, 8}), "header: expected at least 8 bytes, got 3; truncated?"},
       {"B053 header cut", bytes({0, 0, 8, 3, 0, 0, 0, 1}),
        "header: expected at least 16 bytes, got 8; truncated?"},
       {"B054 overflow", bytes({0, 0, 8, 4}) + std::string(16, '\xff'),
        "shape [4294967295, 4294967295, 4294967295, 4294967295]: element count overflows"},
       {"B054 overflow beside a zero",
        bytes({0, 0, 8, 5}) + std::string(16, '\xff') + std::string(4, '\0'),
        "shape [4294967295, 4294967295, 4294967295, 4294967295, 0]: element count overflows"},
       {"B054 short", images + std::string(1'000'000 - 16, 'x'),
        "expected 47040016 bytes, got 1000000; truncated?"},
       {"B054 short, packed", packed(images + std::string(1'000'000, 'x')),
        "expected 47040016 bytes, got at most " +
            std::to_string(1100 * packed(images + std::string(1'000'000, 'x')).size()) +
            "; truncated?"},
       {"B054 a little short, packed", packed(small.substr(0, 10)),
        "expected 11 bytes, got 10; truncated?"},
       {"B055", small + "four", "end of file: expected 11 bytes, got 15 (4 too many)"},
       {"B059", packed(small + std::string(1'000'000, '\0')),
        "gzip: more data than the header declares"}});
  const auto read_source = [](const Source& source) { read_idx(source); };
  check_damage(read_source, small);
  check_damage(read_source, packed(small));
}

TEST(Idx, ImagesAndLabelsMustBelongTogether) {  // B056, B057
  Folder folder;
  const std::string images = folder / "images.idx", labels = folder / "labels.idx";
  Array pictures(DType::u8, {4, 2, 2});
  std::fill_n(pictures.bytes.data(), 16, std::byte{1});
  Array classes(DType::u8, {3});
  std::fill_n(classes.bytes.data(), 3, std::byte{1});
  write_idx(images, pictures);
  write_idx(labels, classes);
  EXPECT_EQ(message_of([&] { read_idx_pair(images, labels); }),
            labels + ": labels: 3 items, images: 4");
  EXPECT_EQ(message_of([&] { read_idx_pair(labels, images); }),
            labels + ": rank 1 (labels?); expected 3");
  EXPECT_EQ(message_of([&] { read_idx_pair(images, images); }),
            images + ": rank 3 (images?); expected 1");
  Array real(DType::f32, {4});
  std::fill_n(real.bytes.data(), 16, std::byte{0});
  write_idx(labels, real);
  EXPECT_EQ(message_of([&] { read_idx_pair(images, labels); }),
            labels + ": labels: expected integers, got f32");
}

TEST(Idx, RefusesToWriteWhatTheFormatCannotHold) {
  Folder folder;
  EXPECT_EQ(message_of([&] { write_idx(folder / "a", Array(DType::f16, {2})); }),
            "write_idx: expected u8, i8, i16, i32, f32 or f64, got f16");
  EXPECT_EQ(message_of([&] { write_idx(folder / "a", Array(DType::u8, {})); }),
            "write_idx: expected rank 1..8 and sizes below 2^32, got []");
  EXPECT_FALSE(file_exists(folder / "a"));
}

}  // namespace
}  // namespace varve::formats
