// gzip (RFC 1952) and deflate (RFC 1951): streaming, strict, capped.
#pragma once
#include <memory>

#include "formats/file.h"

namespace varve::formats {

/// Deflate cannot pack more than 1032 bytes into one; a header that declares more than this times
/// the bytes present is wrong, whatever follows.
inline constexpr int64_t kDeflateRatio = 1100;

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before = 0);

/// Inflates one raw deflate stream that lies at [offset, offset + size) of `source`.
class Inflater {
 public:
  Inflater(const Source& source, int64_t offset, int64_t size, std::string what);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  /// Fills `out` and returns how much; less only at the end of the stream. Throws FormatError.
  int64_t read(std::span<std::byte> out);
  /// Bytes of input used so far; exact once read() has come to the end.
  int64_t consumed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The one member of a gzip file. At its end CRC and length are checked, and that nothing follows.
class GzipReader {
 public:
  explicit GzipReader(const Source& source);
  int64_t read(std::span<std::byte> out);
  int64_t produced() const { return produced_; }

 private:
  int64_t header_size() const;
  void check_end();
  const Source& source_;
  Inflater inflater_;
  uint32_t crc_ = 0;
  int64_t produced_ = 0;
  bool ended_ = false;
};

bool is_gzip(const Source& source);
/// All of a gzip file, at most `limit` bytes.
Buffer read_gzip(const Source& source, int64_t limit = kDefaultLimit);
/// A whole file, inflated where its content is gzip. `limit` holds for what is returned.
Buffer read_maybe_gzip(const std::string& path, int64_t limit = kDefaultLimit);

/// Packs; no time stamp and no name in it, so equal input gives equal bytes. level: 0..9.
Buffer gzip(std::span<const std::byte> bytes, int level = 6);
Buffer deflate(std::span<const std::byte> bytes, int level = 6);

}  // namespace varve::formats
