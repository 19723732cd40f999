#include "data/image_preparation.h"

#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/image.h"
#include "formats/json.h"
#include "varve/ops/pointwise.h"

namespace varve::data {

bool has_picture_ending(const std::string& path) {
  const size_t dot = path.rfind('.');
  if (dot == path.npos) return false;
  std::string ending = path.substr(dot);
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

std::string ImagePreparation::to_json() const {
  if (!is_picture()) {
    return nlohmann::ordered_json{{"type", "bytes"}, {"divide_by", divide_by}}.dump();
  }
  return nlohmann::ordered_json{{"type", "image"},
                                {"height", height},
                                {"width", width},
                                {"channels", channels},
                                {"divide_by", divide_by}}
      .dump();
}

ImagePreparation ImagePreparation::from_json(std::string_view json) {
  const nlohmann::json j = formats::parse_json(json, "preprocessing");
  ImagePreparation p;
  bool bytes = false;
  try {
    bytes = j.at("type") == "bytes";
    if (!bytes && j.at("type") != "image") {
      throw FormatError("preprocessing: it is not that of pictures");
    }
    p.divide_by = j.at("divide_by").get<double>();
    if (!bytes) {
      p.height = j.at("height").get<int64_t>();
      p.width = j.at("width").get<int64_t>();
      p.channels = j.at("channels").get<int64_t>();
    }
  } catch (const nlohmann::json::exception& e) {
    throw FormatError(std::string("preprocessing: ") + escaped(e.what()));
  }
  const bool sides = bytes || (p.height >= 1 && p.height <= formats::kMaxImageSide &&
                               p.width >= 1 && p.width <= formats::kMaxImageSide);
  if (!sides || (p.channels != 1 && p.channels != 3) || !(p.divide_by > 0) ||
      !std::isfinite(p.divide_by)) {
    throw FormatError("preprocessing: these are no pictures: " + escaped(json));
  }
  return p;
}

formats::Array ImagePreparation::fit(const formats::Array& picture) const {
  return formats::resize(formats::to_channels(picture, static_cast<int>(channels)), height, width);
}

Preparation ImagePreparation::prepare() const {
  // The same operations as in training, so that the same picture gives the same bits.
  if (divide_by == 1) return [](const Tensors& x) { return Tensors(cast(x.only(), f32)); };
  return [by = divide_by](const Tensors& x) { return Tensors(cast(x.only(), f32) / by); };
}

}  // namespace varve::data
