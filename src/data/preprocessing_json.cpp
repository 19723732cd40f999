#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/preprocessing.h"
#include "formats/json.h"

namespace varve::data {
namespace {

using Json = nlohmann::ordered_json;

Json write(const FittedColumn& c) {
  if (c.category) return {{"name", c.name}, {"kind", "category"}, {"categories", c.categories}};
  Json out{{"name", c.name}, {"kind", "number"}, {"shift", c.shift}, {"factor", c.factor}};
  if (c.must_be_there) {
    out["required"] = true;
  } else {
    out["fill"] = c.fill;
  }
  return out;
}

Json write(const TablePreparation& t) {
  Json columns = Json::array();
  for (const FittedColumn& c : t.columns) columns.push_back(write(c));
  return {{"kind", "table"},      {"target", t.target},
          {"classes", t.classes}, {"separator", std::string(1, t.separator)},
          {"header", t.header},   {"missing", t.missing},
          {"columns", columns}};
}

Json write(const ImagePreparation& i) {
  return {{"kind", "image"},
          {"height", i.height},
          {"width", i.width},
          {"channels", i.channels},
          {"scale", i.unit ? "unit" : "none"},
          {"classes", i.classes}};
}

FittedColumn read_column(const nlohmann::json& j) {
  FittedColumn c{.name = j.at("name").get<std::string>()};
  if (j.at("kind") == "category") {
    c.category = true;
    c.categories = j.at("categories").get<std::vector<std::string>>();
  } else {
    c.shift = j.at("shift").get<double>();
    c.factor = j.at("factor").get<double>();
    c.must_be_there = j.value("required", false);
    c.fill = j.value("fill", 0.0);
  }
  return c;
}

Preprocessing read(const nlohmann::json& j) {
  const std::string kind = j.at("kind").get<std::string>();
  if (kind == "table") {
    TablePreparation t;
    t.target = j.at("target").get<std::string>();
    t.classes = j.at("classes").get<std::vector<std::string>>();
    t.separator = j.at("separator").get<std::string>().at(0);
    t.header = j.at("header").get<bool>();
    t.missing = j.at("missing").get<std::vector<std::string>>();
    for (const auto& c : j.at("columns")) t.columns.push_back(read_column(c));
    return t;
  }
  if (kind == "image") {
    ImagePreparation i;
    i.height = j.at("height").get<int64_t>();
    i.width = j.at("width").get<int64_t>();
    i.channels = j.at("channels").get<int64_t>();
    i.unit = j.at("scale") == "unit";
    i.classes = j.at("classes").get<std::vector<std::string>>();
    return i;
  }
  throw FormatError("kind: expected \"table\" or \"image\", got \"" + escaped(kind) + "\"");
}

}  // namespace

std::string to_json(const Preprocessing& p) {
  if (const auto* table = std::get_if<TablePreparation>(&p)) return write(*table).dump();
  if (const auto* image = std::get_if<ImagePreparation>(&p)) return write(*image).dump();
  return "null";
}

Preprocessing preprocessing_from_json(std::string_view text, const std::string& name) {
  const nlohmann::json j = formats::parse_json(text, name + ": preprocessing");
  if (j.is_null()) return {};
  try {
    return read(j);
  } catch (const nlohmann::json::exception& e) {
    throw FormatError(name + ": preprocessing: " + escaped(e.what()));
  } catch (const FormatError& e) {
    throw FormatError(name + ": preprocessing: " + e.message());
  } catch (const std::out_of_range&) {
    throw FormatError(name + ": preprocessing: separator: expected one character");
  }
}

}  // namespace varve::data
