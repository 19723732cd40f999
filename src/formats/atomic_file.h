// Writing a file so that at every instant the old one or the new one is there, whole.
#pragma once
#include <string>

#include "formats/file.h"

namespace varve::formats {

/// Writes beside the target (same folder), then fsync, rename, fsync of the folder. Where anything
/// fails, or without commit(), the old file stays and the one beside it goes.
class AtomicFile {
 public:
  /// `bytes`: what will be written at most; the space is looked for and reserved first.
  /// `kept`: what the messages of a file that is replaced say is still there, e.g. "previous
  /// checkpoint step 400". A symbolic link is followed; permissions of the old file are kept.
  /// Throws IoError.
  AtomicFile(const std::string& path, int64_t bytes, std::string kept = "previous file");
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(as_bytes(text)); }
  /// Makes it the file. Nothing may be written afterwards.
  void commit();
  int64_t written() const { return written_; }

 private:
  [[noreturn]] void fail(int error, int64_t needed);
  void create();
  void remove_strays() const;
  void discard();

  std::string path_, name_, folder_, temporary_, kept_;
  Descriptor file_, directory_;
  int64_t reserved_, written_ = 0;
  bool replaces_ = false;
};

/// The whole content at once.
void write_file(const std::string& path, std::span<const std::byte> bytes);
void write_file(const std::string& path, std::string_view text);

}  // namespace varve::formats
