#include "formats/base64.h"

#include <algorithm>
#include <cstdint>

namespace varve::formats {
namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t v = 0;
    for (size_t k = 0; k < 3; ++k) v = v << 8 | (k < n ? static_cast<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t v = 0;
    size_t n = 4;
    for (size_t k = 0; k < 4; ++k) {
      const char c = text[i + k];
      const auto* digit = std::find(kDigits, kDigits + 64, c);
      if (digit != kDigits + 64) {
        if (n != 4) return std::nullopt;  // a digit behind the padding
        v = v << 6 | static_cast<uint32_t>(digit - kDigits);
      } else if (c == '=' && i + 4 == text.size() && k >= 2) {
        n = std::min(n, k);
        v <<= 6;
      } else {
        return std::nullopt;
      }
    }
    for (size_t k = 0; k + 1 < n; ++k) out += static_cast<char>(v >> (16 - 8 * k) & 255);
  }
  return out;
}

}  // namespace varve::formats
