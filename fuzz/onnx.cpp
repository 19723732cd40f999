// ONNX models; what is read is written and read again.
#include "formats/onnx.h"

#include "support/harness.h"

using namespace varve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    // No folder: external data must be refused.
    const formats::onnx::Model model =
        formats::onnx::parse_model("input", fuzz::bytes_of(data, size));
    const std::string bytes = formats::onnx::serialize(model);
    const formats::onnx::Model again =
        formats::onnx::parse_model("again", formats::as_bytes(bytes));
    fuzz::expect(formats::onnx::serialize(again) == bytes, "a model is kept");
  });
  return 0;
}
