#include <array>

#include "command.h"

namespace varve::app {
namespace {

constexpr std::array kCommands{
    Command{"run", "Trains a recipe: a system that others published, to the figure they reached.",
            "Leaves in DIR: result.json, the model, learning curves, pictures and report.html.\n"
            "The exit code is 0 only if the recipe reaches its gate.\n\n"
            "Examples:\n"
            "  varve run --list\n"
            "  varve run mnist_convnet --out runs/demo\n"
            "  varve run lenet5 --seed 2 --threads 1 --out runs/lenet5-2\n",
            true, declare_run},
    Command{"doctor", "Says what this Varve is made of and what it finds on this machine.",
            "Example:\n"
            "  varve doctor            a table, and notes on what costs speed\n"
            "  varve doctor --json     the same for programs\n",
            true, declare_doctor},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace varve::app
