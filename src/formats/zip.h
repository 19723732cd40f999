// Zip archives, stored or deflated, with the 64-bit extension: what .npz needs.
#pragma once
#include <string>
#include <vector>

#include "formats/file.h"

namespace varve::formats {

/// An archive whose directory has been read and checked: names once, members apart from each other,
/// nothing before the first or behind the directory.
class ZipFile {
 public:
  struct Member {
    std::string name;
    int method = 0;  // 0 stored, 8 deflate
    uint32_t crc = 0;
    int64_t packed_size = 0, size = 0;
    int64_t offset = 0;       // of the local header
    int64_t data_offset = 0;  // of the packed bytes
  };

  /// Throws FormatError `zip: ...` or `member "a.npy": ...`.
  explicit ZipFile(Source source);

  const std::vector<Member>& members() const { return members_; }
  const Source& source() const { return source_; }
  /// The unpacked bytes; their size and checksum are what the directory says.
  Buffer read(const Member& member) const;

 private:
  Source source_;
  std::vector<Member> members_;
};

struct ZipContent {
  std::string name;
  Buffer bytes;
};

/// Writes atomically, without time stamps. `compress`: deflate, else stored.
void write_zip(const std::string& path, const std::vector<ZipContent>& members, bool compress);

}  // namespace varve::formats
