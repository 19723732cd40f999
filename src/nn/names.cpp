#include "nn/names.h"

#include <cctype>

#include "varve/nn/choices.h"

namespace varve {

std::string detail::type_name(std::string_view text) {
  // g++: "... spelled() [with T = a::B<c::D>; std::string_view = ...]"; clang: "... spelled() [T =
  // a::B]".
  const size_t begin = text.find("T = ");
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin + 4);
  // The type goes to the first ; or ] outside brackets, its name begins after the last :: there:
  // "varve::{anonymous}::Test::TestBody()::Residual", "Pair<a::B>".
  size_t end = 0, name = 0;
  for (int depth = 0; end < text.size(); ++end) {
    const char c = text[end];
    if (depth == 0 && (c == ';' || c == ']')) break;
    if (c == '<' || c == '(' || c == '{' || c == '[') ++depth;
    if (c == '>' || c == ')' || c == '}' || c == ']') --depth;
    if (depth == 0 && c == ':') name = end + 1;
  }
  text = text.substr(name, end - name);
  if (text.find("lambda") < text.find_first_of(")>") && text.find_first_of("<(") == 0) return {};
  return std::string(text.substr(0, text.find('<')));
}

std::string detail::snake_case(std::string_view name) {
  auto upper = [&](size_t i) {
    return i < name.size() && std::isupper(static_cast<unsigned char>(name[i]));
  };
  auto lower = [&](size_t i) {
    return i < name.size() && std::islower(static_cast<unsigned char>(name[i]));
  };
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    // "ReLU" is one word, whatever stands before it.
    if (name.substr(i, 4) == "ReLU") {
      if (i && lower(i - 1)) out += '_';
      out += "relu";
      i += 3;
      continue;
    }
    const bool word = i && upper(i) && (lower(i - 1) || (upper(i - 1) && lower(i + 1)));
    if (word && out.back() != '_') out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
  }
  return out;
}

std::string nn::type_of_spelling(std::string_view spelled) {
  return detail::snake_case(detail::type_name(spelled));
}

}  // namespace varve
