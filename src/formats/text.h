// UTF-8 and the quoting of strings.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace varve::formats {

/// The position of the first byte that is not UTF-8 (overlong forms, surrogates and code points
/// above U+10FFFF are none), or -1.
int64_t first_invalid_utf8(std::string_view text);
void append_utf8(std::string& out, uint32_t code_point);
/// `text` as a JSON string with its quotes; only what must be escaped is.
std::string json_quoted(std::string_view text);
/// `text` in quotes as error messages show it: control characters escaped, cut at 200 bytes.
std::string in_quotes(std::string_view text);

}  // namespace varve::formats
