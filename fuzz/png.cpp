// PNG pictures, as they are and with the checksums of all chunks made right, behind which faults of
// the contents would hide.
#include "formats/png.h"

#include <cstring>
#include <vector>

#include "formats/gzip.h"
#include "formats/image.h"
#include "support/harness.h"

using namespace varve;

namespace {

void read(std::span<const std::byte> bytes) {
  fuzz::reads_or_refuses([&] {
    const formats::Array image = formats::read_image(formats::Source::memory("input", bytes));
    fuzz::expect(image.shape.rank() == 3 &&
                     image.bytes.size() == formats::byte_count(image.dtype, image.shape),
                 "a picture has height, width and channels");
    fuzz::read_through(image);
  });
}

uint32_t big_endian(const std::byte* p) {
  uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v = v << 8 | std::to_integer<uint32_t>(p[i]);
  return v;
}

/// Length, type, contents, checksum: chunk after chunk behind the eight bytes of the signature.
std::vector<std::byte> with_checksums(std::span<const std::byte> bytes) {
  std::vector<std::byte> out(bytes.begin(), bytes.end());
  constexpr size_t kSignature = 8, kFrame = 12;
  size_t at = kSignature;
  while (at + kFrame <= out.size()) {
    const size_t length = big_endian(out.data() + at);
    if (length > out.size() - at - kFrame) break;
    const uint32_t sum = formats::crc32(std::span(out).subspan(at + 4, length + 4));
    for (size_t i = 0; i < 4; ++i)
      out[at + 8 + length + i] = static_cast<std::byte>(sum >> (24 - 8 * i) & 0xff);
    at += kFrame + length;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = fuzz::bytes_of(data, size);
  read(bytes);
  read(with_checksums(bytes));
  return 0;
}
