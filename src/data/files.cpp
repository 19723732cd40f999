// Readers and writers of files as tensors.
#include "varve/files.h"

#include "base/error.h"
#include "data/arrays.h"
#include "formats/idx.h"
#include "formats/image.h"
#include "formats/jpeg.h"
#include "formats/npy.h"
#include "formats/png.h"
#include "formats/safetensors.h"
#include "ir/node.h"

namespace varve {
namespace data {

Tensor to_tensor(const formats::Array& array) {
  constexpr uintptr_t kAlignment = 64;
  if (reinterpret_cast<uintptr_t>(array.bytes.data()) % kAlignment == 0) {
    return tensor_from_shared(array.bytes.shared(), array.bytes.data(), array.dtype, array.shape);
  }
  return tensor_from_bytes(array.bytes.data(), array.dtype, array.shape);
}

formats::Array to_array(const Tensor& x) {
  formats::Array out(x.dtype(), x.shape());
  const std::byte* from = ir::contiguous_array(x).data();
  std::copy(from, from + out.bytes.size(), out.bytes.data());
  return out;
}

}  // namespace data

using data::to_array;
using data::to_tensor;

Tensor read_npy(std::string_view path) { return to_tensor(formats::read_npy(std::string(path))); }
void write_npy(std::string_view path, const Tensor& x) {
  formats::write_npy(std::string(path), to_array(x));
}

std::map<std::string, Tensor> read_npz(std::string_view path) {
  const formats::NpzFile file = formats::NpzFile::open(std::string(path));
  std::map<std::string, Tensor> out;
  for (const std::string& name : file.names()) out.emplace(name, to_tensor(file.read(name)));
  return out;
}
void write_npz(std::string_view path, const std::map<std::string, Tensor>& arrays, bool compress) {
  std::map<std::string, formats::Array> list;
  for (const auto& [name, x] : arrays) list.emplace(name, to_array(x));
  formats::write_npz(std::string(path), list, compress);
}

Tensor read_idx(std::string_view path) { return to_tensor(formats::read_idx(std::string(path))); }
void write_idx(std::string_view path, const Tensor& x) {
  formats::write_idx(std::string(path), to_array(x));
}

std::map<std::string, Tensor> read_safetensors(std::string_view path) {
  const formats::SafetensorsFile file = formats::SafetensorsFile::open(std::string(path));
  std::map<std::string, Tensor> out;
  for (const auto& entry : file.tensors()) out.emplace(entry.name, to_tensor(file.read(entry)));
  return out;
}
void write_safetensors(std::string_view path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<formats::NamedBytes> list;
  for (const auto& [name, x] : tensors) {
    const auto size = static_cast<size_t>(x.size() * size_of(x.dtype()));
    list.push_back({name, x.dtype(), x.shape(), {ir::contiguous_array(x).data(), size}});
  }
  formats::write_safetensors(std::string(path), std::move(list), metadata);
}

Tensor read_image(std::string_view path, const ImageOptions& options) {
  if (options.height < 0 || options.width < 0) {
    throw ValueError("read_image: height and width: expected at least 0, got " +
                     std::to_string(options.height.value) + " and " +
                     std::to_string(options.width.value));
  }
  formats::Array picture =
      formats::read_image(std::string(path), static_cast<int>(options.channels.value));
  const int64_t height = options.height > 0 ? options.height.value : picture.shape[0];
  const int64_t width = options.width > 0 ? options.width.value : picture.shape[1];
  if (height != picture.shape[0] || width != picture.shape[1]) {
    picture = formats::resize(picture, height, width);
  }
  return to_tensor(picture);
}

void write_image(std::string_view path, const Tensor& picture) {
  if (path.ends_with(".png")) return formats::write_png(std::string(path), to_array(picture));
  if (path.ends_with(".jpg") || path.ends_with(".jpeg")) {
    return formats::write_jpeg(std::string(path), to_array(picture));
  }
  throw ValueError("write_image: expected a name that ends in .png, .jpg or .jpeg, got \"" +
                   escaped(path) + "\"");
}

}  // namespace varve
