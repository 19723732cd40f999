// Bytes as text of 64 letters (RFC 4648, with padding).
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace varve::formats {

std::string base64(std::span<const std::byte> bytes);
/// The bytes again; nothing where the text is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace varve::formats
