// room: base
// Warnings: the library prints nothing; it hands its warnings to a handler.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace varve {

/// What a warning is handed to. It may be called from any thread.
using WarningHandler = std::function<void(const std::string&)>;

/// Replaces the handler and returns the one before; an empty handler restores the default, which
/// collects the warnings for `take_warnings`.
WarningHandler set_warning_handler(WarningHandler handler);
/// The warnings that the default handler has collected (the last 100), oldest first; forgets them.
std::vector<std::string> take_warnings();
/// Hands a warning to the handler. From any thread.
void warn(const std::string& text);

}  // namespace varve
