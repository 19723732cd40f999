// The environment: read here and nowhere else.
#pragma once
#include <string>

namespace varve {

/// The value of an environment variable; empty where it is not set.
std::string environment(const char* name);

}  // namespace varve
