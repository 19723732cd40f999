// Looks at SVG and HTML as text: are the tags balanced, how often does something occur.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "support/text.h"

namespace varve::report {

using test::count;

/// Empty where every opened tag is closed in order; else what is wrong. Knows the tags that HTML
/// leaves open.
inline std::string unbalanced(std::string_view text) {
  std::vector<std::string> open;
  for (size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    const size_t end = text.find('>', at);
    if (end == text.npos) return "a tag that does not end";
    const std::string_view tag = text.substr(at + 1, end - at - 1);
    if (tag.starts_with("!") || tag.ends_with("/")) continue;
    const bool closes = tag.starts_with("/");
    const std::string name(
        tag.substr(closes ? 1 : 0, tag.find_first_of(" \n", closes ? 1 : 0) - (closes ? 1 : 0)));
    if (name == "meta" || name == "img") continue;
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes <" + (open.empty() ? "" : open.back()) + ">";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

}  // namespace varve::report
