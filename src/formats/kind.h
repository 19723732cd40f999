// What a file is by its first bytes, so that a wrong one is called by its name.
#pragma once
#include <initializer_list>
#include <span>
#include <string>

#include "formats/file.h"

namespace varve::formats {

enum class FileKind {
  unknown,
  empty,
  png,
  jpeg,
  gif,
  bmp,
  tiff,
  webp,
  gzip,
  npz,
  torch,  // of torch.save
  zip,    // another archive
  npy,
  idx,
  safetensors,
  onnx,
  hdf5,
  pickle,
  pdf,
  markup,  // XML, HTML, SVG
  json,
  toml,
  text  // of no kind above: a CSV table is one
};

/// By the first bytes of a file, or all of them; 512 are enough.
FileKind kind_of(std::span<const std::byte> head);
FileKind kind_of(const Source& source);
/// As messages call it: "a PNG image". Not of `unknown`.
const char* name_of(FileKind kind);

/// `not a safetensors file (it begins like a PNG image)`.
std::string not_expected(const std::string& expected, FileKind kind);
/// The same of a file that is not `expected` and of none of the kinds `own`. What begins like text,
/// or is empty, gets ": <detail>" behind it; of unknown bytes, or those of `own`, the detail alone
/// is said.
std::string other_kind(std::span<const std::byte> head, const std::string& expected,
                       std::initializer_list<FileKind> own, const std::string& detail);
/// Throws FormatError "<name>: <other_kind>".
[[noreturn]] void fail_kind(const Source& source, const std::string& expected,
                            std::initializer_list<FileKind> own, const std::string& detail);

}  // namespace varve::formats
