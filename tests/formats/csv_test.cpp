#include "formats/csv.h"

#include <rapidcheck.h>

#include <cmath>
#include <cstdlib>

#include "formats/gzip.h"
#include "helpers.h"

namespace varve::formats {
namespace {

CsvTable parse(std::string_view text, const CsvOptions& options = {}) {
  return parse_csv("t.csv", text, options);
}

std::string error(std::string_view text, const CsvOptions& options = {}) {
  return message_of([&] { parse(text, options); });
}

std::vector<std::string> cells(const CsvTable& table, int column) {
  std::vector<std::string> out;
  for (int64_t row = 0; row < table.rows(); ++row) out.push_back(table.cell(row, column));
  return out;
}

std::vector<double> numbers(const CsvTable& table, int column) {
  std::vector<double> out;
  for (int64_t row = 0; row < table.rows(); ++row) out.push_back(table.number(row, column));
  return out;
}

int64_t missing_count(const CsvTable& table, int column) {
  int64_t out = 0;
  for (int64_t row = 0; row < table.rows(); ++row) out += table.is_missing(row, column);
  return out;
}

using Strings = std::vector<std::string>;

TEST(Csv, InfersNumbersAndText) {
  const CsvTable t = parse("a,b,c,d\n1,2.5,x,\n-3,,\"y, z\",\n+4,1e3,\"say \"\"hi\"\"\",\n");
  EXPECT_EQ(t.names(), (Strings{"a", "b", "c", "d"}));
  EXPECT_EQ(t.rows(), 3);
  EXPECT_TRUE(t.is_number(0));
  EXPECT_EQ(numbers(t, 0), (std::vector<double>{1, -3, 4}));
  EXPECT_EQ(t.number(2, 1), 1000);
  EXPECT_TRUE(std::isnan(t.number(1, 1)));
  EXPECT_TRUE(t.is_missing(1, 1));
  EXPECT_EQ(missing_count(t, 1), 1);
  EXPECT_FALSE(t.is_number(2));
  EXPECT_EQ(cells(t, 2), (Strings{"x", "y, z", "say \"hi\""}));
  EXPECT_TRUE(t.is_number(3)) << "nothing says it is text";
  EXPECT_EQ(missing_count(t, 3), 3);
  EXPECT_EQ(t.column("c"), 2);
}

TEST(Csv, AColumnThatTurnsOutToBeTextKeepsWhatIsWritten) {
  const CsvTable t = parse("a,b\n007,1.50\n,2\n1e2,3\n\"x\"\"\",4\n0,5\n");
  EXPECT_FALSE(t.is_number(0));
  EXPECT_EQ(cells(t, 0), (Strings{"007", "", "1e2", "x\"", "0"}));
  EXPECT_TRUE(t.is_missing(1, 0));
  EXPECT_EQ(missing_count(t, 0), 1);
  EXPECT_EQ(cells(t, 1), (Strings{"1.5", "2", "3", "4", "5"}));
}

TEST(Csv, AColumnMayBeAskedForAsText) {
  const CsvTable t = parse("zip,n\n01234,1\n90210,2\n", {.text = {"zip"}});
  EXPECT_EQ(cells(t, 0), (Strings{"01234", "90210"}));
  EXPECT_EQ(message_of([&] { numbers(t, 0); }),
            "t.csv: column \"zip\": expected numbers, read as text");
}

TEST(Csv, AcceptsMarksLineEndsAndBlanks) {  // B077
  for (const char* text : {"\xef\xbb\xbf"
                           "a,b\n1,2\n",
                           "a,b\r\n1,2\r\n", "a,b\n1,2", "a,b\n\n1,2\n\n  \n",
                           " a , b \n 1 ,\t2 \n", "\"a\",\"b\"\n\"1\",\"2\"\n", "a,b\r\n1,2"}) {
    const CsvTable t = parse(text);
    EXPECT_EQ(t.names(), (Strings{"a", "b"})) << text;
    EXPECT_EQ(t.rows(), 1) << text;
    EXPECT_EQ(t.number(0, 0) + t.number(0, 1), 3) << text;
  }
}

TEST(Csv, OptionsChangeTheDialect) {
  EXPECT_EQ(cells(parse("a;b\n1;x,y\n", {.separator = ';'}), 1), (Strings{"x,y"}));
  EXPECT_EQ(cells(parse("a\tb\n1\t say \"x\"\n", {.separator = '\t', .quote = 0}), 1),
            (Strings{"say \"x\""}));
  const CsvTable blanks =
      parse("  1  2.5 x\n 3\t4  \"y z\" \n", {.separator = ' ', .header = false});
  EXPECT_EQ(blanks.names(), (Strings{"column_1", "column_2", "column_3"}));
  EXPECT_EQ(blanks.rows(), 2);
  EXPECT_EQ(cells(blanks, 2), (Strings{"x", "y z"}));
  const CsvTable marked = parse("a\n1\n?\nNA\n", {.missing = {"?", "NA"}});
  EXPECT_TRUE(marked.is_number(0));
  EXPECT_EQ(missing_count(marked, 0), 2);
  const CsvTable later = parse("3,1,\"x\nid,v\n1,2\n", {.skip_lines = 1});
  EXPECT_EQ(later.names(), (Strings{"id", "v"}));
  EXPECT_EQ(later.line(0), 3);
  EXPECT_EQ(cells(parse("a,b\n x , y \n", {.trim = false}), 0), (Strings{" x "}));
}

TEST(Csv, SpecialNumbersKeepTheirValue) {
  const CsvTable t =
      parse("a\n2147483647\n-2147483648\n999999999\n-0\n.5\n5.\n1e-400\n9007199254740993\n");
  const std::vector<double> n = numbers(t, 0);
  EXPECT_EQ(n[0], 2147483647.0);
  EXPECT_EQ(n[1], -2147483648.0);
  EXPECT_EQ(n[2], 999999999.0);
  EXPECT_TRUE(std::signbit(n[3]));
  EXPECT_EQ(n[4], 0.5);
  EXPECT_EQ(n[5], 5.0);
  EXPECT_EQ(n[6], 0.0);
  EXPECT_EQ(n[7], 9007199254740992.0);
}

TEST(Csv, RefusesEveryBadInput) {  // B073 to B078
  std::string ragged;
  for (int i = 0; i < 784; ++i) ragged += "p" + std::to_string(i) + ",";
  ragged += "label\n";
  for (int line = 2; line < 812; ++line) ragged += repeated("0,", 784) + "1\n";
  ragged += repeated("0,", 783) + "1\n";
  std::string open = "a,b\n1,2\n3,\"x\n";
  for (int line = 4; line <= 100'003; ++line) open += "4,5\n";
  check_bad_inputs(
      [](const std::string& path) { read_csv(path); },
      {{"B073", ragged, "line 812: expected 785 fields, got 784"},
       {"B073 more", "a,b\n1,2\n\n1,2,3\n", "line 4: expected 2 fields, got 3"},
       {"B075", open, "line 3: quote not closed before line 100003"},
       {"B075 at the end", "a\n\"x", "line 2: quote not closed before line 2"},
       {"B075 long", "a\n" + std::string((1 << 20) + 1, 'x') + "\n",
        "line 2: field longer than 1048576 bytes"},
       {"B075 long, quoted", "a\n\"" + std::string((1 << 20) + 1, '\n') + "\"\n",
        "line 2: field longer than 1048576 bytes"},
       {"B075 after", "a,b\n\"x\"y,1\n", "line 2: text after a closing quote"},
       {"B075 inside", "a,b\n1,2\n5\" pipe,1\n",
        "line 3: quote inside a field that does not begin with one"},
       {"B076", "a,b,a\n1,2,3\n", "line 1: column \"a\" appears twice"},
       {"B077 UTF-16",
        std::string("\xff\xfe"
                    "a\0\n\0",
                    6),
        "UTF-16 is not supported; expected UTF-8"},
       {"B077 NUL", std::string("a,b\n1,\0\n", 8), "line 2: NUL byte (byte 6)"},
       {"B077 Latin-1", "a\nx\nM\xfcller\n", "line 3: invalid UTF-8 (byte 5)"},
       {"B077 CR", "a,b\r1,2\r", "line 1: carriage return without line feed"},
       {"B078", "a,b\n", "no data rows"},
       {"B078 no end", "a,b", "no data rows"},
       {"B078 empty", "", "no data rows"},
       {"B078 blank", "\n \n", "no data rows"},
       {"columns", std::string(200'000, ','), "line 1: expected at most 100000 columns"}});
}

TEST(Csv, TextWhereANumberIsNeededIsNamedByLineAndColumn) {  // B074
  const auto need = [](const std::string& cell) {
    std::string text = "name,age\n";
    for (int i = 2; i < 9; ++i) text += "x,1\n";
    const CsvTable t = parse(text + "x," + cell + "\nx,3\n");
    return message_of([&] { numbers(t, t.column("age")); });
  };
  EXPECT_EQ(need("abc"), "t.csv: line 9 column \"age\": expected number, got \"abc\"");
  EXPECT_EQ(need("\"1,5\""), "t.csv: line 9 column \"age\": expected number, got \"1,5\"");
  for (const char* cell : {"nan", "inf", "-inf", "0x10", "1e400", "1 2", "-", "+-5", "1e", "--1"}) {
    EXPECT_EQ(need(cell),
              "t.csv: line 9 column \"age\": expected number, got \"" + std::string(cell) + "\"");
  }
  EXPECT_EQ(need("a\x1b[31m"), "t.csv: line 9 column \"age\": expected number, got \"a\\x1b[31m\"");
  EXPECT_EQ(need(""), "no error");
}

TEST(Csv, AMissingColumnIsNamedWithThoseThereAre) {  // B076
  const CsvTable t = parse("a,b,c\n1,2,3\n");
  EXPECT_EQ(message_of([&] { t.column("label"); }),
            "t.csv: column \"label\" not found; columns: a, b, c");
  EXPECT_EQ(error("a,b\n1,2\n", {.text = {"zip"}}),
            "t.csv: column \"zip\" not found; columns: a, b");
}

TEST(Csv, LinesOfRowsCountThoseWithinQuotes) {
  const CsvTable t = parse("a\n\"x\ny\"\n\nz\n");
  EXPECT_EQ(t.line(0), 2);
  EXPECT_EQ(t.line(1), 5);
  EXPECT_EQ(cells(t, 0), (Strings{"x\ny", "z"}));
}

TEST(Csv, ReadsAGzipFile) {
  Folder folder;
  const std::string path = folder.file("t.csv.gz", gzip(as_bytes("a\n1\n2\n")).text());
  EXPECT_EQ(numbers(read_csv(path), 0), (std::vector<double>{1, 2}));
}

TEST(Csv, TakesBackWhatIsWritten) {
  EXPECT_TRUE(rc::check([] {
    const int columns = *rc::gen::inRange(1, 5), rows = *rc::gen::inRange(1, 8);
    std::vector<Strings> written;
    std::string text;
    for (int c = 0; c < columns; ++c) text += (c ? ",c" : "c") + std::to_string(c);
    text += '\n';
    for (int r = 0; r < rows; ++r) {
      written.emplace_back();
      for (int c = 0; c < columns; ++c) {
        std::string cell = "#";  // never a number, never empty
        for (uint8_t pick : *rc::gen::arbitrary<std::vector<uint8_t>>()) {
          cell += "a,\"\n\r .0"[pick % 8];
        }
        text += (c ? "," : "") + csv_cell(cell);
        written.back().push_back(cell);
      }
      text += '\n';
    }
    const CsvTable t = parse(text);
    RC_ASSERT(t.rows() == rows);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        RC_ASSERT(t.cell(r, c) == written[static_cast<size_t>(r)][static_cast<size_t>(c)]);
      }
    }
  }));
}

TEST(Csv, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) {
    parse_csv("m", source.read(0, source.size()).text());
  };
  check_damage(read, "a,b,\"c\"\r\n1,2.5,\"x \"\"y\"\"\"\n,-3e2,z\xc3\xa4\n", false);
}

TEST(Csv, AWideTableOfDigitsIsReadQuickly) {
  // 3,000 of MNIST's 60,000 rows.
  std::string text = "label";
  for (int i = 0; i < 784; ++i) text += ",p" + std::to_string(i);
  text += '\n';
  for (int row = 0; row < 3000; ++row) {
    text += '7';
    for (int i = 0; i < 784; ++i) text += i % 5 ? ",0" : ",253";
    text += '\n';
  }
  // A tenth of a microsecond a number where C reads it in ten nanoseconds.
  const double numbers = cpu_seconds([] {
    double sum = 0;
    for (int i = 0; i < 3000 * 784; ++i) sum += std::strtod(i % 5 ? "0" : "253", nullptr);
    EXPECT_GT(sum, 0);
  });
  EXPECT_LT(cpu_seconds([&] { parse(text); }), 10 * numbers);
  const CsvTable t = parse(text);
  EXPECT_EQ(t.rows(), 3000);
  EXPECT_EQ(t.number(2999, 1), 253);
}

}  // namespace
}  // namespace varve::formats
