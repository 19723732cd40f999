#include <array>

#include "command.h"

namespace varve::app {
namespace {

constexpr std::array kCommands{
    Command{"doctor", "Says what this Varve is made of and what it finds on this machine.",
            "Example:\n"
            "  varve doctor            a table, and notes on what costs speed\n"
            "  varve doctor --json     the same for programs\n",
            true, declare_doctor},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace varve::app
