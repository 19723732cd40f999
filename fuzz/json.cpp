// JSON texts; what is read is written and read again.
#include "formats/json.h"

#include <nlohmann/json.hpp>

#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const nlohmann::json tree = formats::parse_json(fuzz::text_of(data, size), "input");
    fuzz::expect(formats::parse_json(tree.dump(), "again") == tree, "values are kept");
  });
  return 0;
}
