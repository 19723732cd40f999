// What the program says: results on standard output, errors and warnings on standard error.
#pragma once
#include <string_view>

#include "varve/error.h"

namespace varve::app {

/// Standard output is gone (`varve ... | head`): nothing more can be said, and that is no fault.
struct OutputClosed {};

/// Writes to standard output at once. Throws OutputClosed, or IoError where the disk is full.
void say(std::string_view text);
/// The same for what a command says while it makes files: once nobody reads, it goes on in silence.
void say_if_read(std::string_view text);
/// `error: ...` and, where there is one, `  hint: ...` on standard error: two lines, no control
/// characters.
void say_error(const Error& error);
void say_error(std::string_view message, std::string_view hint = {});
/// `warning: ...` on standard error.
void say_warning(std::string_view text);

/// Opens /dev/null for standard streams that are closed, so that no file takes their place, and
/// makes a closed pipe and a file that may not grow errors of write.
void settle_streams();
/// Standard output is a terminal.
bool is_terminal();

}  // namespace varve::app
