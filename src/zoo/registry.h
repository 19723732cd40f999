// The networks that files name: how each is made of its text, and what settings it has.
#pragma once
#include <span>
#include <string>

#include "nn/config.h"
#include "varve/model.h"

namespace varve::zoo {

struct Network {
  const char* name;
  Model (*make)(const config::Json& config, const std::string& path);
  void (*fields)(Fields& f);  ///< shows the settings at their defaults
};

/// Every network of the zoo's headers, by name; adversarial ones as two.
std::span<const Network> networks();

}  // namespace varve::zoo
