// npy files; what is read is written and read again.
#include "formats/npy.h"

#include <algorithm>
#include <cstring>

#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const formats::Array array = formats::parse_npy(
        fuzz::source_of(data, size).read(0, static_cast<int64_t>(size)), "input");
    fuzz::read_through(array);
    const formats::Array again = formats::parse_npy(formats::encode_npy(array), "again");
    fuzz::expect(again.dtype == array.dtype && again.shape == array.shape, "types are kept");
    const auto a = again.bytes.span(), b = array.bytes.span();
    fuzz::expect(std::equal(a.begin(), a.end(), b.begin(), b.end()), "elements are kept");
  });
  return 0;
}
