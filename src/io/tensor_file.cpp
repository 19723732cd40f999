#include "io/tensor_file.h"

#include <fmt/format.h>

#include "base/error.h"
#include "formats/gzip.h"
#include "ir/node.h"

namespace varve::io {
namespace {

std::string checksum(std::span<const std::byte> bytes) {
  return fmt::format("{:08x}", formats::crc32(bytes));
}

std::span<const std::byte> bytes_of(const Tensor& x) {
  const auto count = static_cast<size_t>(x.size() * size_of(x.dtype()));
  return {ir::contiguous_array(x).data(), count};
}

// Over names and texts in their order: metadata, then tensors with their types.
uint32_t header_checksum(const std::map<std::string, std::string>& metadata,
                         const std::map<std::string, std::string>& types) {
  uint32_t crc = 0;
  for (const auto* part : {&metadata, &types}) {
    for (const auto& [name, text] : *part) {
      if (name == kHeaderKey) continue;
      for (const std::string* s : {&name, &text}) {
        // The zero byte keeps "ab", "c" from being "a", "bc".
        crc = formats::crc32(std::as_bytes(std::span(s->c_str(), s->size() + 1)), crc);
      }
    }
  }
  return crc;
}

}  // namespace

std::string type_text(DType dtype, const Shape& shape) {
  std::string text = name_of(dtype), sizes;
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (int64_t d : shape) sizes += (sizes.empty() ? "" : ",") + std::to_string(d);
  return text + "[" + sizes + "]";
}

void write_tensors(const std::string& path, const char* kind,
                   const std::vector<NamedTensor>& tensors,
                   std::map<std::string, std::string> metadata, const std::string& kept) {
  std::vector<formats::NamedBytes> list;
  config::Json sums = config::Json::object();
  std::map<std::string, std::string> types;
  for (const NamedTensor& t : tensors) {
    const std::span<const std::byte> bytes = bytes_of(t.tensor);
    sums[t.name] = checksum(bytes);
    types[t.name] = type_text(t.tensor.dtype(), t.tensor.shape());
    list.push_back({t.name, t.tensor.dtype(), t.tensor.shape(), bytes});
  }
  metadata[kVersionKey] = std::to_string(kFormatVersion);
  metadata[kKindKey] = kind;
  metadata[kChecksumsKey] = sums.dump();
  metadata[kHeaderKey] = fmt::format("{:08x}", header_checksum(metadata, types));
  formats::write_safetensors(path, std::move(list), metadata, kept);
}

TensorFile::TensorFile(const std::string& path) : file_(formats::SafetensorsFile::open(path)) {
  check_version();
  check_header();
  if (!metadata(kChecksumsKey).empty()) {
    const config::Json sums = json(kChecksumsKey);
    if (!sums.is_object()) fail(std::string(kChecksumsKey) + ": expected an object");
    for (const auto& [name, value] : sums.items()) {
      if (value.is_string()) checksums_[name] = value.get<std::string>();
    }
  }
}

void TensorFile::check_version() const {
  if (const std::string version = metadata(kVersionKey); !version.empty()) {
    const bool number = version.find_first_not_of("0123456789") == std::string::npos;
    if (!number || version.size() > 9 || std::stoll(version) > kFormatVersion) {
      fail("format version: this Varve reads up to " + std::to_string(kFormatVersion) +
               ", the file is " + escaped(version),
           "it was written by a newer Varve");
    }
  }
}

void TensorFile::check_header() const {
  if (metadata(kKindKey).empty()) return;  // another program's file
  std::map<std::string, std::string> types;
  for (const auto& entry : file_.tensors()) types[entry.name] = entry.to_string();
  const std::string got = fmt::format("{:08x}", header_checksum(file_.metadata(), types));
  if (got == metadata(kHeaderKey)) return;
  fail(std::string(kHeaderKey) + ": expected \"" + escaped(metadata(kHeaderKey)) + "\", got \"" +
           got + "\"",
       "the file was damaged or edited after it was written");
}

std::string TensorFile::metadata(const std::string& key) const {
  const auto at = file_.metadata().find(key);
  return at == file_.metadata().end() ? "" : at->second;
}

void TensorFile::require_kind(const char* kind) const {
  const std::string got = metadata(kKindKey);
  if (got == kind) return;
  const std::string expected = std::string("expected a Varve ") + kind + ", ";
  if (got.empty())
    fail(expected + "the file is none (no " + std::string(kKindKey) + " in its metadata)");
  if (got == "weights") fail(expected + "the file holds weights alone", "load_weights reads them");
  fail(expected + "the file is a " + escaped(got),
       got == "checkpoint" ? "training goes on from it: fit({.resume = ...}), varve train --resume"
                           : "load_weights and varve train --init-from begin with its weights");
}

config::Json TensorFile::json(const std::string& key) const {
  const std::string text = metadata(key);
  if (text.empty()) fail(key + ": not in the file's metadata");
  try {
    return config::parse(text, key);
  } catch (const Error& e) {
    fail(e.message(), e.hint());
  }
}

Tensor TensorFile::read(const std::string& name) const {
  const formats::SafetensorsFile::Entry* entry = file_.find(name);
  if (!entry) fail("tensor \"" + escaped(name) + "\": not in the file");
  const formats::Array array = file_.read(*entry);
  if (const auto at = checksums_.find(name); at != checksums_.end()) {
    const std::string got = checksum(array.bytes.span());
    if (got != at->second) {
      fail("tensor \"" + escaped(name) + "\": checksum: expected " + escaped(at->second) +
               ", got " + got,
           "the file was damaged after it was written");
    }
  }
  return tensor_from_shared(array.bytes.shared(), array.bytes.data(), array.dtype, array.shape);
}

void TensorFile::fail(const std::string& what, const std::string& hint) const {
  throw FormatError(file_.name() + ": " + what, hint);
}

}  // namespace varve::io
