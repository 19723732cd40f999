#include "nn/json.h"

#include <cmath>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/dispatch.h"
#include "ir/graph.h"
#include "ops/table.h"

namespace varve::nn {

using config::Json;

namespace {

[[noreturn]] void refuse(const std::string& path, const char* expected, const Json& got) {
  throw ConfigError(path + ": expected " + expected + ", got " + escaped(got.dump()));
}

Json size_to_json(int64_t size) {
  const int64_t batches = batches_in(size);
  if (!batches) return size;
  return batches == 1 ? Json("batch") : Json(std::to_string(batches) + "*batch");
}

int64_t size_from(const Json& value, const std::string& path) {
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_string()) refuse(path, "an integer or \"batch\"", value);
  const std::string text = value.get<std::string>();
  if (text == "batch") return kAnyBatch;
  const size_t star = text.find("*batch");
  int64_t batches = 0;
  for (size_t i = 0; i < star && star != std::string::npos && star < 6; ++i) {
    if (text[i] < '0' || text[i] > '9') refuse(path, "an integer or \"batch\"", value);
    batches = batches * 10 + (text[i] - '0');
  }
  if (batches <= 0 || star + 6 != text.size()) refuse(path, "an integer or \"batch\"", value);
  return batches * kAnyBatch;
}

std::vector<int64_t> sizes_from(const Json& list, const std::string& path) {
  if (!list.is_array()) refuse(path, "a list of sizes", list);
  std::vector<int64_t> sizes;
  for (const Json& item : list) sizes.push_back(size_from(item, path));
  return sizes;
}

Shape shape_from(const Json& list, const std::string& path) {
  const std::vector<int64_t> sizes = sizes_from(list, path);
  for (int64_t n : sizes) {
    if (n < 0) refuse(path, "sizes >= 0", list);
  }
  return Shape(sizes);
}

Json sizes_to_json(const std::vector<int64_t>& sizes) {
  Json list = Json::array();
  for (int64_t s : sizes) list.push_back(size_to_json(s));
  return list;
}

/// JSON has no infinities and no NaN.
Json real_to_json(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return v;
}

double real_from(const Json& value, const std::string& path) {
  if (value.is_number()) return value.get<double>();
  if (value == "nan") return std::nan("");
  if (value == "inf") return INFINITY;
  if (value == "-inf") return -INFINITY;
  refuse(path, "a number", value);
}

DType dtype_from(const Json& value, const std::string& path) {
  if (!value.is_string()) refuse(path, "an element type such as \"f32\"", value);
  try {
    return parse_dtype(value.get<std::string>());
  } catch (const Error& e) {
    throw ConfigError(path + ": " + e.message(), e.hint());
  }
}

/// Attributes whose JSON alone does not tell their type stand under the name of it.
struct AttributeToJson {
  const std::string& owner;
  Json operator()(bool v) const { return v; }
  Json operator()(int64_t v) const { return size_to_json(v); }
  Json operator()(double v) const { return {{"real", real_to_json(v)}}; }
  Json operator()(const std::string& v) const { return {{"text", v}}; }
  Json operator()(DType v) const { return {{"dtype", name_of(v)}}; }
  Json operator()(const ir::Ints& v) const { return sizes_to_json(v); }
  Json operator()(const ir::Doubles& v) const {
    Json list = Json::array();
    for (double d : v) list.push_back(real_to_json(d));
    return {{"reals", list}};
  }
  Json operator()(const ir::GraphRef& v) const {
    return {{"graph", ir::to_text(*v, {.elide = 0})}};
  }
  Json operator()(const ir::Literal& v) const { return {{"literal", literal_to_json(v)}}; }
  Json operator()(const ir::Opaque& v) const {
    throw UnsupportedError(
        owner + ": \"" + v.name + "\" is a function of your own and has no text form",
        "write it as a layer struct and register it with nn::register_layer");
  }
};

ir::Attribute attribute_from(const Json& value, const std::string& path) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer() || value.is_string()) return size_from(value, path);
  if (value.is_array()) return sizes_from(value, path);
  if (!value.is_object() || value.size() != 1) refuse(path, "an attribute", value);
  const std::string& kind = value.items().begin().key();
  const Json& v = value.items().begin().value();
  if (kind == "real") return real_from(v, path);
  if (kind == "text" && v.is_string()) return v.get<std::string>();
  if (kind == "dtype") return dtype_from(v, path);
  if (kind == "literal") return literal_from(v, path);
  if (kind == "reals" && v.is_array()) {
    ir::Doubles list;
    for (const Json& item : v) list.push_back(real_from(item, path));
    return list;
  }
  if (kind == "graph" && v.is_string()) {
    return std::make_shared<const ir::Graph>(ir::parse_graph(v.get<std::string>(), ops::find));
  }
  refuse(path, "an attribute", value);
}

}  // namespace

const Json& member(const Json& object, const char* name, const std::string& path) {
  if (!object.is_object()) refuse(path, "an object", object);
  const auto at = object.find(name);
  if (at == object.end()) throw ConfigError(path + ": expected a member \"" + name + "\"");
  return *at;
}

Json type_to_json(const ir::TensorType& type) {
  return {{"dtype", name_of(type.dtype)}, {"shape", sizes_to_json(type.shape.dims())}};
}

ir::TensorType type_from(const Json& object, const std::string& path) {
  return {dtype_from(member(object, "dtype", path), path + ".dtype"),
          shape_from(member(object, "shape", path), path + ".shape")};
}

Json attributes_to_json(const ir::Attributes& attributes, const std::string& owner) {
  Json object = Json::object();
  for (const auto& [name, value] : attributes)
    object[name] = std::visit(AttributeToJson{owner}, value);
  return object;
}

ir::Attributes attributes_from(const Json& object, const std::string& path) {
  if (!object.is_object()) refuse(path, "an object", object);
  ir::Attributes attributes;
  for (const auto& [name, value] : object.items())
    attributes.set(name, attribute_from(value, path + "." + escaped(name)));
  return attributes;
}

Json literal_to_json(const ir::Literal& literal) {
  const ir::TensorType type{literal.dtype, literal.shape};
  const ir::Array a = ir::contiguous_copy(type, literal.array);
  Json values = Json::array();
  ir::dispatch(literal.dtype, [&]<class T>(T) {
    const T* p = reinterpret_cast<const T*>(a.data());
    for (int64_t i = 0; i < literal.shape.size(); ++i) {
      if constexpr (ir::is_float_element<T>) {
        values.push_back(real_to_json(static_cast<double>(p[i])));
      } else {
        values.push_back(p[i]);
      }
    }
  });
  return {{"dtype", name_of(literal.dtype)},
          {"shape", literal.shape.dims()},
          {"values", std::move(values)}};
}

ir::Literal literal_from(const Json& object, const std::string& path) {
  const ir::TensorType type = type_from(object, path);
  const Json& values = member(object, "values", path);
  // The count is compared before anything is allocated from it.
  if (!values.is_array() || static_cast<int64_t>(values.size()) != type.shape.size())
    refuse(path + ".values", ("a list of " + std::to_string(type.shape.size())).c_str(),
           Json(values.size()));
  ir::Literal literal{type.dtype, type.shape, ir::allocate(type.dtype, type.shape)};
  ir::dispatch(type.dtype, [&]<class T>(T) {
    T* p = reinterpret_cast<T*>(literal.array.data());
    for (size_t i = 0; i < values.size(); ++i) {
      if constexpr (ir::is_float_element<T>) {
        p[i] = convert<T>(real_from(values[i], path));
      } else if constexpr (std::is_same_v<T, bool>) {
        if (!values[i].is_boolean()) refuse(path, "true or false", values[i]);
        p[i] = values[i].get<bool>();
      } else {
        if (!values[i].is_number_integer()) refuse(path, "an integer", values[i]);
        p[i] = values[i].get<T>();
      }
    }
  });
  return literal;
}

}  // namespace varve::nn
