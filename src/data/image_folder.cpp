// Pictures in folders named after their classes.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "data/arrays.h"
#include "data/image_preparation.h"
#include "formats/file.h"
#include "formats/image.h"
#include "varve/files.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve::datasets {
namespace {

namespace fs = std::filesystem;

// More than this share is no accident of a few pictures.
constexpr double kMostBad = 0.01;
constexpr size_t kListed = 10;

// Entries of a folder in the order of their names, those that begin with a dot left out.
std::vector<fs::path> entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> out;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->path().filename().string().starts_with(".")) out.push_back(at->path());
  }
  if (error) {
    throw IoError("image_folder: " + formats::shown(folder.string()) + ": " + error.message());
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct Found {
  std::vector<std::string> classes, paths;
  std::vector<int64_t> labels;
  int64_t files = 0;  // pictures or not
};

Found find(const std::string& directory) {
  Found found;
  for (const fs::path& folder : entries(directory)) {
    std::error_code error;
    const bool is_folder = fs::is_directory(folder, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      throw IoError("image_folder: " + formats::shown(folder.string()) + ": " + error.message());
    }
    if (!is_folder) {
      ++found.files;
      continue;
    }
    const auto label = static_cast<int64_t>(found.classes.size());
    found.classes.push_back(folder.filename().string());
    for (const fs::path& path : entries(folder)) {
      ++found.files;
      if (!data::has_picture_ending(path.string())) continue;
      found.paths.push_back(path.string());
      found.labels.push_back(label);
    }
  }
  return found;
}

void check(const ImageFolderOptions& o) {
  const auto require = [](bool holds, const std::string& text) {
    if (!holds) throw ValueError("image_folder: " + text);
  };
  for (const auto& [name, side] : {std::pair("height", o.height.value), {"width", o.width.value}}) {
    require(side >= 1 && side <= formats::kMaxImageSide,
            std::string(name) + ": expected 1.." + std::to_string(formats::kMaxImageSide) +
                ", got " + std::to_string(side));
  }
  require(o.channels == 1 || o.channels == 3,
          "channels: expected 1 or 3, got " + std::to_string(o.channels.value));
  require(
      o.on_bad_sample == "error" || o.on_bad_sample == "skip",
      "on_bad_sample: expected \"error\" or \"skip\", got \"" + escaped(o.on_bad_sample) + "\"");
}

// What came of the pictures that could not be read.
void report(const std::string& directory, const std::vector<std::string>& bad, size_t all) {
  if (bad.empty()) return;
  std::string text = "image_folder: " + formats::shown(directory) + ": " +
                     std::to_string(bad.size()) + " of " + std::to_string(all) +
                     " pictures cannot be read";
  std::string list;
  for (size_t i = 0; i < std::min(bad.size(), kListed); ++i) list += "\n  " + bad[i];
  if (bad.size() > kListed) list += "\n  ... and " + std::to_string(bad.size() - kListed) + " more";
  if (static_cast<double>(bad.size()) > kMostBad * static_cast<double>(all)) {
    throw FormatError(text + ", more than 1 %:" + list);
  }
  warn(text + " and are left out:" + list);
}

}  // namespace

Dataset image_folder(std::string_view directory, const ImageFolderOptions& options) {
  check(options);
  const std::string name(directory);
  const Found found = find(name);
  if (found.paths.empty()) {
    throw ValueError("image_folder: " + formats::shown(name) + ": training set is empty (0 of " +
                         std::to_string(found.files) + " files matched *.png, *.jpg, *.jpeg)",
                     found.classes.empty() ? "expected a folder for each class" : "");
  }
  const data::ImagePreparation preparation{
      .height = options.height, .width = options.width, .channels = options.channels};
  const int64_t size = options.height * options.width * options.channels;
  formats::Array pixels(u8, Shape({static_cast<int64_t>(found.paths.size()), options.height.value,
                                   options.width.value, options.channels.value}));
  std::vector<int64_t> labels;
  std::vector<std::string> bad;
  for (size_t i = 0; i < found.paths.size(); ++i) {
    try {
      const formats::Array picture = preparation.fit(formats::read_image(found.paths[i]));
      std::memcpy(pixels.bytes.data() + static_cast<int64_t>(labels.size()) * size,
                  picture.bytes.data(), static_cast<size_t>(size));
      labels.push_back(found.labels[i]);
    } catch (const Error& e) {
      if (options.on_bad_sample == "error") throw;
      bad.push_back(e.message());
    }
  }
  report(name, bad, found.paths.size());
  const auto n = static_cast<int64_t>(labels.size());
  Tensor inputs = data::to_tensor(pixels);
  if (!bad.empty()) inputs = slice(inputs, {Slice{0, n}}).evaluate();
  return Dataset(inputs, tensor(labels, {n}),
                 {.class_names = found.classes,
                  .prepare = preparation.prepare(),
                  .preprocessing = preparation.to_json()});
}

}  // namespace varve::datasets
