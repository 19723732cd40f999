// varve run: trains a recipe.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "command.h"
#include "console.h"
#include "interrupt.h"
#include "output.h"
#include "recipes/recipe.h"

namespace varve::app {
namespace {

struct Options {
  std::string name, out, data;
  int64_t seed = 1;
  bool list = false, force = false;
};

std::string listing() {
  std::string out;
  for (const recipes::Recipe& r : recipes::table())
    out += fmt::format("{:<20} {:<5} {}\n", r.name, r.target, r.help);
  return out;
}

int run(const Options& o) {
  if (o.list) {
    say(listing());
    return 0;
  }
  if (o.name.empty()) throw UsageError("NAME: missing", "varve run --list names the recipes");
  const recipes::Recipe* recipe = recipes::find(o.name);
  if (!recipe) {
    std::vector<std::string> names;
    for (const recipes::Recipe& r : recipes::table()) names.push_back(r.name);
    throw UsageError("unknown recipe \"" + escaped(o.name) + "\"", did_you_mean(o.name, names));
  }
  recipes::Settings settings;
  settings.seed = static_cast<uint64_t>(o.seed);
  settings.out = o.out.empty() ? "runs/" + o.name : o.out;
  settings.data = o.data;
  settings.say = say_if_read;
  settings.interrupted = interrupted;
  const FolderClaim claim(settings.out, "recipe " + o.name, recipes::output_files(), o.force);
  const bool passed = recipes::run(*recipe, settings);
  return interrupted() ? kInterrupted : passed ? 0 : 1;
}

}  // namespace

Action declare_run(Arguments& arguments) {
  auto o = std::make_shared<Options>();
  arguments.positional("NAME", o->name, "The recipe.", false);
  arguments.flag("--list", o->list, "Names the recipes, one a line.");
  arguments.integer("--seed", "N", o->seed, 0, INT64_MAX,
                    "All random numbers follow from it; 1 by default.");
  arguments.text("--out,-o", "DIR", o->out, "Where results go; runs/NAME by default.");
  arguments.text("--data", "DIR", o->data,
                 "Where the data are; by default $VARVE_DATA, or those that came with Varve.");
  arguments.flag("--force", o->force, "Replaces what others left in DIR.");
  return [o] { return run(*o); };
}

}  // namespace varve::app
