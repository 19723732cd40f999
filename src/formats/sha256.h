// SHA-256 (FIPS 180-4), for the checksums of data sets and files.
#pragma once
#include <array>
#include <string>

#include "formats/file.h"

namespace varve::formats {

class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  /// 64 lower-case hex digits. Call once.
  std::string hex();

 private:
  void block(const std::byte* p);
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> pending_;
  uint64_t length_ = 0;
};

std::string sha256(std::span<const std::byte> bytes);
/// Throws IoError.
std::string sha256_file(const std::string& path);

/// Compares a file with the checksum a list gives for it; where they differ the file is renamed to
/// "<path>.bad", so that it is not taken again and can still be looked at. Throws FormatError.
void verify_sha256(const std::string& path, std::string_view expected);

}  // namespace varve::formats
