// CSV tables. The first byte chooses the options; every cell is read.
#include "formats/csv.h"

#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  constexpr char kSeparators[] = {',', ';', '\t', ' '};
  const formats::CsvOptions options{.separator = kSeparators[choice & 3],
                                    .quote = choice & 4 ? '\0' : '"',
                                    .header = (choice & 8) == 0,
                                    .skip_lines = (choice >> 4) & 1,
                                    .trim = (choice & 32) == 0,
                                    .missing = {"", "NA"}};
  fuzz::reads_or_refuses([&] {
    const formats::CsvTable table =
        formats::parse_csv("input", fuzz::text_of(data + 1, size - 1), options);
    fuzz::expect(table.rows() > 0 && table.columns() > 0, "a table has rows and columns");
    size_t length = 0;
    for (int c = 0; c < table.columns(); ++c) {
      for (int64_t r = 0; r < table.rows(); ++r) {
        length += table.cell(r, c).size();
        if (table.is_number(c)) {
          length += table.number(r, c) > 0;
        } else {
          length += table.text(r, c).size();
        }
      }
    }
    fuzz::expect(length <= 64 * size + 64, "cells are out of the file");
  });
  return 0;
}
