// safetensors files: the header, and every tensor it lists.
#include "formats/safetensors.h"

#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const formats::SafetensorsFile file(fuzz::source_of(data, size));
    for (const auto& entry : file.tensors()) {
      fuzz::expect(file.find(entry.name) == &entry, "a tensor is found by its name");
      fuzz::reads_or_refuses([&] { fuzz::read_through(file.read(entry)); });
    }
  });
  return 0;
}
