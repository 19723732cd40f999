// What is done with fields: JSON out and in, validation, printing. Private: JSON is no part of the
// public headers.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "varve/error.h"
#include "varve/fields.h"

namespace varve::config {

/// Keeps the order in which members were written.
using Json = nlohmann::ordered_json;
/// Shows an object's fields to a visitor.
using Visit = FunctionRef<void(Fields&)>;

/// One strict JSON text. Throws FormatError, which begins with `what`.
Json parse(std::string_view text, const std::string& what);

/// The fields as a JSON object. Throws UnsupportedError, naming `owner` and the field, where one
/// holds a function of the user's own.
Json write(const std::string& owner, Visit visit);

/// Sets the fields that the object names; the others stay. `path` ("model.layers[2]") begins the
/// error texts: ConfigError for unknown keys ("did you mean"), wrong types and values out of range.
/// The keys in `also` are somebody else's.
void read(const Json& object, const std::string& path, Visit visit,
          const std::vector<std::string>& also = {});

/// Throws ValueError, "owner: field: expected integer >= 1, got 0", for the first field that breaks
/// its rule.
void validate(const std::string& owner, Visit visit, Where where);

/// "units=10, activation="relu"": the fields whose text differs from that of `defaults`.
std::string print(Visit visit, Visit defaults);

/// Names of the fields, in order.
std::vector<std::string> names(Visit visit);

/// The text of a choice: its name alone, or an object of "type" and fields where it has some.
std::string choice_text(const std::string& type, Visit visit);
/// The "type" of a choice: a string, or an object's member. Throws ConfigError.
std::string choice_type(const Json& value, const std::string& path);

}  // namespace varve::config
