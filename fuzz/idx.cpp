// IDX files (MNIST), plain and as gzip.
#include "formats/idx.h"

#include "formats/gzip.h"
#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses(
      [&] { fuzz::read_through(formats::read_idx(fuzz::source_of(data, size))); });
  const formats::Buffer packed = formats::gzip(fuzz::bytes_of(data, size), 1);
  fuzz::reads_or_refuses([&] {
    fuzz::read_through(formats::read_idx(formats::Source::memory("input", packed.span())));
  });
  return 0;
}
