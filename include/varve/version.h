// The version of Varve. CMake reads it from here, so this is the only place that says it.
// room: base
#pragma once

namespace varve {

inline constexpr int kVersionMajor = 0;
inline constexpr int kVersionMinor = 1;
inline constexpr int kVersionPatch = 0;
/// "major.minor.patch"; follows semantic versioning from 1.0.0 on.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace varve
