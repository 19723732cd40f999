#include "formats/npy.h"

#include <rapidcheck.h>

#include <filesystem>

#include "formats/gzip.h"
#include "golden.h"
#include "helpers.h"
#include "random_array.h"

namespace varve::formats {
namespace {

const std::string kGolden = VARVE_SOURCE_DIR "/tests/formats/golden/";

std::string made(const std::string& dict, const std::string& data = "") {
  const std::string header = dict + "\n";
  return "\x93NUMPY" + bytes({1, 0, int(header.size() & 255), int(header.size() >> 8)}) + header +
         data;
}

std::string dict(const std::string& descr, const std::string& shape,
                 const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

Array parse(const std::string& file) {
  Buffer copy(static_cast<int64_t>(file.size()));
  std::copy_n(as_bytes(file).begin(), file.size(), copy.data());
  return parse_npy(copy, "m");
}

std::string fmt_crc(uint32_t crc) {
  std::string out(9, 0);
  std::snprintf(out.data(), out.size(), "%08x", crc);
  return out.substr(0, 8);
}

TEST(Npy, ReadsWhatNumPyWrites) {
  for (const Golden& row : golden(".npy")) expect_golden(row, read_npy(row.path()));
}

TEST(Npy, WritesTheBytesOfNumPy) {
  Folder folder;
  for (const Golden& row : golden(".npy")) {
    // Other byte orders, orders of axes and versions come back as plain version 1.0.
    if (row.file.find("big") != row.file.npos || row.file == "fortran.npy" ||
        row.file.starts_with("version")) {
      continue;
    }
    write_npy(folder / "a.npy", read_npy(row.path()));
    EXPECT_EQ(read_text(folder / "a.npy"), read_text(row.path())) << row.file;
  }
}

TEST(Npy, TheDataAreAViewOfTheFilesBytes) {
  const Buffer file = read_file(kGolden + "float32.npy");
  EXPECT_EQ(parse_npy(file, "m").bytes.data(), file.data() + 128);
}

TEST(Npy, TakesBackWhatItWrote) {
  EXPECT_TRUE(rc::check([] {
    auto dtype = static_cast<DType>(*rc::gen::inRange(0, kDTypeCount));
    if (dtype == DType::bf16) dtype = DType::f16;
    const Array array = random_array(dtype);
    const Array back = parse_npy(encode_npy(array), "m");
    RC_ASSERT(back.dtype == array.dtype);
    RC_ASSERT(back.shape == array.shape);
    RC_ASSERT(back.bytes.text() == array.bytes.text());
  }));
  EXPECT_EQ(message_of([] { encode_npy(Array(DType::bf16, {2})); }),
            "write_npy: NumPy has no bf16; convert to f32 first");
}

TEST(Npy, ComplexNumbersGetATrailingAxis) {
  const Array array = read_npy(kGolden + "complex.npy");
  EXPECT_EQ(array.shape, Shape({2, 2}));
  EXPECT_EQ(array.dtype, f32);
  // In Fortran order a number's two parts stay together.
  std::string data;
  for (int i = 0; i < 6; ++i) data += bytes({0, 0, 0x80, 0x3f + i, 0, 0, 0, 0x40 + i});
  const Array turned = parse(made(dict("'<c8'", "(2, 3)", "True"), data));
  EXPECT_EQ(turned.shape, Shape({2, 3, 2}));
  EXPECT_EQ(turned.bytes.text().substr(8, 8), data.substr(16, 8));
}

TEST(Npy, RefusesEveryBadInput) {  // B047 to B052
  const std::string eight(8, '\0');
  check_bad_inputs(
      [](const std::string& path) { read_npy(path); },
      {{"B047 magic", "\x93Numpy and so on", "magic: expected \\x93NUMPY, got \"\x93Numpy\""},
       {"B047 zip", "PK\x03\x04 and so on", "not a .npy file (it begins like a zip archive)"},
       {"B047 empty", "", "not a .npy file (it is empty): magic: expected \\x93NUMPY, got \"\""},
       {"B047 version", "\x93NUMPY" + bytes({9, 9, 0, 0, 0, 0}),
        "version: supported 1.0-3.0, got 9.9"},
       {"B047 short", "\x93NUMPY" + bytes({1, 0}),
        "file too short: expected at least 10 bytes, got 8"},
       {"B048", "\x93NUMPY" + bytes({2, 0, 255, 255, 255, 255}),
        "header length: 4294967295 > limit 10000"},
       {"B048 cut", "\x93NUMPY" + bytes({1, 0, 118, 0}) + "{'descr'",
        "header: expected 118 bytes, file has 8; truncated?"},
       {"B049", read_text(kGolden + "object.npy"),
        "descr: object arrays (pickle) are never loaded"},
       {"B050", made(dict("'<f8'", "(65536, 65536)")),
        "data: expected 34359738368 bytes, file has 0"},
       {"B050 overflow", made(dict("'<f8'", "(4194305, 4194305, 211106198978564)")),
        "shape [4194305, 4194305, 211106198978564]: element count overflows"},
       {"B051 structured", read_text(kGolden + "structured.npy"),
        "descr: structured types are not supported"},
       {"B051 text", made(dict("'<U5'", "()")),
        "descr: \"<U5\" is not supported; expected b1, u1..u8, i1..i8, f2..f8, c8 or c16"},
       {"B051 order", made(dict("'|f8'", "()"), eight),
        "descr: \"|f8\" is not supported; expected b1, u1..u8, i1..i8, f2..f8, c8 or c16"},
       {"B052 code", made("{'descr': __import__('os').system('x'), }"),
        "header byte 10: expected a type in quotes, got \"__import__\""},
       {"B052 deep", made(dict("'<f8'", std::string(5000, '('))),
        "header byte 51: expected an integer >= 0, got \"((((((((((\""},
       {"B052 no dictionary", made("[1]"), "header byte 0: expected '{', got \"[1]\\x0a\""},
       {"B052 key", made("{'shape': (), 'order': 3}"),
        "header byte 14: expected 'descr', 'fortran_order' or 'shape', got \"'order': 3\""},
       {"B052 twice", made("{'descr': '<f8', 'descr': '<f8'}"),
        "header byte 17: 'descr' is given twice"},
       {"B052 missing", made("{'descr': '<f8', 'shape': ()}", eight),
        "header: 'fortran_order' is missing"},
       {"B052 number", made(dict("'<f8'", "(1)"), eight),
        "header byte 52: expected ',', got \"), }\\x0a\""},
       {"B052 negative", made(dict("'<f8'", "(-1,)")),
        "header byte 51: expected an integer >= 0, got \"-1,), }\\x0a\""},
       {"B052 boolean", made("{'fortran_order': 0}"),
        "header byte 18: expected True or False, got \"0}\\x0a\""},
       {"B052 behind", made(dict("'<f8'", "()") + "  x"),
        "header byte 57: expected blanks and a newline at the end, got \"x\\x0a\""},
       {"trailing", made(dict("'<f8'", "()"), eight + "x"),
        "end of file: expected 74 bytes, got 75"},
       {"a bool that is none", made(dict("'|b1'", "(2,)"), "\x01\x07"),
        "data: element 1: expected 0 or 1, got 7"}});
}

TEST(Npy, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) { parse_npy(source.read(0, source.size()), "m"); };
  check_damage(read, read_text(kGolden + "float16.npy"));
  check_damage(read, read_text(kGolden + "big_fortran.npy"));
}

TEST(Npz, ReadsWhatNumPyWrites) {
  for (const Golden& row : golden(".npz")) {
    const NpzFile file = NpzFile::open(row.path());
    EXPECT_EQ(file.names(), (std::vector<std::string>{"weight", "step"}));
    expect_golden(row, file.read(row.name));
  }
}

TEST(Npz, TakesBackWhatItWrote) {
  Folder folder;
  const std::string path = folder / "a.npz";
  EXPECT_TRUE(rc::check([&] {
    std::map<std::string, Array> arrays;
    const int count = *rc::gen::inRange(0, 4);
    for (int i = 0; i < count; ++i) {
      arrays["\xc3\xa4/" + std::to_string(i)] = random_array(i % 2 ? DType::f32 : DType::u8);
    }
    write_npz(path, arrays, *rc::gen::arbitrary<bool>());
    const NpzFile file = NpzFile::open(path);
    RC_ASSERT(file.names().size() == arrays.size());
    for (const auto& [name, array] : arrays) {
      RC_ASSERT(file.contains(name));
      const Array back = file.read(name);
      RC_ASSERT(back.dtype == array.dtype);
      RC_ASSERT(back.shape == array.shape);
      RC_ASSERT(back.bytes.text() == array.bytes.text());
    }
  }));
}

TEST(Npz, SaysWhichArraysThereAre) {
  const std::string path = kGolden + "stored.npz";
  const NpzFile file = NpzFile::open(path);
  EXPECT_EQ(message_of([&] { file.read("bias"); }),
            path + ": array \"bias\" not found; arrays: \"weight\", \"step\"");
}

// Changes the number at `at` of the last record that begins with `mark`.
std::string patched(std::string file, const std::string& mark, size_t at,
                    const std::string& value) {
  return file.replace(file.rfind(mark) + at, value.size(), value);
}

TEST(Npz, RefusesEveryBadInput) {
  Folder folder;
  Array array(DType::u8, {3});
  for (int i = 0; i < 3; ++i) array.bytes.data()[i] = static_cast<std::byte>(i);
  const auto written = [&](bool compress) {
    write_npz(folder / "a", {{"w", array}}, compress);
    return read_text(folder / "a");
  };
  const std::string good = written(false), packed = written(true);
  const std::string central = "PK\x01\x02", local = std::string("PK\x03\x04"), end = "PK\x05\x06";
  write_zip(folder / "b", {{"x.txt", array.bytes}}, false);
  std::string flipped = good;
  flipped[good.find("NUMPY") + 125] ^= 1;
  const std::string longer = patched(patched(packed, central, 24, bytes({200, 0, 0, 0})), local, 22,
                                     bytes({200, 0, 0, 0}));
  check_bad_inputs(
      [](const std::string& path) {
        const NpzFile file = NpzFile::open(path);
        for (const std::string& name : file.names()) file.read(name);
      },
      {{"empty", "",
        "not a zip archive, as .npz files are (it is empty): zip: file too short: expected at "
        "least 22 bytes, got 0"},
       {"text", std::string(100, 'x'),
        "not a zip archive, as .npz files are (it begins like text): zip: no end of directory; not "
        "a zip file, or truncated"},
       {"cut", good.substr(0, good.size() - 1),
        "zip: no end of directory; not a zip file, or truncated"},
       {"behind", good + "x", "zip: no end of directory; not a zip file, or truncated"},
       {"before", "x" + good,
        "zip: directory: expected to end at byte " + std::to_string(good.size() - 21) + ", got " +
            std::to_string(good.rfind(central)) + " + 51"},
       {"other member", read_text(folder / "b"),
        "member \"x.txt\": expected a name that ends in .npy"},
       {"method", patched(good, central, 10, bytes({12, 0})),
        "member \"w.npy\": method: expected 0 (stored) or 8 (deflate), got 12"},
       {"encrypted", patched(good, central, 8, bytes({1})),
        "member \"w.npy\": encrypted members are not supported"},
       {"two names", patched(good, local, 30, "v"),
        "member \"w.npy\": its local header names another member"},
       {"offset", patched(good, central, 42, bytes({1, 0, 0, 0})),
        "member \"w.npy\": no local header at byte 1"},
       {"far", patched(good, central, 42, bytes({0, 0, 0, 0x70})),
        "member \"w.npy\": begins at byte 1879048192, outside the file's data"},
       {"size", patched(good, central, 20, bytes({0, 1, 0, 0})),
        "member \"w.npy\": expected 256 bytes, file has 131; truncated?"},
       {"bomb", patched(packed, central, 24, bytes({0, 0, 0, 0x40})),
        "member \"w.npy\": 1073741824 bytes cannot be unpacked from " +
            std::to_string(deflate(encode_npy(array).span()).size())},
       {"crc", flipped,
        "member \"w.npy\": CRC mismatch (expected " + fmt_crc(crc32(encode_npy(array).span())) +
            ", got " + fmt_crc(crc32(as_bytes(flipped.substr(35, 131)))) + ")"},
       {"shorter than said", longer, "member \"w.npy\": expected 200 bytes, got 131"},
       {"count", patched(good, end, 8, bytes({9, 0, 9, 0})),
        "zip: directory: 9 members do not fit into 51 bytes"},
       {"parts", patched(good, end, 4, bytes({1})),
        "zip: archives in several parts are not supported"}});
}

TEST(Npz, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) {
    const Buffer bytes = source.read(0, source.size());
    const NpzFile file(Source::memory("m", bytes.span()));
    for (const std::string& name : file.names()) file.read(name);
  };
  check_damage(read, read_text(kGolden + "stored.npz"));
  check_damage(read, read_text(kGolden + "deflated.npz"));
}

}  // namespace
}  // namespace varve::formats
