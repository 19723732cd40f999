// What the harnesses share. A reader may refuse any bytes with a varve::Error that says so in plain
// text; everything else that it does (another exception, a sanitizer's report, memory beyond the
// limit, a hang) is a finding.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "formats/file.h"
#include "varve/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace varve::fuzz {

/// Ends the program where a promise of the reader does not hold.
inline void expect(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// Runs a reader. What it says of bytes that it refuses must be fit for a terminal: no control
/// characters out of the file.
template <class Read>
void reads_or_refuses(const Read& read) {
  try {
    read();
  } catch (const Error& e) {
    const std::string text = e.what();
    expect(!text.empty(), "an error says what is wrong");
    for (const char c : text)
      expect(c == '\n' || static_cast<unsigned char>(c) >= 0x20, "messages have no control codes");
  }
}

inline std::span<const std::byte> bytes_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}
inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
inline formats::Source source_of(const uint8_t* data, size_t size) {
  return formats::Source::memory("input", bytes_of(data, size));
}

/// Elements that were promised are there: reads each byte.
inline void read_through(const formats::Array& array) {
  volatile unsigned char sum = 0;
  for (const std::byte b : array.bytes.span())
    sum = static_cast<unsigned char>(sum + std::to_integer<unsigned char>(b));
}

}  // namespace varve::fuzz
