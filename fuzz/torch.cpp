// torch.save files, both forms: every tensor that they list.
#include "formats/torch_file.h"
#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const formats::TorchFile file(fuzz::source_of(data, size));
    for (size_t i = 0; i < file.tensors().size(); ++i)
      fuzz::reads_or_refuses([&] { fuzz::read_through(file.read(i)); });
  });
  return 0;
}
