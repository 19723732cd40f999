// Pictures as arrays [height, width, channels] of u8 (u16 for a 16-bit PNG): 1 grey, 2 grey and
// alpha, 3 RGB, 4 RGBA.
#pragma once
#include <string>

#include "formats/file.h"

namespace varve::formats {

/// Larger pictures are refused before anything is decoded.
inline constexpr int64_t kMaxImageSide = 16384, kMaxImagePixels = int64_t{1} << 26;

/// A PNG or JPEG file; the content decides which, not the name. 16-bit values become 8-bit ones.
/// channels: 0 as the file has them; 1, 3 or 4 converts (see to_channels). Throws IoError,
/// FormatError.
Array read_image(const std::string& path, int channels = 0);
Array read_image(const Source& source, int channels = 0);

/// Throws FormatError for sides of 0 and above the limits; `where` begins the message ("IHDR").
void check_image_size(const Source& source, const char* where, int64_t width, int64_t height);
/// The same for a picture that is to be written; [height, width] counts as one channel. Throws
/// DTypeError, ShapeError. Returns the number of channels.
int check_writable_image(const char* operation, const Array& image);

/// v * 255 / 65535, rounded. The argument may be u8 already.
Array to_8_bit(const Array& image);

/// u8 pictures with another number of channels. To grey: ITU-R 601-2 luma, (19595 R + 38470 G +
/// 7471 B + 32768) / 65536; to colour: the grey value three times; alpha is dropped, a missing one
/// is 255. Throws ValueError unless channels is 1, 3 or 4.
Array to_channels(const Array& image, int channels);

/// Bilinear with pixel centres aligned; where it shrinks, the triangle widens by the scale so that
/// nothing between the samples is lost (antialiasing). u8 only; 22-bit fixed point, rows first, the
/// bits of Pillow's Image.resize(BILINEAR).
Array resize(const Array& image, int64_t height, int64_t width);

}  // namespace varve::formats
