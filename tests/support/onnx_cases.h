// Exported models as cases in ONNX's own layout.
#pragma once
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "formats/onnx.h"
#include "ir/node.h"
#include "varve/tensor.h"

namespace varve::test {

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<int64_t>(bytes.size()));
}

inline formats::onnx::TensorData data_of(const Tensor& t, const std::string& name) {
  formats::onnx::TensorData d;
  d.name = name;
  d.type = formats::onnx::type_of(t.dtype());
  d.shape = t.shape();
  d.array = formats::Array(t.dtype(), t.shape());
  const auto* bytes = reinterpret_cast<const std::byte*>(ir::contiguous_array(t).data());
  std::copy_n(bytes, t.size() * size_of(t.dtype()), d.array.bytes.data());
  return d;
}

/// Keeps a case in the folder that VARVE_ONNX_OUT names, for another program to run
/// (tests/onnx/compare.py). bf16, which NumPy has not, is left out.
inline void keep_onnx_case(const std::string& name, const std::string& model, const Tensors& in,
                           const Tensors& out) {
  const char* root = std::getenv("VARVE_ONNX_OUT");
  if (!root) return;
  for (const Tensors& list : {in, out}) {
    for (const Tensor& t : list) {
      if (t.dtype() == bf16) return;
    }
  }
  std::string folder = name;
  std::replace_if(
      folder.begin(), folder.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  const auto data = std::filesystem::path(root) / folder / "test_data_set_0";
  std::filesystem::create_directories(data);
  write_bytes(data.parent_path() / "model.onnx", model);
  for (size_t i = 0; i < in.size(); ++i) {
    write_bytes(data / ("input_" + std::to_string(i) + ".pb"),
                formats::onnx::serialize(data_of(in[i], "x" + std::to_string(i))));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    write_bytes(data / ("output_" + std::to_string(i) + ".pb"),
                formats::onnx::serialize(data_of(out[i], "y" + std::to_string(i))));
  }
}

}  // namespace varve::test
