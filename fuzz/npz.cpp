// npz files: a zip archive, its directory and members, and the arrays in it.
#include "formats/npy.h"
#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const formats::ZipFile zip(fuzz::source_of(data, size));
    for (const auto& member : zip.members()) {
      fuzz::reads_or_refuses([&] {
        fuzz::expect(zip.read(member).size() == member.size, "members have the size they claim");
      });
    }
  });
  fuzz::reads_or_refuses([&] {
    const formats::NpzFile npz(fuzz::source_of(data, size));
    for (const std::string& name : npz.names())
      fuzz::reads_or_refuses([&] { fuzz::read_through(npz.read(name)); });
  });
  return 0;
}
