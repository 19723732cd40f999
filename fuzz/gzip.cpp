// gzip streams: several members, a limit on what they unpack to.
#include "formats/gzip.h"

#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kLimit = 1 << 22;
  fuzz::reads_or_refuses([&] {
    const formats::Source source = fuzz::source_of(data, size);
    if (!formats::is_gzip(source)) return;
    fuzz::expect(formats::read_gzip(source, kLimit).size() <= kLimit, "the limit is kept");
  });
  return 0;
}
