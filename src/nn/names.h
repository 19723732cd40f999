// Names of types as files spell them.
#pragma once
#include <string>
#include <string_view>

namespace varve::nn {

/// "max_pool2d" from the compiler's spelling of a spec's type; empty for a lambda.
std::string type_of_spelling(std::string_view spelled);

}  // namespace varve::nn
