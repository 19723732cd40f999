// Job files as trees of values.
#pragma once
#include <string>

#include "formats/toml.h"
#include "nn/config.h"

namespace varve::job {

/// `file` begins the ConfigError of dates, which no key takes.
config::Json to_json(const formats::TomlValue& value, const std::string& file);

/// Sets a value by "train.epochs=3", "model.layers[0].units=8". Throws ConfigError.
void apply_set(config::Json& root, const std::string& set);

}  // namespace varve::job
