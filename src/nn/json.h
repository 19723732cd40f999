// Types and attributes as JSON. Sizes that hold the batch are written "batch" or "4*batch".
#pragma once
#include <string>

#include "ir/attributes.h"
#include "ir/op.h"
#include "nn/config.h"
#include "varve/nn/layer.h"

namespace varve::nn {

config::Json config_of(const Layer& layer);
Layer layer_from(const config::Json& object, const std::string& path);

/// What is not trained though it could be: {"layers": ["dense_1"], "variables":
/// ["dense_1.kernel"]}, by paths; null where all is.
config::Json frozen_to_json(const Layer& layer);
/// Freezes the same in a layer that was built. ConfigError for a path that it has not.
void freeze_from(const config::Json& object, const Layer& layer, const std::string& path);

/// {"dtype": "f32", "shape": ["batch", 28, 28, 1]}.
config::Json type_to_json(const ir::TensorType& type);
ir::TensorType type_from(const config::Json& object, const std::string& path);

/// Attributes of an operation as an object; opaque ones are an UnsupportedError that begins with
/// `owner`.
config::Json attributes_to_json(const ir::Attributes& attributes, const std::string& owner);
ir::Attributes attributes_from(const config::Json& object, const std::string& path);

/// Elements of a tensor, exactly.
config::Json literal_to_json(const ir::Literal& literal);
ir::Literal literal_from(const config::Json& object, const std::string& path);

/// The member of an object; ConfigError where it is missing.
const config::Json& member(const config::Json& object, const char* name, const std::string& path);

}  // namespace varve::nn
