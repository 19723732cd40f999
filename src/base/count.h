// Counted things in texts.
#pragma once
#include <string>
#include <string_view>

#include "varve/types.h"

namespace varve {

/// "1 sample", "3 samples"; `many` where an s does not make the plural: "1 axis", "2 axes".
inline std::string count_of(Dim n, std::string_view one, std::string_view many = {}) {
  std::string out = std::to_string(n.value) + " ";
  if (n == 1) return out.append(one);
  return many.empty() ? out.append(one).append("s") : out.append(many);
}

}  // namespace varve
