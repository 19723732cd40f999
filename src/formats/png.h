// PNG, by libpng; the chunks are checked here first and only those that carry pixels reach it.
#pragma once
#include "formats/file.h"

namespace varve::formats {

bool is_png(const Source& source);
/// Throws FormatError `not <what>: starts with "..."`.
[[noreturn]] void fail_magic(const Source& source, const char* what);

/// All colour types, bit depths and interlacing. A palette becomes RGB (RGBA with transparency);
/// 1, 2 and 4 bits become 8; 16 bits give u16. Ancillary chunks but tRNS are skipped, so colour
/// profiles and gamma are not applied. Throws IoError, FormatError.
Array read_png(const std::string& path);
Array read_png(const Source& source);

/// u8, [height, width] or [height, width, 1..4].
Buffer encode_png(const Array& image);
void write_png(const std::string& path, const Array& image);

}  // namespace varve::formats
