// Helpers for composing error texts; private.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "varve/error.h"

namespace varve {

[[noreturn]] void check_failed(const char* condition, Where where);

/// Assert an invariant that no input can break; throws InternalError.
inline void check(bool ok, const char* condition, Where where = Where::here()) {
  if (!ok) [[unlikely]]
    check_failed(condition, where);
}

/// Text from a file or a user made safe to print: control characters as \xNN, cut at `limit` bytes.
std::string escaped(std::string_view text, size_t limit = 200);

/// The choice nearest to `given` by edit distance, or empty if none is near.
std::string closest(std::string_view given, const std::vector<std::string>& choices);

/// A hint line: `did you mean "x"?`, or the list of choices where nothing is near.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& choices);

}  // namespace varve
