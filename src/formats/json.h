// JSON files and texts as nlohmann's tree: strict, duplicate keys refused, depth <= 64.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "formats/file.h"

namespace varve::formats {

/// `name` begins every message (a path, or what the text is). Integers become int64 (uint64 above
/// it), all else double. Throws FormatError `<name>: JSON error at byte <n>: ...`, and for invalid
/// UTF-8, nesting deeper than 64, a key defined twice, a number beyond double.
nlohmann::json parse_json(std::string_view text, const std::string& name);

/// A whole file. Throws IoError besides.
nlohmann::json read_json(const std::string& path, int64_t limit = int64_t{64} << 20);

}  // namespace varve::formats
