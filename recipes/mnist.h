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

/// Trains from the same seed in f32, then in bf16. The figure is that of bf16; the points that it
/// is worse by must be no more than 0.2 (target X124).
Outcome in_bf16(const Settings& settings,
                Outcome (*train)(const Settings& settings, Precision precision));

}  // namespace varve::recipes
