// JPEG pictures, with their EXIF orientation.
#include "formats/jpeg.h"

#include "formats/image.h"
#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const formats::Array image = formats::read_jpeg(fuzz::source_of(data, size));
    fuzz::expect(image.shape.rank() == 3 &&
                     image.bytes.size() == formats::byte_count(image.dtype, image.shape),
                 "a picture has height, width and channels");
    fuzz::read_through(image);
  });
  return 0;
}
