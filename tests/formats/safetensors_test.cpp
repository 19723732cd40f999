#include "formats/safetensors.h"

#include <rapidcheck.h>
#include <sys/resource.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "formats/text.h"
#include "golden.h"
#include "helpers.h"
#include "random_array.h"

namespace varve::formats {
namespace {

const std::string kGolden = VARVE_SOURCE_DIR "/tests/formats/golden/all.safetensors";

std::string length_of(uint64_t n) {
  return std::string(reinterpret_cast<const char*>(&n), sizeof n);
}

std::string made(const std::string& header, size_t data) {
  return length_of(header.size()) + header + std::string(data, '\1');
}

std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                  int64_t begin, int64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

void read_all(const SafetensorsFile& file) {
  for (const auto& tensor : file.tensors()) file.read(tensor);
}

TEST(Safetensors, ReadsWhatTheReferenceImplementationWrites) {
  const SafetensorsFile file = SafetensorsFile::open(kGolden);
  const auto rows = golden("all.safetensors");
  EXPECT_EQ(file.tensors().size(), rows.size());
  for (const Golden& row : rows) {
    const auto* found = file.find(row.name);
    ASSERT_NE(found, nullptr) << row.name;
    expect_golden(row, file.read(*found));
  }
  EXPECT_EQ(file.find("none"), nullptr);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "np"},
                                                                 {"note", "\xc3\xa4 \"quoted\""}}));
}

TEST(Safetensors, WritesTheBytesOfTheReferenceImplementation) {
  Folder folder;
  const SafetensorsFile file = SafetensorsFile::open(kGolden);
  std::vector<Array> arrays;
  std::vector<NamedBytes> tensors;
  for (const auto& e : file.tensors()) {
    arrays.push_back(file.read(e));
    tensors.push_back({e.name, *e.dtype, e.shape, arrays.back().bytes.span()});
  }
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(folder / "out", tensors, file.metadata());
  // The reference leaves the order of metadata to chance; all behind it is the same.
  const std::string ours = read_text(folder / "out"), theirs = read_text(kGolden);
  EXPECT_EQ(ours.size(), theirs.size());
  EXPECT_EQ(ours.substr(0, 8), theirs.substr(0, 8));
  EXPECT_EQ(ours.substr(ours.find("\"layer.uint64\"")),
            theirs.substr(theirs.find("\"layer.uint64\"")));
}

TEST(Safetensors, TakesBackWhatItWrote) {
  Folder folder;
  const std::string path = folder / "model";
  EXPECT_TRUE(rc::check([&] {
    const auto names = *rc::gen::unique<std::vector<std::string>>(
        rc::gen::map(rc::gen::container<std::vector<uint16_t>>(rc::gen::arbitrary<uint16_t>()),
                     [](const std::vector<uint16_t>& codes) {
                       std::string out;
                       for (uint16_t c : codes) {
                         if (c < 0xd800 || c > 0xdfff) append_utf8(out, c);
                       }
                       return out;
                     }));
    const auto metadata = *rc::gen::arbitrary<std::map<uint8_t, int>>();
    std::map<std::string, std::string> texts;
    for (const auto& [key, value] : metadata) {
      texts["k" + std::to_string(key)] = "\"\\\n\x01" + std::to_string(value);
    }
    std::vector<Array> arrays;
    std::vector<NamedBytes> tensors;
    for (const std::string& name : names) {
      const auto dtype = static_cast<DType>(*rc::gen::inRange(0, kDTypeCount));
      arrays.push_back(random_array(dtype));
      tensors.push_back({name, dtype, arrays.back().shape, arrays.back().bytes.span()});
    }
    write_safetensors(path, tensors, texts);
    const SafetensorsFile file = SafetensorsFile::open(path);
    RC_ASSERT(file.metadata() == texts);
    RC_ASSERT(file.tensors().size() == tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const auto* found = file.find(tensors[i].name);
      RC_ASSERT(found != nullptr);
      const Array back = file.read(*found);
      RC_ASSERT(back.dtype == arrays[i].dtype);
      RC_ASSERT(back.shape == arrays[i].shape);
      RC_ASSERT(back.bytes.text() == arrays[i].bytes.text());
    }
    uint64_t header = 0;
    std::memcpy(&header, read_text(path).data(), 8);
    RC_ASSERT(header % 8 == 0u);
  }));
}

TEST(Safetensors, RefusesEveryBadInput) {  // B001 to B020
  const std::string w = entry("w", "F32", "[2]", 0, 8);
  std::string types =
      "BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, "
      "I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64";
  const auto shaped = [&](const std::string& shape) {
    return made("{" + entry("w", "F32", shape, 0, 8) + "}", 8);
  };
  check_bad_inputs(
      [](const std::string& path) { read_all(SafetensorsFile::open(path)); },
      {{"B001", "",
        "not a safetensors file (it is empty): file too short: expected at least 8 bytes, got 0"},
       {"B002", "1234567",
        "not a safetensors file (it begins like text): file too short: expected at least 8 bytes, "
        "got 7"},
       {"B003", length_of(uint64_t{1} << 63),
        "header length: expected <= 100000000, got 9223372036854775808 (not a safetensors file?)"},
       {"B004", length_of(101'000'000) + std::string(1000, ' '),
        "header length: expected <= 100000000, got 101000000 (not a safetensors file?)"},
       {"B005", length_of(4096) + std::string(1200, ' '),
        "header: expected 4096 bytes, file has 1200; truncated?"},
       {"B006", made("{\"__metadata__\":{\"a\":\"" + std::string(15, 'x') + "\xff\"}}", 0),
        "header: invalid UTF-8 at byte 37"},
       {"B007", made("{" + entry("w", "F32", "[]", 0, 4), 4),
        "header: JSON error at byte 52: expected '}'"},
       {"B007 comma", made("{" + w + ",}", 8), "header: JSON error at byte 54: expected '\"'"},
       {"B007 NaN", made("{\"w\":NaN}", 0), "header: JSON error at byte 5: expected a value"},
       {"B008", made("[1]", 0), "header: expected an object, got array"},
       {"B008 number", made("12", 0), "header: expected an object, got number"},
       {"B008 empty", made("", 0), "header: JSON error at byte 0: expected a value"},
       {"B008 space", made(" {}", 0), "header: expected '{' at byte 0"},
       {"B009", made(std::string(100'000, '['), 0), "header: nesting deeper than 64 at byte 64"},
       {"B009 objects", made(repeated("{\"a\":", 20'000), 0),
        "tensor \"a\": unknown key \"a\"; expected "
        "dtype, shape, data_offsets"},
       {"B009 brackets", made("{\"w\":{\"shape\":[" + std::string(100'000, '['), 0),
        "header: nesting deeper than 64 at byte 76"},
       {"B010", made("{" + w + "," + w + "}", 8),
        "header: tensor \"w\": defined twice (bytes 1 and 54)"},
       {"B010 field", made("{\"w\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0),
        "header: tensor \"w\": dtype: defined twice (bytes 6 and 19)"},
       {"B010 metadata", made("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0),
        "header: __metadata__.a: defined twice (bytes 17 and 25)"},
       {"B010 two metadata", made("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
        "header: __metadata__: defined twice (bytes 1 and 19)"},
       {"B011", made("{" + entry("w", "F128", "[2]", 0, 8) + "}", 8),
        "tensor \"w\": dtype: expected one of " + types + ", got \"F128\""},
       {"B012 negative", shaped("[2,-3]"), "tensor \"w\": shape[1]: expected integer >= 0, got -3"},
       {"B012 -0", shaped("[2,-0]"), "tensor \"w\": shape[1]: expected integer >= 0, got -0"},
       {"B012 fraction", shaped("[2.5]"), "tensor \"w\": shape[0]: expected integer >= 0, got 2.5"},
       {"B012 string", shaped("[\"2\"]"),
        "tensor \"w\": shape[0]: expected integer >= 0, got \"2\""},
       {"B012 exponent", shaped("[1e3]"), "tensor \"w\": shape[0]: expected integer >= 0, got 1e3"},
       {"B012 large", shaped("[9223372036854775808]"),
        "tensor \"w\": shape[0]: expected integer < 2^63, got 9223372036854775808"},
       {"B012 no list", shaped("2"), "tensor \"w\": shape: expected array, got number"},
       {"B013", shaped("[4194305,4194305,211106198978564]"),
        "tensor \"w\": shape [4194305,4194305,211106198978564]: element count overflows"},
       {"B013 beside a zero", shaped("[4194305,4194305,211106198978564,0]"),
        "tensor \"w\": shape [4194305,4194305,211106198978564,0]: element count overflows"},
       {"B014", made("{" + entry("w", "F32", "[1000,1000]", 0, 4) + "}", 4),
        "tensor \"w\": data_offsets: expected 4000000 bytes for F32[1000,1000], got 4"},
       {"B014 half bytes", made("{" + entry("w", "F4", "[3]", 0, 2) + "}", 2),
        "tensor \"w\": F4[3]: 12 bits are no whole bytes"},
       {"B015", made("{" + entry("w", "F32", "[2]", 16, 8) + "}", 16),
        "tensor \"w\": data_offsets: begin 16 > end 8"},
       {"B016", made("{" + entry("w", "F32", "[1250]", 0, 5000) + "}", 4096),
        "tensor \"w\": ends at 5000, data section has 4096"},
       {"B017",
        made("{" + entry("a", "F32", "[4]", 0, 16) + "," + entry("b", "F32", "[2]", 8, 16) + "}",
             16),
        "tensors \"a\" and \"b\" overlap at [8,16)"},
       {"B018",
        made("{" + entry("a", "F32", "[4]", 0, 16) + "," + entry("b", "F32", "[2]", 32, 40) + "}",
             40),
        "unused bytes [16,32) before tensor \"b\""},
       {"B019", made("{" + entry("w", "U8", "[4053]", 0, 4053) + "}", 4053 + 4880),
        "end of file: expected 4120 bytes, got 9000"},
       {"B020", made("{\"__metadata__\":{\"epoch\":3}}", 0),
        "__metadata__.epoch: expected string, got number"},
       {"B020 list", made("{\"__metadata__\":[]}", 0), "__metadata__: expected object, got array"},
       {"B025", made("{" + entry("w", "F8_E4M3", "[2]", 0, 2) + "}", 2),
        "tensor \"w\": dtype F8_E4M3 not supported for training"},
       {"no dtype", made("{\"w\":{\"shape\":[],\"data_offsets\":[0,1]}}", 1),
        "tensor \"w\": dtype: missing"},
       {"three offsets",
        made("{\"w\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1,2]}}", 1),
        "tensor \"w\": data_offsets: expected 2 numbers, got 3"},
       {"a bool that is none", made("{" + entry("w", "BOOL", "[3]", 0, 3) + "}", 2) + "\x02",
        "tensor \"w\": element 2: expected 0 or 1, got 2"},
       {"a name to escape", made("{\"a\\u001b[2J\":3}", 0),
        "tensor \"a\\x1b[2J\": expected object, got number"}});
}

TEST(Safetensors, NarrowTypesAreListedThoughTheyAreNotLoaded) {
  const std::string file = made("{" + entry("w", "F8_E5M2", "[2,3]", 0, 6) + "}", 6);
  const SafetensorsFile open(Source::memory("m", as_bytes(file)));
  EXPECT_EQ(open.tensors().at(0).to_string(), "F8_E5M2[2,3]");
  EXPECT_FALSE(open.tensors().at(0).dtype.has_value());
}

TEST(Safetensors, ComplexNumbersGetATrailingAxis) {
  const std::string file = made("{" + entry("w", "C64", "[3]", 0, 24) + "}", 24);
  const SafetensorsFile open(Source::memory("m", as_bytes(file)));
  EXPECT_EQ(open.read(open.tensors().at(0)).shape, Shape({3, 2}));
}

TEST(Safetensors, AFileThatShrinksAfterItWasOpenedIsNoSignal) {  // B021
  Folder folder;
  const std::string path = folder.file("m", made("{" + entry("w", "U8", "[9]", 0, 9) + "}", 9));
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::filesystem::resize_file(path, 60);
  EXPECT_EQ(message_of([&] { read_all(file); }), path + ": file changed while reading");
}

TEST(Safetensors, AHundredThousandTensorsTakeFewReadingsOfTheirHeader) {  // B022
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    header += (i ? "," : "") + entry("layer." + std::to_string(i), "U8", "[1]", i, i + 1);
  }
  header += "}";
  const std::string file = made(header, 100'000);
  // Half a second on a machine that parses the header in a sixth.
  const double parsed =
      cpu_seconds([&] { EXPECT_EQ(nlohmann::json::parse(header).size(), 100'000u); });
  EXPECT_LT(cpu_seconds([&] { SafetensorsFile(Source::memory("m", as_bytes(file))); }), 3 * parsed);
  const SafetensorsFile open(Source::memory("m", as_bytes(file)));
  EXPECT_EQ(open.tensors().size(), 100'000u);
  EXPECT_EQ(open.find("layer.77777")->begin, 77777);
}

TEST(Safetensors, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) {
    const Buffer bytes = source.read(0, source.size());
    read_all(SafetensorsFile(Source::memory("m", bytes.span())));
  };
  check_damage(read, read_text(kGolden));
}

TEST(Safetensors, RefusesToWriteWhatItCouldNotRead) {
  Folder folder;
  const std::array<std::byte, 4> data{};
  const auto write = [&](std::vector<NamedBytes> tensors) {
    return message_of([&] { write_safetensors(folder / "out", tensors); });
  };
  EXPECT_EQ(write({{"a", f32, {1}, data}, {"b", f32, {1}, data}, {"a", i32, {1}, data}}),
            "write_safetensors: tensor \"a\" given twice");
  EXPECT_EQ(write({{"__metadata__", f32, {1}, data}}),
            "write_safetensors: a tensor cannot be named \"__metadata__\"");
  EXPECT_EQ(write({{"\xff", f32, {1}, data}}),
            "write_safetensors: tensor name \"\xff\": expected UTF-8");
  EXPECT_EQ(write({{"a", f32, {2}, data}}),
            "write_safetensors: tensor \"a\": expected 8 bytes for f32 [2], got 4");
  EXPECT_FALSE(file_exists(folder / "out"));
}

}  // namespace
}  // namespace varve::formats
