// Layer types by name.
#pragma once
#include <memory>
#include <string>

#include "varve/nn/layer.h"

namespace varve::nn {

/// The name of a spec's type: as registered, or in snake case; "layer" for types without a name.
std::string type_of(const detail::Spec& spec);
/// A spec of that type with every member at its default; null where the type is unknown.
std::unique_ptr<detail::Spec> make_spec(const std::string& type);

}  // namespace varve::nn
