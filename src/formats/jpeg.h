// JPEG, by libjpeg-turbo; every warning of it is an error here, so no half-grey picture is learnt.
#pragma once
#include "formats/file.h"

namespace varve::formats {

bool is_jpeg(const Source& source);

/// Grey gives one channel, everything else RGB; the orientation in EXIF data is applied, so that
/// the picture stands as a viewer shows it. Refused by name: CMYK, 12 bits, lossless, more than 64
/// scans, bytes after the end (unless an MPF marker announces further pictures).
/// Throws IoError, FormatError.
Array read_jpeg(const std::string& path);
Array read_jpeg(const Source& source);

/// u8, grey or RGB; quality 1..100.
Buffer encode_jpeg(const Array& image, int quality = 90);
void write_jpeg(const std::string& path, const Array& image, int quality = 90);

}  // namespace varve::formats
