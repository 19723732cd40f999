// What the recipes on MNIST share.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "recipes/recipe.h"

namespace varve::recipes {

/// Trains a compiled model on MNIST, evaluates it on the test part, and notes what a file needs so
/// that raw pictures can be given to it. The figure is test accuracy; the caller sets published and
/// gate.
Outcome train_on_mnist(Model model, FitOptions options, const Settings& settings,
                       std::vector<std::pair<std::string, std::string>> notes);

}  // namespace varve::recipes
