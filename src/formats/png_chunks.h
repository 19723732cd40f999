// The chunks of a PNG: what they are, where they lie and whether they may; private to png.cpp.
#pragma once
#include <vector>

#include "formats/file.h"

namespace varve::formats {

struct PngChunks {
  struct Part {
    int64_t offset = 0, size = 0;
  };
  int64_t width = 0, height = 0;
  int bit_depth = 0, colour_type = 0;
  bool interlaced = false;
  Part palette, transparency;  // contents of PLTE and tRNS
  std::vector<Part> parts;     // the signature and whole chunks, what the decoder is to see
  int64_t data_bytes = 0;      // in all IDAT chunks
  bool cut = false;            // the file ends within the pixels

  /// What the pixels take before deflate, at least.
  int64_t raw_bytes() const;
};

/// Walks over the chunks of a whole file in memory: lengths, CRCs, order, number, nothing behind
/// IEND. Throws FormatError `chunk <type> at byte <n>: ...`. In a file that is cut within its
/// pixels the last chunk is closed where the file ends, so that the decoder gets all there is.
PngChunks scan_png(const Source& source, Buffer& file);

}  // namespace varve::formats
