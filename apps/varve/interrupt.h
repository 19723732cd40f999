// Ctrl-C while a command trains.
#pragma once

namespace varve::app {

/// Whether Ctrl-C was pressed since this was asked first: from then on the first one only is noted,
/// and the next ends the program. One that the caller of the program ignores stays ignored.
bool interrupted();

/// What a shell tells of a program that Ctrl-C ended: 128 + SIGINT.
constexpr int kInterrupted = 130;

}  // namespace varve::app
