// MNIST from its four IDX files.
#include <array>

#include "base/environment.h"
#include "base/error.h"
#include "data/image_preparation.h"
#include "formats/file.h"
#include "formats/idx.h"
#include "ir/node.h"
#include "varve/dataset.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve::datasets {
namespace {

struct File {
  const char* name;
  const char* sha256;  // of the packed file
};
constexpr std::array<File, 4> kFiles{{
    {"train-images-idx3-ubyte", "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"},
    {"train-labels-idx1-ubyte", "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203"},
    {"t10k-images-idx3-ubyte", "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be"},
    {"t10k-labels-idx1-ubyte", "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b"},
}};

// The path of a file in a folder, packed or not; empty where there is none.
std::string path_in(const std::string& folder, const char* name) {
  for (const char* ending : {".gz", ""}) {
    std::string path = folder + "/" + name + ending;
    if (formats::file_exists(path)) return path;
  }
  return {};
}

std::vector<std::string> places(std::string_view directory) {
  if (!directory.empty()) return {std::string(directory), std::string(directory) + "/mnist"};
  std::vector<std::string> out;
  if (const std::string data = environment("VARVE_DATA"); !data.empty()) {
    out = {data + "/mnist", data};
    if (!formats::file_exists(data))
      warn("VARVE_DATA=" + formats::shown(data) + ": there is no such folder");
  }
  out.push_back(std::string(VARVE_SOURCE_DATA) + "/mnist");
  return out;
}

[[noreturn]] void fail_missing(const std::vector<std::string>& folders,
                               const std::string& missing) {
  std::string where;
  for (const std::string& f : folders) where += (where.empty() ? "" : ", ") + formats::shown(f);
  std::string hint =
      "MNIST is public: https://ossci-datasets.s3.amazonaws.com/mnist/ (IDX files, gzip); name its "
      "folder as the argument or in $VARVE_DATA. SHA-256:";
  for (const File& f : kFiles) hint += std::string("\n    ") + f.sha256 + "  " + f.name + ".gz";
  throw IoError("mnist: " + missing + ": not found in " + where, hint);
}

// Puts a reader's array into a tensor without a copy.
Tensor take_over(const formats::Array& array, const Shape& shape) {
  return tensor_from_shared(array.bytes.shared(), array.bytes.data(), array.dtype, shape);
}

Dataset read_part(const std::string& images_path, const std::string& labels_path) {
  const formats::LabelledImages part = formats::read_idx_pair(images_path, labels_path);
  const Shape& images = part.images.shape;
  if (part.images.dtype != u8 || part.labels.dtype != u8) {
    throw FormatError(formats::shown(images_path) + ": expected u8 images and labels, got " +
                      name_of(part.images.dtype) + " and " + name_of(part.labels.dtype));
  }
  DatasetOptions options;
  for (int digit = 0; digit < 10; ++digit) options.class_names.push_back(std::to_string(digit));
  const data::ImagePreparation preparation{.height = images[1], .width = images[2]};
  options.prepare = preparation.prepare();
  options.preprocessing = preparation.to_json();
  return Dataset(take_over(part.images, {images[0], images[1], images[2], 1}),
                 take_over(part.labels, part.labels.shape), std::move(options));
}

}  // namespace

TrainTest mnist(std::string_view directory) {
  const std::vector<std::string> folders = places(directory);
  std::string missing;
  for (const std::string& folder : folders) {
    std::array<std::string, 4> paths;
    std::string absent;
    for (size_t i = 0; i < paths.size(); ++i) {
      paths[i] = path_in(folder, kFiles[i].name);
      if (paths[i].empty() && absent.empty()) absent = kFiles[i].name;
    }
    if (absent.empty()) return {read_part(paths[0], paths[1]), read_part(paths[2], paths[3])};
    missing = absent;
  }
  fail_missing(folders, missing);
}

}  // namespace varve::datasets
