// room: base
// Warnings: what may well be a mistake and is no error. They go to one handler.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace varve {

/// What a warning is handed to. It may be called from any thread.
using WarningHandler = std::function<void(const std::string&)>;

/// Replaces the handler and returns the one before. An empty one restores the default, which writes
/// `varve: warning: ...` to standard error, a text that it has written before not again, and keeps
/// the warnings for `take_warnings`.
/// Example: set_warning_handler([](const std::string&) {})  // silence
WarningHandler set_warning_handler(WarningHandler handler);
/// The warnings that the default handler was given (the last 100), oldest first, a repeated one as
/// often as it came; forgets them.
std::vector<std::string> take_warnings();
/// Hands a warning to the handler. From any thread.
void warn(const std::string& text);

}  // namespace varve
